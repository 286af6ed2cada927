//! Notices: the sentences for people, the same in log, API, page and terminal.

use std::{fmt, sync::Arc};

use crate::model::{
    base::{ObjectName, Severity},
    cluster::ClusterNotice,
    target::TargetNotice,
};

#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    pub subject: Subject,
    pub notice: Notice,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The `target` label.
    Target(Arc<str>),
    StatefulSet(ObjectName),
    Kubernetes,
    Configuration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    Target(TargetNotice),
    Cluster(ClusterNotice),
    Reconfigured {
        targets: usize,
    },
    /// The previous configuration stays in force.
    ConfigurationRefused {
        why: Arc<str>,
    },
}

impl Notice {
    pub fn severity(&self) -> Severity {
        match self {
            Self::Target(notice) => notice.severity(),
            Self::Cluster(notice) => notice.severity(),
            Self::Reconfigured { .. } => Severity::Info,
            Self::ConfigurationRefused { .. } => Severity::Warning,
        }
    }

    /// The `reason` of a Kubernetes Event about the `StatefulSet`; absent for notices without an Event.
    pub fn event_reason(&self) -> Option<String> {
        match self {
            Self::Cluster(notice) => notice.event_reason(),
            _ => None,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target(notice) => notice.fmt(f),
            Self::Cluster(notice) => notice.fmt(f),
            Self::Reconfigured { targets } => write!(f, "configuration reloaded; targets: {targets}"),
            Self::ConfigurationRefused { why } => {
                write!(f, "new configuration rejected, the previous one stays in use: {why}")
            }
        }
    }
}
