//! Which milestones each replica of a `StatefulSet` has reached, whether or not anybody scaled: what `wait` waits for.

use std::sync::Arc;

use super::{
    milestones::Milestone,
    objects::StatefulSet,
    scale_events::ScaleEvents,
    scaled_replica::{Direction, ScaledReplica},
    tracked::TrackedObjects,
};
use crate::model::base::ObjectName;

/// Of how many ordinals this is said.
const ORDINALS_MAX: usize = 1000;

/// A `StatefulSet`'s replicas and the milestones that each has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The `StatefulSet`.
    pub statefulset: ObjectName,
    /// Those that it should have, and those that come or go; ascending by ordinal.
    pub replicas: Vec<ReplicaReached>,
}

/// The milestones that one replica has reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaReached {
    /// Its pod's name.
    pub replica: Arc<str>,
    /// In the order of [`Milestone::ALL`].
    pub milestones: Vec<Milestone>,
}

/// The milestones of a replica that is gone.
const GONE: [Milestone; 4] = [Milestone::Terminating, Milestone::EndpointGone, Milestone::LastRead, Milestone::PodGone];

/// The milestones of a claim.
const OF_CLAIM: [Milestone; 3] = [Milestone::ClaimCreated, Milestone::ClaimProvisioning, Milestone::ClaimBound];

impl Reached {
    /// Whether the replica of this name has reached the milestone, as far as `sets` tell. One that its `StatefulSet` has
    /// not, and was never seen, is gone.
    #[must_use]
    pub fn has(sets: &[Self], replica: &str, milestone: Milestone) -> bool {
        let of_set = |set: &Self| {
            if let Some(known) = set.replicas.iter().find(|known| *known.replica == *replica) {
                return known.milestones.contains(&milestone);
            }
            let place = ObjectName::new(&set.statefulset.namespace, replica);
            place.place().is_some_and(|(stem, _)| *stem == *set.statefulset.name) && GONE.contains(&milestone)
        };
        sets.iter().any(of_set)
    }
}

impl Reached {
    /// What the replicas of a `StatefulSet` have reached; pods must have been listed.
    pub(super) fn of(events: &ScaleEvents, tracked: &TrackedObjects) -> Self {
        let members = events.events().flat_map(|event| &event.members).map(|member| member.ordinal);
        let wanted = events.set().into_iter().flat_map(StatefulSet::ordinals);
        let mut ordinals: Vec<u32> = wanted.take(ORDINALS_MAX).chain(members).collect();
        ordinals.sort_unstable();
        ordinals.dedup();
        let replicas = ordinals.into_iter().map(|ordinal| ReplicaReached::of(events, ordinal, tracked)).collect();
        Self { statefulset: events.name().clone(), replicas }
    }
}

impl ReplicaReached {
    fn of(events: &ScaleEvents, ordinal: u32, tracked: &TrackedObjects) -> Self {
        let name = events.name();
        let replica: Arc<str> = format!("{}-{ordinal}", name.name).into();
        let life = tracked.pod(&name.sibling(&replica));
        let mut members = events.events().rev().flat_map(|event| &event.members);
        let member = members.find(|member| member.ordinal == ordinal);
        // While a replica is on its way up, a pod of its name that is not its own is one from before.
        let awaited = member.filter(|member| member.direction == Direction::Up && !member.has_arrived());
        let own = life.filter(|life| awaited.is_none_or(|member| member.has_pod(&life.uid)));
        let leaving = member.filter(|member| member.direction == Direction::Down);
        let claims: Vec<_> = match events.set() {
            Some(set) => set.claim_names(ordinal).map(|claim| tracked.claim(&name.sibling(&claim))).collect(),
            None => Vec::new(),
        };
        let has = |milestone: Milestone| {
            if OF_CLAIM.contains(&milestone) {
                let has = |member: &ScaledReplica| member.milestones.has(milestone);
                let all = claims.iter().all(|life| life.is_some_and(|life| life.milestones.has(milestone)));
                return awaited.is_some_and(has) || (awaited.is_none() && !claims.is_empty() && all);
            }
            match milestone {
                Milestone::Requested => events.set().is_some_and(|set| set.ordinals().contains(&ordinal)),
                _ if GONE.contains(&milestone) && life.is_none() && awaited.is_none() => true,
                _ => {
                    own.is_some_and(|life| life.milestones.has(milestone))
                        || leaving.is_some_and(|member| member.milestones.has(milestone))
                }
            }
        };
        Self { replica, milestones: Milestone::ALL.into_iter().filter(|milestone| has(*milestone)).collect() }
    }
}
