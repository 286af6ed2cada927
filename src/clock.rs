//! The only place that reads a clock.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::model::Moment;

/// Copies agree. The monotonic part is tokio's, so that tests can pause it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Moments count from this call.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    pub fn now(&self) -> Moment {
        Moment { elapsed: self.started.elapsed(), wall: Timestamp::now() }
    }
}
