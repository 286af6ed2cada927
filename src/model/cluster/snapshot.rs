//! What Kubernetes told, as views show it.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    measures::BindLabels,
    milestone_status::Reached,
    milestones::ScalePhase,
    notice::ClusterNotice,
    objects::{Claim, ClaimReason},
    scale_events::ScaleEvent,
    watches::{Watch, WatchName},
};
use crate::model::base::{Histogram, ObjectName};

/// What Kubernetes told, at one moment.
#[derive(Clone, Debug)]
pub struct ClusterSnapshot {
    /// How the watches fare.
    pub watches: Vec<(WatchName, Watch)>,
    /// The `StatefulSet`s behind the targets' Services, and their scale events.
    pub statefulsets: Vec<StatefulSetSnapshot>,
    /// How long new claims took to bind.
    pub binds: Vec<(BindLabels, Histogram)>,
    /// What is wrong with what Kubernetes tells.
    pub notices: Vec<ClusterNotice>,
}

impl ClusterSnapshot {
    /// The `StatefulSet` that makes pods of this name.
    #[must_use]
    pub fn statefulset_of(&self, pod: &ObjectName) -> Option<&ObjectName> {
        let (stem, _) = pod.place()?;
        let set = pod.sibling(&stem.into());
        self.statefulsets.iter().map(|known| &known.name).find(|name| **name == set)
    }
}

/// One `StatefulSet`.
#[derive(Clone, Debug)]
pub struct StatefulSetSnapshot {
    /// Which.
    pub name: ObjectName,
    /// How many replicas it should have; absent while it does not exist.
    pub replicas: Option<u32>,
    /// Its last scale events, newest first, bounded.
    pub events: Vec<ScaleEvent>,
    /// How long each phase took, in all scale events that were seen.
    pub phases: Vec<(ScalePhase, Histogram)>,
    /// Scale events that were seen to begin: upwards, downwards.
    pub began: [u64; 2],
    /// What each replica has reached, scaled or not; absent until its pods are known.
    pub reached: Option<Reached>,
    /// The claims of its ordinals, and then those that stayed when their replicas went.
    pub claims: Vec<ClaimSnapshot>,
}

/// One claim.
#[derive(Clone, Debug)]
pub struct ClaimSnapshot {
    /// The claim as it is.
    pub claim: Claim,
    /// For how long a replica has been waiting for its volume; absent once it has it.
    pub pending: Option<Duration>,
    /// Since when it has it, if that is known.
    pub bound: Option<Timestamp>,
    /// Why it waits, as far as Events tell.
    pub reason: Option<ClaimReason>,
}
