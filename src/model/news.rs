//! What the state tells people as it happens.

use std::sync::Arc;

use crate::model::{cluster::ObjectName, notice::Notice};

/// What a person should know, and about what.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
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
    /// The demo's story.
    Demo,
    /// The configuration.
    Configuration,
}
