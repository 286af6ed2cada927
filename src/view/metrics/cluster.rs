//! Metrics of Kubernetes data.

use std::collections::BTreeMap;

use super::{
    Definition,
    Series::{Other, Sets, Watches},
    counter,
    family::{Family, Value},
    gauge, histogram, seconds,
};
use crate::model::{
    Snapshot,
    cluster::{Direction, ObjectName, PvcPhase, PvcSnapshot, ScaledReplica, StatefulSetSnapshot},
};

pub(super) const METRICS: &[Definition] = &[
    gauge(
        "readscope_kube_watch_up",
        "1 if every watch of this kind works, otherwise 0.",
        Watches(|watches| Some(watches.iter().all(|watch| watch.listed && watch.problem.is_none()).into())),
    ),
    counter(
        "readscope_kube_watch_restarts_total",
        "Number of times that a watch of this kind had to restart with a list.",
        Watches(|watches| Some(watches.iter().map(|watch| watch.restarts).sum::<u64>().into())),
    ),
    gauge(
        "readscope_kube_last_event_timestamp_seconds",
        "Time of the last watch event of this kind.",
        Watches(|watches| Some(seconds(watches.iter().filter_map(|watch| watch.last_event).max()?.wall).into())),
    ),
    histogram(
        "readscope_persistentvolumeclaim_bind_seconds",
        "Time from the creation of a new PVC to its bound volume, for PVCs whose creation and binding readscope \
         observed.",
        Other(&["namespace", "statefulset", "storage_class", "bind_mode"], pvc_binds),
    ),
    gauge(
        "readscope_persistentvolumeclaim_pending_seconds",
        "Time that the PVC has been waiting for its volume; 0 once it is bound.",
        Other(&["namespace", "statefulset", "persistentvolumeclaim"], |snapshot, family| {
            each_pvc(snapshot, family, |shown| shown.pending.unwrap_or_default().as_secs_f64());
        }),
    ),
    gauge(
        "readscope_persistentvolumeclaim_lost",
        "1 if the PersistentVolume of the PVC is gone, so that its pod cannot mount it at its next start, otherwise \
         0.",
        Other(&["namespace", "statefulset", "persistentvolumeclaim"], |snapshot, family| {
            each_pvc(snapshot, family, |shown| shown.pvc.phase == PvcPhase::Lost);
        }),
    ),
    histogram(
        "readscope_scale_phase_seconds",
        "Duration of each phase of the start or stop of a replica. Phases overlap; do not add them up. \
         provision: PVC; schedule, start, initialize, become_ready: pod; publish: endpoint; route: first read; \
         catch_up: first fresh read; fill: share of the client connections; to_ready, to_first_read, to_fresh_read: from the scale request; withdraw, \
         drain, terminate: from the start of termination to the removal of the endpoint, the last read, the end \
         of the pod.",
        Other(&["namespace", "statefulset", "phase"], scale_phases),
    ),
    gauge(
        "readscope_milestone_timestamp_seconds",
        "Time at which the replica reached the milestone in the last scale event that added or removed it.",
        Other(&["namespace", "statefulset", "replica", "milestone"], milestones),
    ),
    gauge(
        "readscope_first_read_uncertainty_seconds",
        "How much earlier the replica may have been able to answer its first read, at the 99th percentile. It \
         grows with the probe interval.",
        Other(&["namespace", "statefulset", "replica"], first_read_uncertainty),
    ),
    counter(
        "readscope_scale_events_total",
        "Changes of the replica count that readscope observed.",
        Other(&["namespace", "statefulset", "direction"], scale_events),
    ),
    gauge(
        "readscope_scale_in_progress",
        "1 while a replica of a scale event has not finished starting or stopping, otherwise 0.",
        Sets(|set| Some(set.events.iter().any(|event| event.finished.is_none()).into())),
    ),
    gauge(
        "readscope_last_scale_timestamp_seconds",
        "Start time of the last scale event.",
        Sets(|set| Some(seconds(set.events.first()?.started.wall).into())),
    ),
    gauge(
        "readscope_statefulset_replicas",
        "Replicas that the StatefulSet should have (spec.replicas).",
        Sets(|set| Some(u64::from(set.replicas?).into())),
    ),
];

fn pvc_binds(snapshot: &Snapshot, family: &mut Family) {
    for (labels, times) in snapshot.cluster.iter().flat_map(|cluster| &cluster.binds) {
        let set = &labels.statefulset;
        family.histogram(&[&set.namespace, &set.name, &labels.storage_class, labels.bind_mode], times);
    }
}

fn each_pvc<V: Into<Value>>(snapshot: &Snapshot, family: &mut Family, value: fn(&PvcSnapshot) -> V) {
    for (name, set) in sets(snapshot) {
        for shown in &set.pvcs {
            family.series(&[&name.namespace, &name.name, &shown.pvc.name.name], value(shown));
        }
    }
}

fn scale_phases(snapshot: &Snapshot, family: &mut Family) {
    for (name, set) in sets(snapshot) {
        for (phase, times) in &set.phases {
            family.histogram(&[&name.namespace, &name.name, phase.name()], times);
        }
    }
}

fn milestones(snapshot: &Snapshot, family: &mut Family) {
    for (name, set) in sets(snapshot) {
        for member in last_members(set) {
            for (milestone, date) in member.milestones.reached() {
                family.series(&[&name.namespace, &name.name, &member.replica, milestone.name()], seconds(date.wall));
            }
        }
    }
}

fn first_read_uncertainty(snapshot: &Snapshot, family: &mut Family) {
    for (name, set) in sets(snapshot) {
        for member in last_members(set) {
            if let Some(uncertainty) = member.first_read_uncertainty {
                family.series(&[&name.namespace, &name.name, &member.replica], uncertainty.as_secs_f64());
            }
        }
    }
}

fn scale_events(snapshot: &Snapshot, family: &mut Family) {
    for (name, set) in sets(snapshot) {
        for direction in [Direction::Up, Direction::Down] {
            family.series(&[&name.namespace, &name.name, direction.name()], set.began[direction as usize]);
        }
    }
}

fn sets(snapshot: &Snapshot) -> impl Iterator<Item = (&ObjectName, &StatefulSetSnapshot)> {
    snapshot.cluster.iter().flat_map(|cluster| &cluster.statefulsets).map(|set| (&set.name, set))
}

fn last_members(set: &StatefulSetSnapshot) -> impl Iterator<Item = &ScaledReplica> {
    let mut last = BTreeMap::new();
    for member in set.events.iter().flat_map(|event| &event.members) {
        last.entry(member.ordinal).or_insert(member);
    }
    last.into_values()
}
