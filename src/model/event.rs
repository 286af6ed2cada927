//! The events that change the state, from every source.

use std::{sync::Arc, time::Duration};

use crate::model::{
    cluster::{Change, Leadership, Problem, WatchName},
    probe::{Pause, PodProbeResult, Probe},
    target::{TargetId, TargetSpec},
};

#[derive(Debug)]
pub enum Event {
    Probed {
        target: TargetId,
        probe: Box<Probe>,
        late: Duration,
    },
    Skipped {
        target: TargetId,
        count: u64,
    },
    /// `None`: probes are answered again.
    ProbingPaused {
        target: TargetId,
        pause: Option<Pause>,
    },
    /// A pod probe ended. It does not count as a read.
    PodProbed {
        target: TargetId,
        probe: Box<PodProbeResult>,
    },
    Cluster {
        watch: WatchName,
        update: WatchUpdate,
    },
    /// Only the demo sets a caption.
    Caption(Arc<str>),
    /// Whether a Kubernetes Event could be written.
    EventWritten(Option<Problem>),
    /// Which of several readscopes counts scale events. Without a Lease, it never comes.
    Leadership(Leadership),
    TargetsChanged(TargetSet),
    /// `Err` says why the configuration was refused; the previous one stays in force.
    ConfigLoaded(Result<(), Arc<str>>),
    /// Due [`State::ticks_a_second`](super::State::ticks_a_second) times a second.
    Tick,
}

#[derive(Debug)]
pub enum WatchUpdate {
    Change(Box<Change>),
    /// The whole list arrived, for the first time or again.
    Listed,
    Broken(Problem),
}

/// All targets. Targets that exist already keep their state.
#[derive(Clone, Debug, Default)]
pub struct TargetSet {
    /// In display order.
    pub order: Vec<TargetId>,
    /// Targets that did not exist before.
    pub new: Vec<(TargetId, TargetSpec)>,
    pub watches: Vec<WatchName>,
}
