//! Kubernetes data in the JSON API.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{optional_time, time};
use crate::model::{
    Snapshot, TargetSnapshot,
    cluster::{self, PvcPhase, PvcReason, ScaleEvent, ScalePhase, StatefulSetSnapshot},
};

/// `/api/v1/scale-events`.
#[derive(Debug, Serialize)]
pub struct ScaleEvents<'a> {
    scale_events: Vec<Event<'a>>,
    statefulsets: Vec<Reached<'a>>,
}

/// The milestones of each replica, with or without a scale event.
#[derive(Debug, Serialize)]
struct Reached<'a> {
    statefulset: String,
    replicas: Vec<ReplicaMilestones<'a>>,
}

#[derive(Debug, Serialize)]
struct ReplicaMilestones<'a> {
    replica: &'a str,
    milestones: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Event<'a> {
    statefulset: String,
    from: u32,
    to: u32,
    #[serde(serialize_with = "time")]
    started: Timestamp,
    #[serde(serialize_with = "optional_time")]
    finished: Option<Timestamp>,
    replicas: Vec<ScaledReplica<'a>>,
}

#[derive(Debug, Serialize)]
struct ScaledReplica<'a> {
    replica: &'a str,
    direction: &'static str,
    pvc_reused: Option<bool>,
    taken_over: bool,
    milestones: BTreeMap<&'static str, Time>,
    phases: BTreeMap<&'static str, f64>,
    first_read_uncertainty_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Time(#[serde(serialize_with = "time")] Timestamp);

#[derive(Debug, Serialize)]
pub(super) struct Routing<'a> {
    why: String,
    affinity_seconds: Option<f64>,
    endpoints: Vec<Endpoint<'a>>,
}

#[derive(Debug, Serialize)]
struct Endpoint<'a> {
    replica: &'a str,
    addresses: Vec<String>,
    serving: bool,
    routed: bool,
    standing: String,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "named as the other objects are")]
pub(super) struct Pvc<'a> {
    statefulset: String,
    pvc: &'a str,
    phase: &'static str,
    storage_class: Option<&'a str>,
    volume: Option<&'a str>,
    requested: Option<&'a str>,
    capacity: Option<&'a str>,
    /// Abbreviated as `kubectl` does.
    access_modes: Option<String>,
    resizing: bool,
    pending_seconds: Option<f64>,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    advice: Option<&'static str>,
    #[serde(serialize_with = "optional_time")]
    created: Option<Timestamp>,
    #[serde(serialize_with = "optional_time")]
    bound: Option<Timestamp>,
}

impl<'a> ScaleEvents<'a> {
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self::of_sets(snapshot, |_| true)
    }

    /// Only scale events in the target's namespace; none for a target without a namespace.
    #[must_use]
    pub fn beside(snapshot: &'a Snapshot, target: &TargetSnapshot) -> Self {
        let here = target.service.as_ref().map(|service| &service.namespace);
        Self::of_sets(snapshot, |set| here == Some(&set.name.namespace))
    }

    fn of_sets(snapshot: &'a Snapshot, wanted: impl Fn(&StatefulSetSnapshot) -> bool + Copy) -> Self {
        let sets = snapshot.cluster.iter().flat_map(|told| &told.statefulsets).filter(move |set| wanted(set));
        let statefulsets = sets.clone().filter_map(|set| Some(Reached::of(set.milestone_status.as_ref()?))).collect();
        let mut events: Vec<_> = sets.flat_map(|set| set.events.iter().map(move |event| (set, event))).collect();
        events.sort_by_key(|(_, event)| std::cmp::Reverse(event.started.wall));
        Self { scale_events: events.into_iter().map(|(set, event)| Event::of(set, event)).collect(), statefulsets }
    }
}

impl<'a> Reached<'a> {
    fn of(reached: &'a cluster::MilestoneStatus) -> Self {
        let replica = |known: &'a cluster::ReplicaMilestones| ReplicaMilestones {
            replica: &known.replica,
            milestones: known.milestones.iter().map(|milestone| milestone.name()).collect(),
        };
        Self { statefulset: reached.statefulset.to_string(), replicas: reached.replicas.iter().map(replica).collect() }
    }
}

impl<'a> Event<'a> {
    fn of(set: &StatefulSetSnapshot, event: &'a ScaleEvent) -> Self {
        Self {
            statefulset: set.name.to_string(),
            from: event.from,
            to: event.to,
            started: event.started.wall,
            finished: event.finished.map(|date| date.wall),
            replicas: event.members.iter().map(ScaledReplica::of).collect(),
        }
    }
}

impl<'a> ScaledReplica<'a> {
    fn of(member: &'a cluster::ScaledReplica) -> Self {
        let milestones = &member.milestones;
        let duration = |phase: ScalePhase| Some((phase.name(), milestones.duration(phase)?.as_secs_f64()));
        Self {
            replica: &member.replica,
            direction: member.direction.name(),
            pvc_reused: member.pvc_reused,
            taken_over: member.taken_over,
            milestones: milestones.reached().map(|(milestone, date)| (milestone.name(), Time(date.wall))).collect(),
            phases: ScalePhase::ALL.into_iter().filter_map(duration).collect(),
            first_read_uncertainty_seconds: member.first_read_uncertainty.map(|uncertainty| uncertainty.as_secs_f64()),
        }
    }
}

impl<'a> Routing<'a> {
    pub(super) fn of(routing: &'a cluster::Routing) -> Self {
        let endpoint = |endpoint: &'a cluster::Routed| Endpoint {
            replica: &endpoint.name,
            addresses: endpoint.addresses.iter().map(ToString::to_string).collect(),
            serving: endpoint.serving,
            routed: endpoint.standing == cluster::EndpointRouting::Routed,
            standing: endpoint.standing.to_string(),
        };
        Self {
            why: routing.to_string(),
            affinity_seconds: routing.affinity.map(|stays| stays.as_secs_f64()),
            endpoints: routing.endpoints.iter().map(endpoint).collect(),
        }
    }
}

impl<'a> Pvc<'a> {
    pub(super) fn of(sets: impl Iterator<Item = &'a StatefulSetSnapshot>) -> Vec<Self> {
        let of_set = |set: &'a StatefulSetSnapshot| {
            set.pvcs.iter().map(|shown| {
                let (pvc, reason) = (&shown.pvc, shown.reason.as_ref());
                Self {
                    statefulset: set.name.to_string(),
                    pvc: &pvc.name.name,
                    phase: match pvc.phase {
                        PvcPhase::Pending => "Pending",
                        PvcPhase::Bound => "Bound",
                        PvcPhase::Lost => "Lost",
                    },
                    storage_class: pvc.storage_class.as_deref(),
                    volume: pvc.volume.as_deref(),
                    requested: pvc.requested.as_deref(),
                    capacity: pvc.capacity.as_deref(),
                    access_modes: (!pvc.access_modes.is_empty()).then(|| pvc.access_modes.to_string()),
                    resizing: pvc.resizing,
                    pending_seconds: shown.pending.map(|pending| pending.as_secs_f64()),
                    reason: reason.map(|reason| &*reason.reason),
                    message: reason.map(|reason| &*reason.message),
                    advice: reason.map(PvcReason::advice),
                    created: pvc.created,
                    bound: shown.bound,
                }
            })
        };
        sets.flat_map(of_set).collect()
    }
}
