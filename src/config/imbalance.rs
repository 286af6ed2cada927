//! Settings of the imbalance alarm.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    duration::FalseAlarmPeriod,
    text::{self, deserialize_from_str},
};
use crate::model::VerdictRules;

/// With more than half, reads that all go to one of two replicas would count as balanced.
const TOLERANCE_MAX: f64 = 0.5;

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Imbalance {
    #[serde(deserialize_with = "text::read_or_default")]
    pub false_alarm_period: FalseAlarmPeriod,
    #[serde(deserialize_with = "text::read_or_default")]
    pub tolerance: Tolerance,
}

/// Relative deviation from the expected share that still counts as balanced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Tolerance(f64);

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("not a number from 0 to 0.5; write the tolerated deviation from the expected share, such as 0.02")]
pub struct ToleranceError;

impl Tolerance {
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self(VerdictRules::default().tolerance)
    }
}

impl FromStr for Tolerance {
    type Err = ToleranceError;

    fn from_str(text: &str) -> Result<Self, ToleranceError> {
        // The range excludes NaN.
        let part = text.trim().parse().ok().filter(|part| (0.0..=TOLERANCE_MAX).contains(part));
        part.map(Self).ok_or(ToleranceError)
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

deserialize_from_str!(Tolerance);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_a_number_from_0_to_one_half() {
        for (text, part) in [("0", 0.0), ("0.02", 0.02), ("0.5", 0.5)] {
            assert_eq!(text.parse::<Tolerance>().unwrap().get(), part);
        }
        for text in ["-0.1", "0.51", "1", "NaN", "inf", "2%", ""] {
            assert_eq!(text.parse::<Tolerance>(), Err(ToleranceError), "{text}");
        }
    }
}
