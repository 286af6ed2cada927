//! The snapshot that every view renders.

use std::sync::Arc;

use crate::model::{base::Moment, cluster::ClusterSnapshot, probe::StartDelay, target::TargetSnapshot};

#[derive(Clone, Debug)]
pub struct Snapshot {
    pub taken: Moment,
    /// In configuration order. An unchanged target is shared with the previous snapshot.
    pub targets: Vec<Arc<TargetSnapshot>>,
    /// Absent where Kubernetes is not watched.
    pub cluster: Option<Arc<ClusterSnapshot>>,
    /// Only the demo sets a caption.
    pub caption: Option<Arc<str>>,
    /// Absent where the configuration cannot be reloaded.
    pub config_status: Option<ConfigStatus>,
    pub start_delay: StartDelay,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConfigStatus {
    pub since: Moment,
    /// Why the configuration after this one was refused.
    pub refused: Option<Arc<str>>,
}
