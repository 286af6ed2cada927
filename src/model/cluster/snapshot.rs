//! The state of the cluster for page, API and metrics.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    change::WatchName,
    measures::BindLabels,
    milestone_status::MilestoneStatus,
    milestones::ScalePhase,
    notice::ClusterNotice,
    objects::{Pvc, PvcReason},
    scale_events::ScaleEvent,
    watches::Watch,
};
use crate::model::base::{Histogram, ObjectName};

#[derive(Clone, Debug)]
pub struct ClusterSnapshot {
    pub watches: Vec<(WatchName, Watch)>,
    /// The `StatefulSet`s behind the Services of the targets.
    pub statefulsets: Vec<StatefulSetSnapshot>,
    /// How long new PVCs took to bind.
    pub binds: Vec<(BindLabels, Histogram)>,
    /// Whether this readscope counts scale events; absent without a Lease.
    pub leads: Option<bool>,
    pub notices: Vec<ClusterNotice>,
}

impl ClusterSnapshot {
    pub fn statefulset_of(&self, pod: &ObjectName) -> Option<&ObjectName> {
        let (stem, _) = pod.place()?;
        let set = pod.sibling(&stem.into());
        self.statefulsets.iter().map(|known| &known.name).find(|name| **name == set)
    }
}

#[derive(Clone, Debug)]
pub struct StatefulSetSnapshot {
    pub name: ObjectName,
    /// The expected number; absent while the `StatefulSet` does not exist.
    pub replicas: Option<u32>,
    /// Newest first, bounded.
    pub events: Vec<ScaleEvent>,
    /// Over all scale events that were seen.
    pub phases: Vec<(ScalePhase, Histogram)>,
    /// Scale events that were seen to begin: up, down.
    pub began: [u64; 2],
    /// With or without a scale event; absent until the pods were listed.
    pub milestone_status: Option<MilestoneStatus>,
    /// The PVCs of the expected ordinals, then the PVCs that stayed when their replicas went.
    pub pvcs: Vec<PvcSnapshot>,
}

#[derive(Clone, Debug)]
pub struct PvcSnapshot {
    pub pvc: Pvc,
    /// How long a replica has been waiting for the volume; absent once bound.
    pub pending: Option<Duration>,
    /// Absent if the time of binding is unknown.
    pub bound: Option<Timestamp>,
    /// From the last Event about the PVC.
    pub reason: Option<PvcReason>,
}
