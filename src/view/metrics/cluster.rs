//! The metrics that Kubernetes brings.

use std::collections::BTreeMap;

use prometheus::proto::{Metric, MetricFamily};

use super::{
    Definition, Kind, define,
    family::{counter, family, gauge, histogram, seconds},
};
use crate::model::cluster::{
    ClaimSnapshot, ClusterSnapshot, Dated, Direction, Member, Milestone, StatefulSetSnapshot, Watch,
};

pub(super) const WATCH_UP: Definition = define(
    "readscope_kube_watch_up",
    Kind::Gauge,
    &["kind"],
    "1 if objects of this kind are watched everywhere they should be, otherwise 0.",
);
pub(super) const WATCH_RESTARTS: Definition = define(
    "readscope_kube_watch_restarts_total",
    Kind::Counter,
    &["kind"],
    "How often the watch of this kind had to begin anew with a list.",
);
pub(super) const LAST_EVENT: Definition = define(
    "readscope_kube_last_event_timestamp_seconds",
    Kind::Gauge,
    &["kind"],
    "When the watch of this kind last told anything.",
);
pub(super) const CLAIM_BIND: Definition = define(
    "readscope_claim_bind_seconds",
    Kind::Histogram,
    &["statefulset", "storage_class", "bind_mode"],
    "How long new claims took from their creation to a bound volume; only those seen at both ends.",
);
pub(super) const CLAIM_PENDING: Definition = define(
    "readscope_claim_pending_seconds",
    Kind::Gauge,
    &["statefulset", "claim"],
    "How long a claim has been waiting for its volume; 0 once it is bound.",
);
pub(super) const SCALE_PHASE: Definition = define(
    "readscope_scale_phase_seconds",
    Kind::Histogram,
    &["statefulset", "phase"],
    "How long each phase of a replica's coming or going took; phases may overlap and are never to be summed. \
     provision: claim; schedule, start, initialize, become_ready: pod; publish: endpoint; route: first read; \
     catch_up: first fresh read; to_ready, to_first_read, to_fresh_read: from the scale request; withdraw, drain, \
     terminate: from the start of termination to the endpoint's end, the last read, the pod's end.",
);
pub(super) const MILESTONE: Definition = define(
    "readscope_milestone_timestamp_seconds",
    Kind::Gauge,
    &["statefulset", "replica", "milestone"],
    "When a replica reached a milestone of the last scale event that added or removed it.",
);
pub(super) const FIRST_READ_UNCERTAINTY: Definition = define(
    "readscope_first_read_uncertainty_seconds",
    Kind::Gauge,
    &["statefulset", "replica"],
    "How much earlier than its milestone says a replica may have been ready to answer its first read, at the 99th \
     percentile: the time of the samples that may miss it.",
);
pub(super) const SCALE_EVENTS: Definition = define(
    "readscope_scale_events_total",
    Kind::Counter,
    &["statefulset", "direction"],
    "Changes of the number of replicas that were seen.",
);
pub(super) const SCALE_IN_PROGRESS: Definition = define(
    "readscope_scale_in_progress",
    Kind::Gauge,
    &["statefulset"],
    "1 while a replica of a scale event has not arrived or gone yet, otherwise 0.",
);
pub(super) const LAST_SCALE: Definition =
    define("readscope_last_scale_timestamp_seconds", Kind::Gauge, &["statefulset"], "When the last scale event began.");
pub(super) const REPLICAS: Definition = define(
    "readscope_statefulset_replicas",
    Kind::Gauge,
    &["statefulset"],
    "How many replicas the StatefulSet should have.",
);

