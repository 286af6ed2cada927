//! What a watch tells of an object.

use super::{
    milestones::Receipt,
    objects::{Claim, ClaimEvent, Pod, Service, Slice, StatefulSet, StorageClass, Vantage, Volume},
};
use crate::model::base::ObjectName;

/// A kind of objects that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Services.
    Service,
    /// `EndpointSlice`s.
    Slice,
    /// Pods.
    Pod,
    /// `StatefulSet`s.
    StatefulSet,
    /// `PersistentVolumeClaim`s.
    Claim,
    /// `StorageClass`es, of the whole cluster.
    StorageClass,
    /// `PersistentVolume`s, of the whole cluster.
    Volume,
    /// The probe's own node.
    Node,
    /// The Services that become targets by their labels.
    Selection,
    /// Events about claims.
    Event,
}

impl Kind {
    /// The resource, as `kubectl` and roles name it.
    #[must_use]
    pub fn resource(self) -> &'static str {
        match self {
            Self::Service | Self::Selection => "services",
            Self::Slice => "endpointslices",
            Self::Pod => "pods",
            Self::StatefulSet => "statefulsets",
            Self::Claim => "persistentvolumeclaims",
            Self::StorageClass => "storageclasses",
            Self::Volume => "persistentvolumes",
            Self::Node => "nodes",
            Self::Event => "events",
        }
    }
}

/// An object of one of the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A Service.
    Service(Service),
    /// An `EndpointSlice`.
    Slice(Slice),
    /// A pod.
    Pod(Pod),
    /// A `StatefulSet`.
    StatefulSet(StatefulSet),
    /// A claim.
    Claim(Claim),
    /// A storage class.
    StorageClass(StorageClass),
    /// What a volume says of its claim.
    Volume(Volume),
    /// Where the probe runs.
    Vantage(Vantage),
    /// What somebody says of a claim.
    ClaimEvent(ClaimEvent),
}

/// A fact about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is so now.
    Applied(Object, Receipt),
    /// It is no more. A cluster-wide object has an empty namespace.
    Deleted(Kind, ObjectName, Receipt),
}
