//! What the state is told: facts, from every source.

use std::{sync::Arc, time::Duration};

use crate::model::{
    cluster::{Change, Problem, WatchName},
    probe::{DirectSample, Sample},
    target::{TargetId, TargetSpec},
};

/// A fact.
#[derive(Debug)]
pub enum Event {
    /// A sample is over.
    Sampled {
        /// Whose.
        target: TargetId,
        /// What came of it.
        sample: Box<Sample>,
        /// How long after its time it started.
        late: Duration,
    },
    /// Samples were due and not taken.
    Skipped {
        /// Whose.
        target: TargetId,
        /// How many.
        count: u64,
    },
    /// A connection to a pod's own address is over; it is no read.
    PodProbed {
        /// On whose behalf.
        target: TargetId,
        /// What came of it.
        sample: Box<DirectSample>,
    },
    /// Kubernetes told something.
    Cluster {
        /// Which watch told it.
        watch: WatchName,
        /// What it told.
        told: Told,
    },
    /// What is shown from now on, in a sentence; only the demo says so.
    Caption(Arc<str>),
    /// A milestone was written as a Kubernetes Event, or why it could not be.
    Recorded(Option<Problem>),
    /// There are other targets from now on.
    TargetsChanged(TargetSet),
    /// A configuration was loaded, or why it was refused and the one before stays in force.
    ConfigLoaded(Result<(), Arc<str>>),
    /// Time passed; to be told [`State::ticks_a_second`](super::State::ticks_a_second) times a second.
    Tick,
}

/// What a watch of Kubernetes objects tells.
#[derive(Debug)]
pub enum Told {
    /// A fact about an object.
    Change(Box<Change>),
    /// The whole list was received, for the first time or again.
    Listed,
    /// It does not work, and is tried again.
    Broken(Problem),
}

/// The targets that there are from now on. Those that were there before go on with everything they have.
#[derive(Clone, Debug, Default)]
pub struct TargetSet {
    /// All of them, in the order in which they are shown.
    pub order: Vec<TargetId>,
    /// What those are that were not there before.
    pub new: Vec<(TargetId, TargetSpec)>,
    /// The watches that tell of them.
    pub watches: Vec<WatchName>,
}
