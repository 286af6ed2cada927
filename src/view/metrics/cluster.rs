//! Metrics of Kubernetes data.

use std::collections::BTreeMap;

use super::{
    Definition, Kind,
    family::{Family, Value},
    seconds,
};
use crate::model::{
    Snapshot,
    cluster::{Direction, ObjectName, PvcPhase, ScaledReplica, StatefulSetSnapshot, Watch},
};

pub(super) const METRICS: &[Definition] = &[
    Definition {
        name: "readscope_kube_watch_up",
        kind: Kind::Gauge,
        labels: &["kind"],
        help: "1 if every watch of this kind works, otherwise 0.",
        read: |snapshot, family| {
            each_kind(snapshot, family, |watches| {
                Some(watches.iter().all(|watch| watch.listed && watch.problem.is_none()))
            });
        },
    },
    Definition {
        name: "readscope_kube_watch_restarts_total",
        kind: Kind::Counter,
        labels: &["kind"],
        help: "Number of times that a watch of this kind had to restart with a list.",
        read: |snapshot, family| {
            each_kind(snapshot, family, |watches| Some(watches.iter().map(|watch| watch.restarts).sum::<u64>()));
        },
    },
    Definition {
        name: "readscope_kube_last_event_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["kind"],
        help: "Time of the last watch event of this kind.",
        read: |snapshot, family| {
            each_kind(snapshot, family, |watches| {
                watches.iter().filter_map(|watch| watch.last_event).max().map(|last| seconds(last.wall))
            });
        },
    },
    Definition {
        name: "readscope_persistentvolumeclaim_bind_seconds",
        kind: Kind::Histogram,
        labels: &["namespace", "statefulset", "storage_class", "bind_mode"],
        help: "Time from the creation of a new PVC to its bound volume, for PVCs whose creation and binding readscope \
               observed.",
        read: pvc_binds,
    },
    Definition {
        name: "readscope_persistentvolumeclaim_pending_seconds",
        kind: Kind::Gauge,
        labels: &["namespace", "statefulset", "persistentvolumeclaim"],
        help: "Time that the PVC has been waiting for its volume; 0 once it is bound.",
        read: pending_pvcs,
    },
    Definition {
        name: "readscope_persistentvolumeclaim_lost",
        kind: Kind::Gauge,
        labels: &["namespace", "statefulset", "persistentvolumeclaim"],
        help: "1 if the PersistentVolume of the PVC is gone, so that its pod cannot mount it at its next start, otherwise \
               0.",
        read: lost_pvcs,
    },
    Definition {
        name: "readscope_scale_phase_seconds",
        kind: Kind::Histogram,
        labels: &["namespace", "statefulset", "phase"],
        help: "Duration of each phase of the start or stop of a replica. Phases overlap; do not add them up. \
               provision: PVC; schedule, start, initialize, become_ready: pod; publish: endpoint; route: first read; \
               catch_up: first fresh read; fill: share of the client connections; to_ready, to_first_read, to_fresh_read: from the scale request; withdraw, \
               drain, terminate: from the start of termination to the removal of the endpoint, the last read, the end \
               of the pod.",
        read: scale_phases,
    },
    Definition {
        name: "readscope_milestone_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["namespace", "statefulset", "replica", "milestone"],
        help: "Time at which the replica reached the milestone in the last scale event that added or removed it.",
        read: milestones,
    },
    Definition {
        name: "readscope_first_read_uncertainty_seconds",
        kind: Kind::Gauge,
        labels: &["namespace", "statefulset", "replica"],
        help: "How much earlier the replica may have been able to answer its first read, at the 99th percentile. It \
               grows with the probe interval.",
        read: first_read_uncertainty,
    },
    Definition {
        name: "readscope_scale_events_total",
        kind: Kind::Counter,
        labels: &["namespace", "statefulset", "direction"],
        help: "Changes of the replica count that readscope observed.",
        read: scale_events,
    },
    Definition {
        name: "readscope_scale_in_progress",
        kind: Kind::Gauge,
        labels: &["namespace", "statefulset"],
        help: "1 while a replica of a scale event has not finished starting or stopping, otherwise 0.",
        read: |snapshot, family| {
            each_set(snapshot, family, |set| Some(set.events.iter().any(|event| event.finished.is_none())));
        },
    },
    Definition {
        name: "readscope_last_scale_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["namespace", "statefulset"],
        help: "Start time of the last scale event.",
        read: |snapshot, family| each_set(snapshot, family, |set| Some(seconds(set.events.first()?.started.wall))),
    },
    Definition {
        name: "readscope_statefulset_replicas",
        kind: Kind::Gauge,
        labels: &["namespace", "statefulset"],
        help: "Replicas that the StatefulSet should have (spec.replicas).",
        read: |snapshot, family| each_set(snapshot, family, |set| set.replicas.map(u64::from)),
    },
];

fn each_kind<V: Into<Value>>(snapshot: &Snapshot, family: &mut Family, value: impl Fn(&[&Watch]) -> Option<V>) {
    let mut kinds: BTreeMap<&str, Vec<&Watch>> = BTreeMap::new();
    for (name, watch) in snapshot.cluster.iter().flat_map(|cluster| &cluster.watches) {
        kinds.entry(name.kind.resource()).or_default().push(watch);
    }
    for (kind, watches) in kinds {
        if let Some(value) = value(&watches) {
            family.series(&[kind], value);
        }
    }
}

fn each_set<V: Into<Value>>(
    snapshot: &Snapshot,
    family: &mut Family,
    value: impl Fn(&StatefulSetSnapshot) -> Option<V>,
) {
    for (name, set) in sets(snapshot) {
        if let Some(value) = value(set) {
            family.series(&[&name.namespace, &name.name], value);
        }
    }
}

fn pvc_binds(snapshot: &Snapshot, family: &mut Family) {
    for (labels, times) in snapshot.cluster.iter().flat_map(|cluster| &cluster.binds) {
        let set = &labels.statefulset;
        family.histogram(&[&set.namespace, &set.name, &labels.storage_class, labels.bind_mode], times);
    }
}

fn pending_pvcs(snapshot: &Snapshot, family: &mut Family) {
    for (name, set) in sets(snapshot) {
        for shown in &set.pvcs {
            family.series(
                &[&name.namespace, &name.name, &shown.pvc.name.name],
                shown.pending.unwrap_or_default().as_secs_f64(),
            );
        }
    }
}

fn lost_pvcs(snapshot: &Snapshot, family: &mut Family) {
    for (name, set) in sets(snapshot) {
        for shown in &set.pvcs {
            family.series(&[&name.namespace, &name.name, &shown.pvc.name.name], shown.pvc.phase == PvcPhase::Lost);
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
