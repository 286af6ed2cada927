//! The metrics that Kubernetes brings.

use std::collections::BTreeMap;

use super::{Definition, Kind, Text, Value, define, seconds};
use crate::model::cluster::{ClusterSnapshot, Direction, ScaledReplica as Member, StatefulSetSnapshot, Watch};

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

/// Writes everything of what was told.
pub(super) fn write(text: &mut Text<'_>, told: &ClusterSnapshot) {
    watches(text, told);
    let mut family = text.family(CLAIM_BIND);
    for (labels, times) in &told.binds {
        family.histogram(&[&labels.statefulset.to_string(), &labels.storage_class, labels.bind_mode], times);
    }
    let sets: Vec<(String, &StatefulSetSnapshot)> =
        told.statefulsets.iter().map(|set| (set.name.to_string(), set)).collect();
    let mut family = text.family(CLAIM_PENDING);
    for (name, set) in &sets {
        for shown in &set.claims {
            let pending = shown.pending.unwrap_or_default().as_secs_f64();
            family.series(&[name, &shown.claim.name.name], pending);
        }
    }
    let mut family = text.family(SCALE_PHASE);
    for (name, set) in &sets {
        for (phase, times) in &set.phases {
            family.histogram(&[name, phase.name()], times);
        }
    }
    let mut family = text.family(MILESTONE);
    for (name, set) in &sets {
        for member in last_members(set) {
            for (milestone, date) in member.milestones.reached() {
                family.series(&[name, &member.replica, milestone.name()], seconds(date.wall));
            }
        }
    }
    let mut family = text.family(FIRST_READ_UNCERTAINTY);
    for (name, set) in &sets {
        for member in last_members(set) {
            if let Some(uncertainty) = member.first_read_uncertainty {
                family.series(&[name, &member.replica], uncertainty.as_secs_f64());
            }
        }
    }
    let mut family = text.family(SCALE_EVENTS);
    for (name, set) in &sets {
        for direction in [Direction::Up, Direction::Down] {
            family.series(&[name, direction.name()], set.began[direction as usize]);
        }
    }
    each_set(text, SCALE_IN_PROGRESS, &sets, |set| Some(set.events.iter().any(|event| event.finished.is_none())));
    each_set(text, LAST_SCALE, &sets, |set| Some(seconds(set.events.first()?.started.wall)));
    each_set(text, REPLICAS, &sets, |set| Some(u64::from(set.replicas?)));
}

/// Writes a series of each `StatefulSet` that has a value.
fn each_set<V: Into<Value>>(
    text: &mut Text<'_>,
    definition: Definition,
    sets: &[(String, &StatefulSetSnapshot)],
    value: impl Fn(&StatefulSetSnapshot) -> Option<V>,
) {
    let mut family = text.family(definition);
    for (name, set) in sets {
        if let Some(value) = value(set) {
            family.series(&[name], value);
        }
    }
}

fn watches(text: &mut Text<'_>, told: &ClusterSnapshot) {
    let mut kinds: BTreeMap<&str, Vec<&Watch>> = BTreeMap::new();
    for (name, watch) in &told.watches {
        kinds.entry(name.kind.resource()).or_default().push(watch);
    }
    let mut family = text.family(WATCH_UP);
    for (kind, watches) in &kinds {
        family.series(&[kind], watches.iter().all(|watch| watch.listed && watch.problem.is_none()));
    }
    let mut family = text.family(WATCH_RESTARTS);
    for (kind, watches) in &kinds {
        family.series(&[kind], watches.iter().map(|watch| watch.restarts).sum::<u64>());
    }
    let mut family = text.family(LAST_EVENT);
    for (kind, watches) in &kinds {
        if let Some(last) = watches.iter().filter_map(|watch| watch.last_event).max() {
            family.series(&[kind], seconds(last.wall));
        }
    }
}

/// Each replica in the last event that it was part of.
fn last_members(set: &StatefulSetSnapshot) -> impl Iterator<Item = &Member> {
    let mut last = BTreeMap::new();
    for member in set.events.iter().flat_map(|event| &event.members) {
        last.entry(member.ordinal).or_insert(member);
    }
    last.into_values()
}
