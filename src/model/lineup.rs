//! Which targets there are, which changes while the program runs.

use std::sync::Arc;

use crate::model::{
    base::Moment,
    cluster::WatchName,
    target::{TargetId, TargetSpec},
};

/// The targets that there are from now on. Those that were there before go on with everything they have.
#[derive(Clone, Debug, Default)]
pub struct Lineup {
    /// All of them, in the order in which they are shown.
    pub order: Vec<TargetId>,
    /// What those are that were not there before.
    pub new: Vec<(TargetId, TargetSpec)>,
    /// The watches that tell of them.
    pub watches: Vec<WatchName>,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    /// Since when.
    pub since: Moment,
    /// Why the one after it was refused.
    pub refused: Option<Arc<str>>,
}
