//! Kubernetes objects as plain facts, and what follows from them for reads.

mod change;
#[expect(clippy::module_inception, reason = "the room is named after what it is about")]
mod cluster;
mod endpoints;
mod index;
mod leadership;
mod measures;
mod members;
mod milestone_status;
mod milestones;
mod notice;
mod objects;
mod pods;
mod pvc_waits;
mod pvcs;
mod reach;
mod routing;
mod scale_events;
mod scaled_replica;
mod snapshot;
#[cfg(test)]
mod tests;
mod tracked;
mod updates;
mod watches;

pub use change::{Change, Kind, Object, Problem, WatchName};
pub use leadership::{Held, Leadership};
pub use measures::BindLabels;
pub use milestone_status::{MilestoneStatus, ReplicaMilestones};
pub use milestones::{Milestone, MilestoneTime, Milestones, ScalePhase, Seen};
pub use notice::ClusterNotice;
pub use objects::{
    AccessModes, Endpoint, Pod, PodConditions, PodTrouble, PodTroubleKind, Port, ProbeLocation, Pvc, PvcEvent,
    PvcPhase, PvcReason, Rollout, Service, Slice, StatefulSet, StorageClass, Volume,
};

pub use routing::{EndpointRouting, Matching, Routed, Routing, Rule, route};
pub use scale_events::ScaleEvent;
pub use scaled_replica::{Direction, ScaledReplica};
pub use snapshot::{ClusterSnapshot, PvcSnapshot, StatefulSetSnapshot};
pub use watches::Watch;

pub use crate::model::base::{ObjectName, ObjectNameError, PodRef};

pub(crate) use cluster::Cluster;
pub(crate) use members::{Member, PodState, Step};
pub(crate) use objects::client_port;
pub(crate) use reach::Reachable;
pub(crate) use updates::Updates;
