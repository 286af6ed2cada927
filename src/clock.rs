//! The one place that reads a clock.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::model::Moment;

/// Both clocks of the process, read together. Copies tell the same time.
///
/// The monotonic part is tokio's, so that a test which pauses time pauses this too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose moments count from now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// This moment.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment { elapsed: self.started.elapsed(), wall: Timestamp::now() }
    }
}
