//! What Kubernetes says: objects as plain facts, and what follows from them for the reads.

mod endpoints;
mod facts;
mod kubernetes;
mod life;
mod lives;
mod member;
mod milestone;
mod pending;
mod port;
mod reach;
mod reached;
mod reads;
mod reasons;
mod routing;
mod snapshot;
#[cfg(test)]
mod tests;
mod timeline;
mod volumes;
mod watches;
mod world;

pub use facts::{
    AccessModes, Claim, ClaimPhase, Endpoint, ObjectName, ObjectNameError, Pod, PodConditions, PodRef, Service, Slice,
    StatefulSet, StorageClass, Vantage, Volume,
};
pub use life::Receipt;
pub use member::{Direction, Member};
pub use milestone::{Dated, Milestone, Milestones, ScalePhase};
pub use port::Port;
pub use reached::{Reached, ReplicaReached};
pub use reasons::{ClaimEvent, ClaimReason};
pub use routing::{Routed, Routing, Rule, Standing, route};
pub use snapshot::{ClaimSnapshot, ClusterSnapshot, StatefulSetSnapshot};
pub use timeline::ScaleEvent;
pub use watches::{Problem, Watch, WatchName};
pub use world::{BindLabels, Change, Kind, Object};

pub(crate) use kubernetes::Kubernetes;
pub(crate) use reach::Reachable;