/// Every family that `told` has something for.
pub(super) fn families(told: &ClusterSnapshot) -> Vec<MetricFamily> {
    let sets = &told.statefulsets;
    let each = |definition, metrics: &dyn Fn(&StatefulSetSnapshot, &str) -> Vec<Metric>| {
        family(definition, sets.iter().flat_map(|set| metrics(set, &set.name.to_string())).collect())
    };
    let mut families = watches(told);
    families.push(family(
        CLAIM_BIND,
        told.binds
            .iter()
            .map(|(labels, times)| {
                let set = labels.statefulset.to_string();
                let pairs = [
                    ("statefulset", &*set),
                    ("storage_class", &*labels.storage_class),
                    ("bind_mode", labels.bind_mode),
                ];
                histogram(&pairs, times)
            })
            .collect(),
    ));
    families.push(each(CLAIM_PENDING, &|set, name| {
        let pending = |shown: &ClaimSnapshot| {
            let pairs = [("statefulset", name), ("claim", &*shown.claim.name.name)];
            gauge(&pairs, shown.pending.unwrap_or_default().as_secs_f64())
        };
        set.claims.iter().map(pending).collect()
    }));
    families.push(each(SCALE_PHASE, &|set, name| {
        let phases = set.phases.iter();
        phases.map(|(phase, times)| histogram(&[("statefulset", name), ("phase", phase.name())], times)).collect()
    }));
    families.push(each(MILESTONE, &milestones));
    families.push(each(FIRST_READ_UNCERTAINTY, &|set, name| {
        let known_to = |member: &Member| {
            let uncertainty = member.first_read_uncertainty?.as_secs_f64();
            Some(gauge(&[("statefulset", name), ("replica", &*member.replica)], uncertainty))
        };
        last_members(set).filter_map(known_to).collect()
    }));
    families.push(each(SCALE_EVENTS, &|set, name| {
        [Direction::Up, Direction::Down]
            .map(|direction| {
                let pairs = [("statefulset", name), ("direction", direction.name())];
                counter(&pairs, set.began[direction as usize])
            })
            .into()
    }));
    families.push(each(SCALE_IN_PROGRESS, &|set, name| {
        let open = set.events.iter().any(|event| event.finished.is_none());
        vec![gauge(&[("statefulset", name)], f64::from(u8::from(open)))]
    }));
    families.push(each(LAST_SCALE, &|set, name| {
        let last = set.events.first().map(|event| gauge(&[("statefulset", name)], seconds(event.started.wall)));
        last.into_iter().collect()
    }));
    families.push(each(REPLICAS, &|set, name| {
        set.replicas.map(|replicas| gauge(&[("statefulset", name)], f64::from(replicas))).into_iter().collect()
    }));
    families
}

fn watches(told: &ClusterSnapshot) -> Vec<MetricFamily> {
    let mut kinds: BTreeMap<&str, Vec<&Watch>> = BTreeMap::new();
    for (name, watch) in &told.watches {
        kinds.entry(name.kind.resource()).or_default().push(watch);
    }
    let each = |definition, metric: &dyn Fn(&str, &[&Watch]) -> Option<Metric>| {
        family(definition, kinds.iter().filter_map(|(kind, watches)| metric(kind, watches)).collect())
    };
    vec![
        each(WATCH_UP, &|kind, watches| {
            let up = watches.iter().all(|watch| watch.listed && watch.problem.is_none());
            Some(gauge(&[("kind", kind)], f64::from(u8::from(up))))
        }),
        each(WATCH_RESTARTS, &|kind, watches| {
            Some(counter(&[("kind", kind)], watches.iter().map(|watch| watch.restarts).sum()))
        }),
        each(LAST_EVENT, &|kind, watches| {
            let last = watches.iter().filter_map(|watch| watch.last_event).max()?;
            Some(gauge(&[("kind", kind)], seconds(last.wall)))
        }),
    ]
}

/// Of each replica, the milestones of the last event that it was part of.
fn milestones(set: &StatefulSetSnapshot, name: &str) -> Vec<Metric> {
    let of_member = |member: &Member| -> Vec<Metric> {
        let metric = |(milestone, date): (Milestone, Dated)| {
            let pairs = [("statefulset", name), ("replica", &*member.replica), ("milestone", milestone.name())];
            gauge(&pairs, seconds(date.wall))
        };
        member.milestones.reached().map(metric).collect()
    };
    last_members(set).flat_map(of_member).collect()
}

/// Each replica in the last event that it was part of.
fn last_members(set: &StatefulSetSnapshot) -> impl Iterator<Item = &Member> {
    let mut last = BTreeMap::new();
    for member in set.events.iter().flat_map(|event| &event.members) {
        last.entry(member.ordinal).or_insert(member);
    }
    last.into_values()
}
