//! What Kubernetes says: objects as plain facts, and what follows from them for the reads.

mod claim_waits;
#[expect(clippy::module_inception, reason = "the room is named after what it is about")]
mod cluster;
mod endpoints;
mod index;
mod life;
mod lives;
mod milestone_status;
mod milestones;
mod notice;
mod objects;
mod port;
mod reach;
mod reads;
mod reasons;
mod routing;
mod scale_events;
mod scale_step;
mod scaled_replica;
mod snapshot;
#[cfg(test)]
mod tests;
mod volumes;
mod watches;

pub use index::{BindLabels, Change, Kind, Object};
pub use life::Receipt;
pub use milestone_status::{Reached, ReplicaReached};
pub use milestones::{Dated, Milestone, Milestones, ScalePhase};
pub use notice::ClusterNotice;
pub use objects::{
    AccessModes, Claim, ClaimPhase, Endpoint, Pod, PodConditions, Service, Slice, StatefulSet, StorageClass, Vantage,
    Volume,
};
pub use port::Port;

pub use reasons::{ClaimEvent, ClaimReason};
pub use routing::{EndpointRouting, Routed, Routing, Rule, route};
pub use scale_events::ScaleEvent;
pub use scaled_replica::{Direction, ScaledReplica};
pub use snapshot::{ClaimSnapshot, ClusterSnapshot, StatefulSetSnapshot};
pub use watches::{Problem, Watch, WatchName};

pub use crate::model::base::{ObjectName, ObjectNameError, PodRef};

pub(crate) use cluster::{Cluster, News};
pub(crate) use reach::Reachable;
