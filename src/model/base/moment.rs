//! Instants on two clocks: monotonic for durations, wall clock for people.

use std::time::Duration;

use jiff::Timestamp;

/// The caller reads both clocks; the model never reads a clock.
///
/// Order and differences use `elapsed`, so a step of the wall clock changes no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Since the program started; monotonic.
    pub elapsed: Duration,
    pub wall: Timestamp,
}

impl Moment {
    pub(crate) const START: Self = Self { elapsed: Duration::ZERO, wall: Timestamp::UNIX_EPOCH };

    /// Zero if `earlier` is later.
    pub fn since(self, earlier: Moment) -> Duration {
        self.elapsed.saturating_sub(earlier.elapsed)
    }

    pub fn after(self, duration: Duration) -> Self {
        let wall = self.wall.saturating_add(duration).unwrap_or(Timestamp::MAX);
        Self { elapsed: self.elapsed.saturating_add(duration), wall }
    }
}

#[cfg(test)]
impl Moment {
    pub(crate) fn at(seconds: f64) -> Self {
        let elapsed = Duration::from_secs_f64(seconds);
        Self { elapsed, wall: Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(elapsed).unwrap() }
    }
}
