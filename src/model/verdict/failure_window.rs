//! Counts failures among the latest probes, and decides whether they are too many to judge the shares.
//!
//! A failed probe has no replica. If all probes of one replica fail, the reads alone look as if it got none. The limit
//! is therefore below the failures of one replica, whatever the tolerance. Failures while no replica answers belong to
//! no single replica, and stop counting with the next read. Reads of one client come from independent draws, so a run of
//! failures longer than one replica can give is such a time. Runs depend on no answer, so leaving them out does not
//! favour a replica, and the false-alarm rate holds.

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

/// Probability that a run of failures is so long although only the replica with the largest share fails. Its other
/// runs keep the count far above the limit.
const RUN_CHANCE: f64 = 0.01;

#[derive(Debug)]
pub(super) struct FailureWindow {
    /// Oldest first, at most `window`.
    latest: VecDeque<Option<FailureReason>>,
    /// Failures since the last read.
    run: usize,
    /// A run this long belongs to no single replica.
    outage: usize,
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
            run: 0,
            outage: 1,
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
        let most = shares.iter().copied().fold(0.0, f64::max);
        // Without two replicas there is no comparison that failures could bias, as at the end of an outage, when the
        // first replica is back.
        let alone = most <= 0.0 || most >= 1.0;
        self.outage = if alone { 1 } else { (RUN_CHANCE.ln() / most.ln()).ceil() as usize };
        self.tolerated = (self.tolerance.min(least * PART_OF_ONE) * self.window as f64) as usize;
        self.forget(self.window);
    }

    pub(super) fn observe(&mut self, failure: Option<FailureReason>) {
        if failure.is_none() {
            if self.count == self.latest.len() || self.run >= self.outage {
                let run = self.run.min(self.latest.len());
                self.latest.truncate(self.latest.len() - run);
                self.count -= run;
            }
            self.run = 0;
        } else {
            self.run += 1;
        }
        self.forget(self.window - 1);
        self.latest.push_back(failure);
        self.count += usize::from(failure.is_some());
        self.reason = failure.unwrap_or(self.reason);
        self.too_many = self.count > self.allowed();
    }

    /// Failures that `window` may hold now. The limit halves while there are too many, so that a rate at the edge does
    /// not flip the verdict with every probe.
    fn allowed(&self) -> usize {
        if self.too_many { self.tolerated / 2 } else { self.tolerated }
    }

    /// Failed probes, and probes, in the window.
    pub(super) fn failed(&self) -> (usize, usize) {
        (self.count, self.latest.len())
    }

    /// Failed probes with this reason, and probes, in the window.
    pub(super) fn failed_by(&self, reason: FailureReason) -> (usize, usize) {
        (self.latest.iter().filter(|failure| **failure == Some(reason)).count(), self.latest.len())
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
            self.count -= usize::from(self.latest.pop_front().flatten().is_some());
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
        failures.expect(&[0.5, 0.5]);
        (0..4).for_each(|_| failures.observe(Some(FailureReason::Refused)));
        assert!(!failures.too_many());
        failures.observe(Some(FailureReason::Refused));
        assert!(failures.too_many());
        failures.observe(None);
        assert!(failures.too_many(), "somebody answered in between");
    }

    /// An outage of 10 s at one probe a second, after a few failures that stay.
    #[test]
    fn failures_of_an_outage_stop_counting_with_the_next_read() {
        let mut failures = FailureWindow::new(0.02);
        failures.expect(&[1.0 / 3.0; 3]);
        (0..150).for_each(|probe| failures.observe((probe == 100).then_some(FailureReason::Timeout)));
        (0..10).for_each(|_| failures.observe(Some(FailureReason::Refused)));
        assert_eq!((failures.too_many(), failures.failed()), (true, (11, 160)));
        failures.observe(None);
        assert_eq!((failures.too_many(), failures.failed()), (false, (1, 151)));
        // No endpoint is left; then one after the other comes back.
        failures.expect(&[]);
        (0..10).for_each(|_| failures.observe(Some(FailureReason::Refused)));
        failures.expect(&[1.0]);
        failures.observe(None);
        failures.expect(&[0.5, 0.5]);
        assert_eq!((failures.too_many(), failures.failed()), (false, (1, 152)));
    }

    /// One replica fails in a part of its probes, and draws are random: the state holds as long as the failures do, and
    /// begins before the other replicas' reads alone raise an alarm.
    #[test]
    fn failures_of_one_replica_are_no_outage() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut random = StdRng::seed_from_u64(16);
        for shares in [vec![0.5; 2], vec![1.0 / 3.0; 3], vec![0.1; 10], vec![0.8, 0.1, 0.1]] {
            // With fewer failures, chance alone ends the state at times.
            for part in [1.0, 0.5].into_iter().filter(|part| shares[0] * part >= 0.1) {
                let mut failures = FailureWindow::new(0.02);
                failures.expect(&shares);
                let mut fails = || random.random_bool(shares[0] * part).then_some(FailureReason::Refused);
                let begins = (1..1000).find(|_| {
                    failures.observe(fails());
                    failures.too_many()
                });
                let few = 16.0 / (shares[0] * part);
                assert!(begins.is_some_and(|probes| f64::from(probes) < few), "{begins:?} {shares:?} {part}");
                (0..200).for_each(|_| failures.observe(fails()));
                for probe in 0..100_000 {
                    failures.observe(fails());
                    assert!(failures.too_many(), "{probe} {shares:?} {part} {:?}", failures.failed());
                }
            }
        }
    }

    #[test]
    fn the_state_clears_at_half_of_the_tolerated_failures() {
        let mut failures = FailureWindow::new(0.02);
        failures.expect(&[0.5, 0.5]);
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
