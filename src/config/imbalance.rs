//! Settings of the imbalance alarm: false-alarm period and tolerance.

use std::{fmt, str::FromStr, time::Duration};

use super::duration::{DurationError, parse_duration};

/// With a shorter period, every target would raise alarms all the time.
const PERIOD_MIN: Duration = Duration::from_secs(60);

/// With more than half, reads that all go to one of two replicas would count as balanced.
const TOLERANCE_MAX: f64 = 0.5;

/// Average time between false alarms of the whole process: 1 minute to 366 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseAlarmPeriod(Duration);

/// Relative deviation from the expected share that still counts as balanced: 0 to 0.5.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance(f64);

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ImbalanceError {
    #[error(transparent)]
    Duration(#[from] DurationError),
    #[error("shorter than 1m; write how far apart false alarms may be at least, such as 30d")]
    PeriodTooShort,
    #[error("not a part from 0 to 0.5; write by which part of itself a share may be off, such as 0.02")]
    Tolerance,
}

impl FalseAlarmPeriod {
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Tolerance {
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self(0.02)
    }
}

impl TryFrom<Duration> for FalseAlarmPeriod {
    type Error = ImbalanceError;

    fn try_from(duration: Duration) -> Result<Self, ImbalanceError> {
        if duration < PERIOD_MIN { Err(ImbalanceError::PeriodTooShort) } else { Ok(Self(duration)) }
    }
}

impl TryFrom<f64> for Tolerance {
    type Error = ImbalanceError;

    fn try_from(part: f64) -> Result<Self, ImbalanceError> {
        // The range excludes NaN.
        if (0.0..=TOLERANCE_MAX).contains(&part) { Ok(Self(part)) } else { Err(ImbalanceError::Tolerance) }
    }
}

impl FromStr for FalseAlarmPeriod {
    type Err = ImbalanceError;

    fn from_str(text: &str) -> Result<Self, ImbalanceError> {
        parse_duration(text)?.try_into()
    }
}

impl FromStr for Tolerance {
    type Err = ImbalanceError;

    fn from_str(text: &str) -> Result<Self, ImbalanceError> {
        text.trim().parse::<f64>().map_err(|_| ImbalanceError::Tolerance)?.try_into()
    }
}

impl fmt::Display for FalseAlarmPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(86_400, "d"), (3600, "h"), (60, "m")];
        let seconds = self.0.as_secs();
        match UNITS.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit) && self.0.subsec_nanos() == 0) {
            Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
            None => write!(f, "{:?}", self.0),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_written_alike() {
        for text in ["30d", "12h", "90m", "61s", "366d"] {
            assert_eq!(text.parse::<FalseAlarmPeriod>().unwrap().to_string(), text);
        }
        for text in ["0", "59s", "-1d", "367d", "", "x", "NaN"] {
            assert!(text.parse::<FalseAlarmPeriod>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_tolerance_is_a_part_of_a_half_at_most() {
        for (text, part) in [("0", 0.0), ("0.02", 0.02), ("0.5", 0.5)] {
            assert_eq!(text.parse::<Tolerance>().unwrap().get(), part);
        }
        for text in ["-0.1", "0.51", "1", "NaN", "inf", "2%", ""] {
            assert_eq!(text.parse::<Tolerance>(), Err(ImbalanceError::Tolerance), "{text}");
        }
    }
}
