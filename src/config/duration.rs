//! Durations in the notation of Go and Prometheus: `500ms`, `1s`, `5m`, `1h30m`, `30d`.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{Span, SpanRelativeTo};

use super::text::{deserialize_from_str, serialize_display};
use crate::model::VerdictRules;

/// Each probe leaves its client port in `TIME_WAIT` for 60 s. The usual 28,232 ports allow about 470 connections per
/// second to one address.
const INTERVAL_MIN: Duration = Duration::from_micros(2500);

/// Shortest lag that can be measured: the primary is probed every quarter of it.
const MAX_LAG_MIN: Duration = Duration::from_millis(100);

/// With a shorter period, every target would raise alarms all the time.
const PERIOD_MIN: Duration = Duration::from_secs(60);

/// A server adds up the counters of all its connections for each reading.
const CLIENTS_MIN: Duration = Duration::from_secs(1);

const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("not a duration; write a number and a unit, such as 500ms, 1s, 5m, 1h30m or 30d")]
    Unreadable,
    #[error("out of range; write a duration from 0s to 366d")]
    OutOfRange,
    #[error("must be longer than 0; write a duration such as 3s")]
    Zero,
    #[error(
        "shorter than 2.5ms: each probe leaves a client port in TIME_WAIT for 60 s, and the usual 28,232 ports allow \
         about 470 probes a second to one address; write a duration such as 10ms"
    )]
    IntervalTooShort,
    #[error(
        "shorter than 100ms: readscope probes the primary every quarter of the maximum lag, and this would be more \
         than 40 connections a second; write a duration such as 1s"
    )]
    LagTooShort,
    #[error(
        "shorter than 1s: a server adds up the counters of all its connections for each reading; write a duration such as \
         10s"
    )]
    ClientsTooShort,
    #[error("shorter than 1m: false alarms would never stop; write the average time between them, such as 30d")]
    PeriodTooShort,
}

/// Accepts 0 to 366 days; a day has 24 hours.
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

/// Writes a duration as [`parse_duration`] reads it.
fn write(duration: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3600, "h"), (60, "m")];
    let seconds = duration.as_secs();
    let whole = |unit: u64| seconds > 0 && duration.subsec_nanos() == 0 && seconds.is_multiple_of(unit);
    match UNITS.into_iter().find(|(unit, _)| whole(*unit)) {
        Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
        None if duration.is_zero() => f.write_str("0s"),
        None => write!(f, "{duration:?}"),
    }
}

/// One type a setting: its default, which durations are valid, and the error for the others.
macro_rules! durations {
    ($($(#[$doc:meta])* $name:ident: $default:expr, $valid:expr, $error:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Duration);

        impl $name {
            pub fn get(self) -> Duration {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl TryFrom<Duration> for $name {
            type Error = DurationError;

            fn try_from(duration: Duration) -> Result<Self, DurationError> {
                let valid: fn(Duration) -> bool = $valid;
                if valid(duration) { Ok(Self(duration)) } else { Err(DurationError::$error) }
            }
        }

        impl FromStr for $name {
            type Err = DurationError;

            fn from_str(text: &str) -> Result<Self, DurationError> {
                parse_duration(text)?.try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(self.0, f)
            }
        }

        deserialize_from_str!($name);
        serialize_display!($name);
    )+};
}

durations! {
    /// Time between probes of one target.
    Interval: Duration::from_secs(1), |time| time >= INTERVAL_MIN, IntervalTooShort;
    /// Time between probes during a burst; 0 disables bursts.
    BurstInterval: Duration::from_millis(20), |time| time.is_zero() || time >= INTERVAL_MIN, IntervalTooShort;
    /// Maximum length of a burst; 0 disables bursts.
    BurstLength: Duration::from_secs(30), |time| time <= DURATION_MAX, OutOfRange;
    /// Time between pod probes of one replica; 0 disables them.
    PodProbeInterval: Duration::from_secs(10), |time| time.is_zero() || time >= INTERVAL_MIN, IntervalTooShort;
    /// Time between readings of the status counters of one replica; 0 disables them.
    ClientsInterval: Duration::from_secs(10), |time| time.is_zero() || time >= CLIENTS_MIN, ClientsTooShort;
    /// Limit of one whole probe.
    Timeout: Duration::from_secs(3), |time| !time.is_zero(), Zero;
    /// Time without a read after which an unexpected replica is removed.
    ForgetAfter: Duration::from_secs(3600), |time| !time.is_zero(), Zero;
    /// A read that lacks a transaction older than this is stale.
    MaxLag: Duration::from_secs(1), |time| time >= MAX_LAG_MIN, LagTooShort;
    /// Average time between false alarms of the whole process.
    FalseAlarmPeriod: VerdictRules::default().false_alarm_period, |time| time >= PERIOD_MIN, PeriodTooShort;
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
    fn texts_that_are_not_durations_are_refused() {
        for text in ["", "1", "s", "-1s", "1x", "1 month", "PT1S", "1s ago", "1e3s", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert_eq!(parse_duration("367d"), Err(DurationError::OutOfRange));
    }

    #[test]
    fn a_written_duration_can_be_read_again() {
        for text in ["30d", "12h", "90m", "61s", "366d", "1.5s", "2.5ms", "0s"] {
            assert_eq!(text.parse::<BurstLength>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_interval_that_would_use_up_the_client_ports_is_refused() {
        assert_eq!("2.4ms".parse::<Interval>(), Err(DurationError::IntervalTooShort));
        assert!("2.5ms".parse::<Interval>().is_ok());
        assert_eq!("1ms".parse::<PodProbeInterval>(), Err(DurationError::IntervalTooShort));
        assert!("0".parse::<PodProbeInterval>().is_ok());
        assert_eq!("999ms".parse::<ClientsInterval>(), Err(DurationError::ClientsTooShort));
        assert!("0".parse::<ClientsInterval>().is_ok() && "1s".parse::<ClientsInterval>().is_ok());
    }

    #[test]
    fn a_lag_that_cannot_be_measured_is_refused() {
        assert_eq!("99ms".parse::<MaxLag>(), Err(DurationError::LagTooShort));
        assert!("100ms".parse::<MaxLag>().is_ok());
    }

    #[test]
    fn a_false_alarm_period_is_at_least_a_minute() {
        for text in ["0", "59s", "-1d", "367d", "", "x", "NaN"] {
            assert!(text.parse::<FalseAlarmPeriod>().is_err(), "{text}");
        }
        assert!("1m".parse::<FalseAlarmPeriod>().is_ok());
    }

    #[test]
    fn defaults_are_valid() {
        assert_eq!(FalseAlarmPeriod::default().to_string(), "30d");
        assert_eq!(Interval::try_from(Interval::default().get()), Ok(Interval::default()));
    }
}
