//! Burst probes, pod probes and the lag limit of a target.

use std::{fmt, str::FromStr, time::Duration};

use super::duration::{DurationError, Interval, parse_duration};
use crate::model::{Burst, ProbeIntervals};

/// Shortest lag that can be measured: the primary is probed every quarter of it.
const MAX_LAG_MIN: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaxLagError {
    #[error(transparent)]
    Duration(#[from] DurationError),
    #[error(
        "shorter than 100ms: the primary is asked every quarter of it, and that would be more than 40 connections a \
         second; write a duration such as 1s"
    )]
    TooShort,
}

/// `None` means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(Option<Interval>);

/// A read is stale when it misses a transaction older than this; at least 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxLag(Duration);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pacing {
    /// Between probes while a new endpoint has not answered yet.
    pub burst_interval: Every,
    /// Maximum length of a burst for one endpoint; 0 disables bursts.
    pub burst_for: Duration,
    /// Between probes of one pod.
    pub pod_probe_interval: Every,
    pub max_lag: MaxLag,
}

impl Pacing {
    /// `interval` is that of the regular probes.
    #[must_use]
    pub fn pace(&self, interval: Interval) -> ProbeIntervals {
        let burst = self.burst_interval.get().filter(|_| !self.burst_for.is_zero());
        ProbeIntervals {
            interval: interval.get(),
            burst: burst.map(|interval| Burst { interval, lasting: self.burst_for }),
            pod_interval: self.pod_probe_interval.get(),
            max_lag: self.max_lag.0,
        }
    }
}

impl Default for Pacing {
    fn default() -> Self {
        let every = |duration: Duration| Every(Interval::try_from(duration).ok());
        Self {
            burst_interval: every(Duration::from_millis(20)),
            burst_for: Duration::from_secs(30),
            pod_probe_interval: every(Duration::from_secs(10)),
            max_lag: MaxLag::default(),
        }
    }
}

impl Every {
    pub const NEVER: Self = Self(None);

    /// `None` means never.
    #[must_use]
    pub fn get(self) -> Option<Duration> {
        self.0.map(Interval::get)
    }
}

impl From<Interval> for Every {
    fn from(interval: Interval) -> Self {
        Self(Some(interval))
    }
}

impl Default for MaxLag {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

impl FromStr for Every {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let duration = parse_duration(text)?;
        if duration.is_zero() { Ok(Self::NEVER) } else { duration.try_into().map(|interval| Self(Some(interval))) }
    }
}

impl TryFrom<Duration> for MaxLag {
    type Error = MaxLagError;

    fn try_from(duration: Duration) -> Result<Self, MaxLagError> {
        if duration < MAX_LAG_MIN { Err(MaxLagError::TooShort) } else { Ok(Self(duration)) }
    }
}

impl FromStr for MaxLag {
    type Err = MaxLagError;

    fn from_str(text: &str) -> Result<Self, MaxLagError> {
        parse_duration(text)?.try_into()
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.get().unwrap_or_default())
    }
}

impl fmt::Display for MaxLag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_turns_off() {
        assert_eq!("0".parse(), Ok(Every::NEVER));
        assert_eq!("10s".parse::<Every>().unwrap().get(), Some(Duration::from_secs(10)));
        assert_eq!("1ms".parse::<Every>(), Err(DurationError::IntervalTooShort));
        let interval = Interval::try_from(Duration::from_secs(1)).unwrap();
        let no_time = Pacing { burst_for: Duration::ZERO, ..Pacing::default() };
        assert_eq!(no_time.pace(interval).burst, None);
        let no_interval = Pacing { burst_interval: Every::NEVER, ..Pacing::default() };
        assert_eq!(no_interval.pace(interval).burst, None);
        assert!(Pacing::default().pace(interval).burst.is_some());
    }

    #[test]
    fn a_lag_that_cannot_be_seen_is_refused() {
        assert_eq!("99ms".parse::<MaxLag>(), Err(MaxLagError::TooShort));
        assert!("100ms".parse::<MaxLag>().is_ok());
    }
}
