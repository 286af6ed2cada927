//! Durations in the notation of Go and Prometheus: `500ms`, `1s`, `5m`, `1h30m`, `30d`.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{Span, SpanRelativeTo};

/// Each probe leaves its client port in `TIME_WAIT` for 60 s. The usual 28,232 ports allow about 470 connections per
/// second to one address.
const INTERVAL_MIN: Duration = Duration::from_micros(2500);

const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("not a duration; write a number and a unit, such as 500ms, 1s, 5m, 1h30m or 30d")]
    Unreadable,
    #[error("outside what is possible; write a duration from 0s to 366d")]
    OutOfRange,
    #[error("must be longer than 0; write a duration such as 3s")]
    Zero,
    #[error(
        "shorter than 2.5ms: each probe leaves a client port in TIME_WAIT for 60 s, and the usual 28,232 ports allow \
         about 470 probes a second to one address; write a duration such as 10ms"
    )]
    IntervalTooShort,
}

/// Time between probes of one target, at least 2.5 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(Duration);

/// Time limit of one probe, greater than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(Duration);

/// Accepts 0 to 366 days; a day has 24 hours.
///
/// # Errors
/// When the text is not a duration or is out of range.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    // jiff accepts far more ("1 month ago", ISO 8601). Prometheus' notation is enough and unambiguous.
    let plain = |c: char| c.is_ascii_digit() || c == '.' || "nuµmshdw".contains(c);
    if !text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(plain) {
        return Err(DurationError::Unreadable);
    }
    let span: Span = text.parse().map_err(|_| DurationError::Unreadable)?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| DurationError::OutOfRange)?;
    let duration = Duration::try_from(duration).map_err(|_| DurationError::OutOfRange)?;
    if duration > DURATION_MAX { Err(DurationError::OutOfRange) } else { Ok(duration) }
}

impl Interval {
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Timeout {
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

impl Default for Timeout {
    fn default() -> Self {
        Self(Duration::from_secs(3))
    }
}

impl TryFrom<Duration> for Interval {
    type Error = DurationError;

    fn try_from(duration: Duration) -> Result<Self, DurationError> {
        if duration < INTERVAL_MIN { Err(DurationError::IntervalTooShort) } else { Ok(Self(duration)) }
    }
}

impl TryFrom<Duration> for Timeout {
    type Error = DurationError;

    fn try_from(duration: Duration) -> Result<Self, DurationError> {
        if duration.is_zero() { Err(DurationError::Zero) } else { Ok(Self(duration)) }
    }
}

impl FromStr for Interval {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse_duration(text)?.try_into()
    }
}

impl FromStr for Timeout {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse_duration(text)?.try_into()
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_and_go_write_them() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("1s", 1000),
            ("1.5s", 1500),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "1", "s", "-1s", "1x", "1 month", "PT1S", "1s ago", "1e3s", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("367d"), Err(DurationError::OutOfRange));
    }

    #[test]
    fn an_interval_that_would_use_up_the_client_ports_is_refused() {
        assert_eq!("2.4ms".parse::<Interval>(), Err(DurationError::IntervalTooShort));
        assert!("2.5ms".parse::<Interval>().is_ok());
    }
}
