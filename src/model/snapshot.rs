//! An immutable picture of everything known, which every view renders.

use std::sync::Arc;

use crate::model::{base::Moment, cluster::ClusterSnapshot, probe::StartDelay, target::TargetSnapshot};

/// Everything known at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Moment,
    /// In the order of their configuration. A target that did not change is shared with the snapshot before.
    pub targets: Vec<Arc<TargetSnapshot>>,
    /// What Kubernetes told; absent where it is not asked.
    pub cluster: Option<Arc<ClusterSnapshot>>,
    /// What is shown at the moment, in a sentence; only the demo says so.
    pub caption: Option<Arc<str>>,
    /// The configuration in force, where one can be loaded anew.
    pub configured: Option<ConfigStatus>,
    /// How late samples started.
    pub lateness: StartDelay,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigStatus {
    /// Since when.
    pub since: Moment,
    /// Why the one after it was refused.
    pub refused: Option<Arc<str>>,
}
