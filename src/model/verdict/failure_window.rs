//! Counts failures among the latest probes, and decides whether they are too many to judge the shares.
//!
//! A failed probe has no replica. If all probes of one replica fail, the reads alone look as if it got none. The limit
//! is therefore below the failures of one replica, whatever the tolerance. Failures while no replica answers belong to
//! no single replica, and stop counting with the next read.

use std::collections::VecDeque;

use super::verdict::Undecided;
use crate::model::probe::FailureReason;

/// Minimum window in probes: long enough that a tolerance of 2 % is several probes, short enough to forget within
/// minutes at one probe a second.
const WINDOW_MIN: usize = 200;

/// Maximum window in probes, however small a share is.
const WINDOW_MAX: usize = 2000;

/// Length of the window, as the failures of the replica with the smallest share if all its probes fail.
const ALL_OF_ONE: f64 = 20.0;

/// Tolerated part of those failures. A third is reached well before the silence of the replica raises an alarm, which
/// takes as many of its turns as the logarithm of the false-alarm period in probes (11 for a day at one probe a
/// second). Half of the tolerated number clears the state; a replica whose probes all fail almost never shows so few.
const PART_OF_ONE: f64 = 1.0 / 3.0;

#[derive(Debug)]
pub(super) struct FailureWindow {
    /// True: failed. Oldest first, at most `window`.
    latest: VecDeque<bool>,
    window: usize,
    tolerance: f64,
    tolerated: usize,
    count: usize,
    /// Set above `tolerated`, cleared at half of it.
    too_many: bool,
    reason: FailureReason,
}

impl FailureWindow {
    pub(super) fn new(tolerance: f64) -> Self {
        let mut failures = Self {
            latest: VecDeque::new(),
            window: 0,
            tolerance,
            tolerated: 0,
            count: 0,
            too_many: false,
            reason: FailureReason::Other,
        };
        failures.expect(&[]);
        failures
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 2000"
    )]
    pub(super) fn expect(&mut self, shares: &[f64]) {
        let least = shares.iter().copied().filter(|share| *share > 0.0).fold(1.0, f64::min);
        self.window = ((ALL_OF_ONE / least).ceil() as usize).clamp(WINDOW_MIN, WINDOW_MAX);
        self.tolerated = (self.tolerance.min(least * PART_OF_ONE) * self.window as f64) as usize;
        self.forget(self.window);
    }

    pub(super) fn observe(&mut self, failure: Option<FailureReason>) {
        if failure.is_none() && self.count == self.latest.len() {
            self.forget(0);
        }
        self.forget(self.window - 1);
        self.latest.push_back(failure.is_some());
        self.count += usize::from(failure.is_some());
        self.reason = failure.unwrap_or(self.reason);
        self.too_many = self.count > self.allowed();
    }

    /// Failures that `window` may hold now. The limit halves while there are too many, so that a rate at the edge does
    /// not flip the verdict with every probe.
    fn allowed(&self) -> usize {
        if self.too_many { self.tolerated / 2 } else { self.tolerated }
    }

    pub(super) fn too_many(&self) -> bool {
        self.too_many
    }

    pub(super) fn verdict(&self) -> Undecided {
        Undecided::Failures {
            failed: self.count,
            probes: self.latest.len(),
            allowed: self.allowed(),
            window: self.window,
            reason: self.reason,
        }
    }

    fn forget(&mut self, kept: usize) {
        while self.latest.len() > kept {
            self.count -= usize::from(self.latest.pop_front() == Some(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Failures in a row tolerated among `replicas` of equal shares, and the window in probes.
    fn tolerated(replicas: usize, tolerance: f64) -> (usize, usize) {
        let mut failures = FailureWindow::new(tolerance);
        #[expect(clippy::cast_precision_loss, reason = "few")]
        failures.expect(&vec![1.0 / replicas as f64; replicas]);
        let failed = (0..1000).take_while(|_| {
            failures.observe(Some(FailureReason::Refused));
            !failures.too_many()
        });
        (failed.count(), failures.window)
    }

    #[test]
    fn tolerated_failures_follow_the_tolerance_and_stay_below_one_replica() {
        assert_eq!(tolerated(3, 0.02), (4, 200));
        assert_eq!(tolerated(20, 0.02), (6, 400));
        assert_eq!(tolerated(50, 0.02), (6, 1000));
        assert_eq!(tolerated(3, 0.5), (22, 200));
        assert_eq!(tolerated(2, 0.0), (0, 200));
    }

    #[test]
    fn failures_before_the_first_read_belong_to_no_replica() {
        let mut failures = FailureWindow::new(0.02);
        (0..50).for_each(|_| failures.observe(Some(FailureReason::Refused)));
        assert!(failures.too_many());
        failures.observe(None);
        assert_eq!((failures.too_many(), failures.count), (false, 0));
        (0..4).for_each(|_| failures.observe(Some(FailureReason::Refused)));
        assert!(!failures.too_many());
        failures.observe(Some(FailureReason::Refused));
        assert!(failures.too_many());
        failures.observe(None);
        assert!(failures.too_many(), "somebody answered in between");
    }

    #[test]
    fn the_state_clears_at_half_of_the_tolerated_failures() {
        let mut failures = FailureWindow::new(0.02);
        failures.observe(None);
        (0..5).for_each(|_| failures.observe(Some(FailureReason::Timeout)));
        assert!(failures.too_many());
        let reads = (1..1000).find(|_| {
            failures.observe(None);
            !failures.too_many()
        });
        assert_eq!(reads, Some(198), "two of five are left when the first three are forgotten");
        failures.expect(&[0.01, 0.99]);
        assert_eq!((failures.count, failures.window), (2, 2000), "what is known stays");
    }
}
