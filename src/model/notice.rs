//! Every sentence for people about what readscope sees: the same in log, API, page and terminal.

use std::{fmt, sync::Arc};

use crate::model::{
    base::{ObjectName, Severity},
    cluster::ClusterNotice,
    target::TargetNotice,
};

/// What a person should know, and about what.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// What it is about.
    pub subject: Subject,
    /// The sentence.
    pub notice: Notice,
}

/// What a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A target, by its label.
    Target(Arc<str>),
    /// A `StatefulSet`.
    StatefulSet(ObjectName),
    /// What Kubernetes tells.
    Kubernetes,
    /// The configuration.
    Configuration,
}

/// One thing that a person should know; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// About a target.
    Target(TargetNotice),
    /// About the cluster.
    Cluster(ClusterNotice),
    /// A configuration was loaded while another was in force.
    Reconfigured {
        /// How many targets there are now.
        targets: usize,
    },
    /// A configuration was refused, and the one before stays in force.
    ConfigurationRefused {
        /// Why.
        why: Arc<str>,
    },
}

impl Notice {
    /// How much it asks of its reader.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Target(notice) => notice.severity(),
            Self::Cluster(notice) => notice.severity(),
            Self::Reconfigured { .. } => Severity::Info,
            Self::ConfigurationRefused { .. } => Severity::Warning,
        }
    }

    /// The word under which it is written as a Kubernetes Event about its `StatefulSet`, if it is worth one.
    #[must_use]
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
            Self::Reconfigured { targets } => write!(f, "the configuration was loaded anew; targets now: {targets}"),
            Self::ConfigurationRefused { why } => write!(f, "a new configuration was refused, the old stays: {why}"),
        }
    }
}
