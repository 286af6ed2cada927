//! What a fact did to the scale events of a `StatefulSet`.

use std::{sync::Arc, time::Duration};

use super::milestones::{Milestone, ScalePhase};

/// What a fact did to a `StatefulSet`'s scale events.
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
        /// The time to which its moment is known, where samples alone show it.
        known_to: Option<Duration>,
    },
    Measured {
        phase: ScalePhase,
        duration: Duration,
    },
    /// A replica turned out to be a pod from before, which is there to stay.
    Settled,
    Finished {
        from: u32,
        to: u32,
        /// Absent if it is not known when it began or finished, and if a later event took a replica over before it
        /// had arrived.
        lasted: Option<Duration>,
    },
}
