//! Changes of a Service's replicas that a check waits for.

use std::{fmt, sync::Arc};

use crate::model::base::ObjectName;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnderWay {
    Rollout {
        statefulset: ObjectName,
        replicas: u32,
        ready: u32,
        /// Pods with the latest template.
        updated: u32,
    },
    NotReady(Arc<str>),
    Terminating(Arc<str>),
    /// It has been an endpoint for a few seconds, without a read.
    Joining(Arc<str>),
    NoEndpoint,
    /// The expected replicas differ from those of a moment ago.
    Changed,
}

impl fmt::Display for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rollout { statefulset, replicas, ready, updated } => write!(
                f,
                "StatefulSet {statefulset} has {ready} of {replicas} pods ready, and {updated} with the latest template"
            ),
            Self::NotReady(name) => write!(f, "{name} is not ready"),
            Self::Terminating(name) => write!(f, "{name} is terminating"),
            Self::Joining(name) => write!(f, "{name} has just become an endpoint and has not answered yet"),
            Self::NoEndpoint => f.write_str("the Service has no ready endpoint"),
            Self::Changed => f.write_str("the endpoints of the Service change again and again"),
        }
    }
}
