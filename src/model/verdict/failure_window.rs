//! Which of the latest samples failed, and whether those are more than the shares of the others can be judged beside.
//!
//! A failed sample has no replica. Where one replica fails altogether, the answers alone look as if it got no reads; so
//! fewer failures are tolerated than that replica would have, whatever the tolerance. Failures of a time in which nobody
//! answered are no single replica's, and do not count any more when the first one answers.

use std::collections::VecDeque;

use super::verdict::Undecided;
use crate::model::probe::FailureReason;

/// In how many of the latest samples failures are counted, at least: long enough for a tolerance of 2 % to be a few
/// samples, short enough to forget within minutes at one a second.
const WINDOW_MIN: usize = 200;

/// However small a share is.
const WINDOW_MAX: usize = 2000;

/// The window is so long that a replica of the least share that failed altogether would have so many failures in it.
const ALL_OF_ONE: f64 = 20.0;

/// That part of them is tolerated: a third is reached well before the replica's silence alarms, which takes as many of its
/// turns as the logarithm of the false alarms' distance in samples (11 for a day at one a second); and half of that, at
/// which it ends, is as good as never all that chance leaves.
const PART_OF_ONE: f64 = 1.0 / 3.0;

#[derive(Debug)]
pub(super) struct FailureWindow {
    /// Whether each of the latest samples failed, oldest first; at most `window`.
    latest: VecDeque<bool>,
    window: usize,
    /// Which part of the samples may fail.
    tolerance: f64,
    /// So many of `window` are tolerated.
    tolerated: usize,
    count: usize,
    /// Whether there were more, and not half of that or less since.
    too_many: bool,
    /// Why the latest one failed.
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

    /// Takes in which shares are expected now.
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

    /// So many of `window` may fail now. While there are too many it is half of what is tolerated else, so that a rate at
    /// the edge does not turn the verdict with every sample.
    fn allowed(&self) -> usize {
        if self.too_many { self.tolerated / 2 } else { self.tolerated }
    }

    pub(super) fn too_many(&self) -> bool {
        self.too_many
    }

    pub(super) fn told(&self) -> Undecided {
        Undecided::Failures {
            failed: self.count,
            samples: self.latest.len(),
            allowed: self.allowed(),
            window: self.window,
            reason: self.reason,
        }
    }

    /// Keeps the latest `kept` samples.
    fn forget(&mut self, kept: usize) {
        while self.latest.len() > kept {
            self.count -= usize::from(self.latest.pop_front() == Some(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many failures in a row are tolerated among `replicas` of equal shares, and in how many samples.
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
    fn as_many_failures_are_tolerated_as_the_tolerance_says_but_never_all_of_one_replica() {
        assert_eq!(tolerated(3, 0.02), (4, 200));
        assert_eq!(tolerated(20, 0.02), (6, 400));
        assert_eq!(tolerated(50, 0.02), (6, 1000));
        assert_eq!(tolerated(3, 0.5), (22, 200));
        assert_eq!(tolerated(2, 0.0), (0, 200));
    }

    #[test]
    fn failures_before_the_first_answer_are_nobodys() {
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
    fn it_ends_when_half_of_them_are_forgotten() {
        let mut failures = FailureWindow::new(0.02);
        failures.observe(None);
        (0..5).for_each(|_| failures.observe(Some(FailureReason::Timeout)));
        assert!(failures.too_many());
        let answers = (1..1000).find(|_| {
            failures.observe(None);
            !failures.too_many()
        });
        assert_eq!(answers, Some(198), "two of five are left when the first three are forgotten");
        failures.expect(&[0.01, 0.99]);
        assert_eq!((failures.count, failures.window), (2, 2000), "what is known stays");
    }
}
