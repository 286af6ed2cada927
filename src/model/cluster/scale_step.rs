//! What a watch event or a read changed in the scale events of a `StatefulSet`.

use std::{sync::Arc, time::Duration};

use super::milestones::{Milestone, ScalePhase};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ScaleStep {
    Began {
        from: u32,
        to: u32,
    },
    Reached {
        replica: Arc<str>,
        milestone: Milestone,
        since_request: Option<Duration>,
        /// How late the milestone may have been seen, where only probes show it.
        uncertainty: Option<Duration>,
    },
    Measured {
        phase: ScalePhase,
        duration: Duration,
    },
    /// The replica is a pod from before the request, and it stays.
    Settled,
    Finished {
        from: u32,
        to: u32,
        /// Absent if the start or end was not seen, or if a later event took over a replica before it arrived.
        lasted: Option<Duration>,
    },
}
