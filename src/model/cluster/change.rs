//! The watch events of Kubernetes objects.

use std::{fmt, sync::Arc};

use super::{
    milestones::Seen,
    objects::{Pod, ProbeLocation, Pvc, PvcEvent, Service, Slice, StatefulSet, StorageClass, Volume},
};
use crate::model::base::ObjectName;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Service,
    Slice,
    Pod,
    StatefulSet,
    Pvc,
    StorageClass,
    Volume,
    /// Only the node that readscope runs on.
    Node,
    /// The Services that become targets by their labels.
    Selection,
    Event,
}

impl Kind {
    /// The resource, as `kubectl` and roles name it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Service | Self::Selection => "services",
            Self::Slice => "endpointslices",
            Self::Pod => "pods",
            Self::StatefulSet => "statefulsets",
            Self::Pvc => "persistentvolumeclaims",
            Self::StorageClass => "storageclasses",
            Self::Volume => "persistentvolumes",
            Self::Node => "nodes",
            Self::Event => "events",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchName {
    pub kind: Kind,
    /// Empty for the whole cluster.
    pub namespace: Arc<str>,
}

/// Names the objects in a sentence.
impl fmt::Display for WatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{} of the cluster", self.kind.resource()),
            namespace => write!(f, "{} in namespace {namespace}", self.kind.resource()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The permission is missing.
    pub forbidden: bool,
    pub text: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    Service(Service),
    Slice(Slice),
    Pod(Pod),
    StatefulSet(StatefulSet),
    Pvc(Pvc),
    StorageClass(StorageClass),
    Volume(Volume),
    ProbeLocation(ProbeLocation),
    PvcEvent(PvcEvent),
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a change is on the heap, and most apply an object")]
pub enum Change {
    /// The object was created or changed, or a list contains it.
    Applied(Object, Seen),
    /// A cluster-wide object has an empty namespace.
    Deleted(Kind, ObjectName, Seen),
}
