//! When something happened: on the program's own monotonic clock, for durations, and on the wall, for people.

use std::time::Duration;

use jiff::Timestamp;

/// One instant, read once from both clocks by the caller; the model never reads a clock itself.
///
/// Moments are ordered and subtracted by `elapsed`, so a step of the wall clock bends no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Time since the program started, from a clock that never goes back.
    pub elapsed: Duration,
    /// The wall clock at that instant.
    pub wall: Timestamp,
}

impl Moment {
    /// Before anything has happened.
    pub(crate) const START: Self = Self { elapsed: Duration::ZERO, wall: Timestamp::UNIX_EPOCH };

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        self.elapsed.saturating_sub(earlier.elapsed)
    }
}

#[cfg(test)]
impl Moment {
    /// The moment `seconds` after an arbitrary start, for tests.
    pub(crate) fn at(seconds: f64) -> Self {
        let elapsed = Duration::from_secs_f64(seconds);
        Self { elapsed, wall: Timestamp::UNIX_EPOCH + jiff::SignedDuration::try_from(elapsed).unwrap() }
    }
}
