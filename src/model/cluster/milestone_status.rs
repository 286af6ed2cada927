//! The milestones that each replica of a `StatefulSet` has reached, with or without a scale event; `wait` uses them.

use std::sync::Arc;

use super::{
    milestones::{Milestone, Subject},
    objects::StatefulSet,
    scale_events::ScaleEvents,
    scaled_replica::{Direction, ScaledReplica},
    tracked::TrackedObjects,
};
use crate::model::base::ObjectName;

/// Limit of the listed ordinals of a `StatefulSet`.
const ORDINALS_MAX: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MilestoneStatus {
    pub statefulset: ObjectName,
    /// Expected replicas and members of scale events, ascending by ordinal.
    pub replicas: Vec<ReplicaMilestones>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaMilestones {
    pub replica: Arc<str>,
    /// In the order of [`Milestone::ALL`].
    pub milestones: Vec<Milestone>,
}

impl MilestoneStatus {
    /// A replica that was never seen and that the `StatefulSet` should not have counts as gone.
    pub fn has(sets: &[Self], replica: &str, milestone: Milestone) -> bool {
        let of_set = |set: &Self| {
            if let Some(known) = set.replicas.iter().find(|known| *known.replica == *replica) {
                return known.milestones.contains(&milestone);
            }
            let place = ObjectName::new(&set.statefulset.namespace, replica);
            place.place().is_some_and(|(stem, _)| *stem == *set.statefulset.name)
                && milestone.subject() == Subject::StoppingPod
        };
        sets.iter().any(of_set)
    }

    /// The pods must have been listed.
    pub(super) fn of(events: &ScaleEvents, objects: &TrackedObjects) -> Self {
        let members = events.events.iter().flat_map(|event| &event.members).map(|member| member.ordinal);
        let wanted = events.set.iter().flat_map(StatefulSet::ordinals);
        let mut ordinals: Vec<u32> = wanted.take(ORDINALS_MAX).chain(members).collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        let replicas = ordinals.into_iter().map(|ordinal| ReplicaMilestones::of(events, ordinal, objects)).collect();
        Self { statefulset: events.name.clone(), replicas }
    }
}

impl ReplicaMilestones {
    fn of(events: &ScaleEvents, ordinal: u32, objects: &TrackedObjects) -> Self {
        let name = &events.name;
        let replica: Arc<str> = format!("{}-{ordinal}", name.name).into();
        let pod = objects.pod(&name.sibling(&replica));
        let mut members = events.events.iter().rev().flat_map(|event| &event.members);
        let member = members.find(|member| member.ordinal == ordinal);
        // While a replica is on its way up, another pod of its name is an earlier one. Once it has answered, the other one
        // is a replacement.
        let awaited = member.filter(|member| member.direction == Direction::Up && !member.arrived(false));
        let own = pod.filter(|pod| awaited.is_none_or(|member| member.has_pod(&pod.uid)));
        let expected = events.set.as_ref().is_some_and(|set| set.ordinals().contains(&ordinal));
        // A pod that terminates does not serve any more, nor does one that the `StatefulSet` is about to delete.
        let serving = own.filter(|pod| expected && !pod.milestones.has(Milestone::Terminating));
        let leaving = member.filter(|member| member.direction == Direction::Down);
        let pvcs: Vec<_> = match &events.set {
            Some(set) => set.pvc_names(ordinal).map(|pvc| objects.pvc(&name.sibling(&pvc))).collect(),
            None => Vec::new(),
        };
        let has = |milestone: Milestone| {
            if milestone.subject() == Subject::Pvc {
                let has = |member: &ScaledReplica| member.milestones.has(milestone);
                let all = pvcs.iter().all(|pvc| pvc.is_some_and(|pvc| pvc.milestones.has(milestone)));
                return awaited.is_some_and(has) || (awaited.is_none() && !pvcs.is_empty() && all);
            }
            match milestone {
                Milestone::Requested => expected,
                _ if milestone.subject() == Subject::StartingPod => {
                    serving.is_some_and(|pod| pod.milestones.has(milestone))
                }
                _ if milestone.subject() == Subject::StoppingPod && pod.is_none() && awaited.is_none() => true,
                _ => {
                    own.is_some_and(|pod| pod.milestones.has(milestone))
                        || leaving.is_some_and(|member| member.milestones.has(milestone))
                }
            }
        };
        Self { replica, milestones: Milestone::ALL.into_iter().filter(|milestone| has(*milestone)).collect() }
    }
}
