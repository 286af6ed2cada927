//! What the state is told: facts, from every source.

use std::{sync::Arc, time::Duration};

use crate::model::{
    act::Act,
    cluster::{Change, Problem, WatchName},
    lineup::Lineup,
    probe::{DirectSample, Sample},
    target::TargetId,
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
    Asked {
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
    /// The demo begins another act.
    Announced(Act),
    /// A milestone was written as a Kubernetes Event, or why it could not be.
    Recorded(Option<Problem>),
    /// There are other targets from now on.
    Lineup(Lineup),
    /// A configuration was loaded, or why it was refused and the one before stays in force.
    Configured(Result<(), Arc<str>>),
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
