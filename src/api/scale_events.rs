//! `/api/v1/scale-events`.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{Text, Time, cluster::is_beside};
use crate::model::{
    Snapshot, TargetSnapshot,
    cluster::{self, ScalePhase, StatefulSetSnapshot},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleEvents<'a> {
    /// Newest first.
    pub scale_events: Vec<ScaleEvent<'a>>,
    pub statefulsets: Vec<StatefulSetMilestones<'a>>,
}

/// The milestones of each replica, with or without a scale event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatefulSetMilestones<'a> {
    pub statefulset: Text<'a>,
    pub replicas: Vec<ReplicaMilestones<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaMilestones<'a> {
    pub replica: Text<'a>,
    pub milestones: Vec<Text<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleEvent<'a> {
    pub statefulset: Text<'a>,
    pub from: u32,
    pub to: u32,
    pub started: Time,
    pub finished: Option<Time>,
    pub replicas: Vec<ScaledReplica<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaledReplica<'a> {
    pub replica: Text<'a>,
    #[serde(default)]
    pub direction: Text<'a>,
    pub pvc_reused: Option<bool>,
    #[serde(default)]
    pub taken_over: bool,
    pub milestones: BTreeMap<Text<'a>, Time>,
    #[serde(default)]
    pub phases: BTreeMap<Text<'a>, f64>,
    pub first_read_uncertainty_seconds: Option<f64>,
}

impl<'a> ScaleEvents<'a> {
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self::of_sets(snapshot, |_| true)
    }

    /// Only scale events in the target's namespace; none for a target without a namespace.
    pub fn beside(snapshot: &'a Snapshot, target: &TargetSnapshot) -> Self {
        Self::of_sets(snapshot, |set| is_beside(set, target))
    }

    fn of_sets(snapshot: &'a Snapshot, wanted: impl Fn(&StatefulSetSnapshot) -> bool + Copy) -> Self {
        let sets = snapshot.cluster.iter().flat_map(|cluster| &cluster.statefulsets).filter(move |set| wanted(set));
        let statefulsets =
            sets.clone().filter_map(|set| Some(StatefulSetMilestones::of(set.milestone_status.as_ref()?))).collect();
        let mut scale_events: Vec<_> =
            sets.flat_map(|set| set.events.iter().map(move |event| ScaleEvent::of(set, event))).collect();
        scale_events.sort_by_key(|event| Reverse(event.started));
        Self { scale_events, statefulsets }
    }
}

impl<'a> StatefulSetMilestones<'a> {
    fn of(reached: &'a cluster::MilestoneStatus) -> Self {
        let replica = |known: &'a cluster::ReplicaMilestones| ReplicaMilestones {
            replica: (&*known.replica).into(),
            milestones: known.milestones.iter().map(|milestone| milestone.name().into()).collect(),
        };
        Self {
            statefulset: reached.statefulset.to_string().into(),
            replicas: reached.replicas.iter().map(replica).collect(),
        }
    }
}

impl<'a> ScaleEvent<'a> {
    fn of(set: &StatefulSetSnapshot, event: &'a cluster::ScaleEvent) -> Self {
        Self {
            statefulset: set.name.to_string().into(),
            from: event.from,
            to: event.to,
            started: Time(event.started.wall),
            finished: event.finished.map(|date| Time(date.wall)),
            replicas: event.members.iter().map(ScaledReplica::of).collect(),
        }
    }
}

impl<'a> ScaledReplica<'a> {
    fn of(member: &'a cluster::ScaledReplica) -> Self {
        let milestones = &member.milestones;
        let duration = |phase: ScalePhase| Some((phase.name().into(), milestones.duration(phase)?.as_secs_f64()));
        let date = |(milestone, date): (cluster::Milestone, cluster::MilestoneTime)| {
            (milestone.name().into(), Time(date.wall))
        };
        Self {
            replica: (&*member.replica).into(),
            direction: member.direction.name().into(),
            pvc_reused: member.pvc_reused,
            taken_over: member.taken_over,
            milestones: milestones.reached().map(date).collect(),
            phases: ScalePhase::ALL.into_iter().filter_map(duration).collect(),
            first_read_uncertainty_seconds: member.first_read_uncertainty.map(|known_to| known_to.as_secs_f64()),
        }
    }
}
