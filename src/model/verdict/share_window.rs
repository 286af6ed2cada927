//! The reads behind a target's shares and intervals: the latest ones since the last change.

use std::{collections::VecDeque, fmt};

use super::evidence::{ShareStats, Suspect};
use crate::model::base::Count;

/// Large enough for intervals of a few percent, small enough to forget within minutes at one probe a second.
const READS_MAX: usize = 1000;

#[derive(Debug)]
pub(super) struct ShareWindow {
    stats: ShareStats,
    /// Index of the replica of each read, newest last.
    latest: VecDeque<u8>,
    since: Since,
}

/// What the oldest read of the window follows, while the window is not full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    Start,
    Expected,
    Imbalance,
    AlarmEnded,
    Outage,
}

/// The reads on which shares and intervals rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareBasis {
    pub reads: usize,
    pub since: Since,
}

impl ShareWindow {
    pub(super) fn new() -> Self {
        Self { stats: ShareStats::new(&[]), latest: VecDeque::new(), since: Since::Start }
    }

    pub(super) fn stats(&self) -> &ShareStats {
        &self.stats
    }

    pub(super) fn basis(&self) -> ShareBasis {
        ShareBasis { reads: self.latest.len(), since: self.since }
    }

    /// 0 to 1; absent without reads.
    #[expect(clippy::cast_precision_loss, reason = "at most READS_MAX")]
    pub(super) fn share(&self, index: usize) -> Option<f64> {
        (!self.latest.is_empty()).then(|| self.stats.count(index) as f64 / self.latest.len() as f64)
    }

    /// `before` gives the former index of each replica, whose silence continues.
    pub(super) fn change(&mut self, weights: &[f64], before: &[Option<usize>], since: Since) {
        self.stats.change(weights, before);
        self.latest.clear();
        self.since = since;
    }

    /// Adds a replica that is not expected. Returns its index, or nothing if there are too many.
    pub(super) fn add(&mut self) -> Option<usize> {
        let index = self.stats.since().len();
        u8::try_from(index).ok().map(|_| {
            self.stats.add();
            index
        })
    }

    pub(super) fn observe(&mut self, index: usize) {
        let Ok(replica) = u8::try_from(index) else { return };
        self.keep(READS_MAX - 1, self.since);
        self.latest.push_back(replica);
        self.stats.observe(index);
    }

    /// Forgets all but the newest reads.
    pub(super) fn keep(&mut self, reads: usize, since: Since) {
        self.since = since;
        while self.latest.len() > reads {
            if let Some(replica) = self.latest.pop_front() {
                self.stats.forget(replica.into());
            }
        }
    }

    /// Number of the newest reads that speak most for the suspect's odds: those since its share most likely changed.
    pub(super) fn since_change(&self, suspect: &Suspect, share: f64) -> usize {
        let all = (share * (suspect.odds - 1.0)).ln_1p();
        let (mut sum, mut most, mut reads) = (0.0, 0.0, 0);
        for (place, replica) in self.latest.iter().rev().enumerate() {
            sum += if usize::from(*replica) == suspect.index { suspect.odds.ln() } else { 0.0 } - all;
            if sum > most {
                (most, reads) = (sum, place + 1);
            }
        }
        reads
    }
}

impl fmt::Display for ShareBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reads = Count(self.reads, "read");
        if self.reads == READS_MAX {
            return write!(f, "Shares and intervals rest on the last {reads}");
        }
        let since = match self.since {
            Since::Start => "the start",
            Since::Expected => "the expected replicas last changed",
            Since::Imbalance => "the imbalance began",
            Since::AlarmEnded => "the alarm ended",
            Since::Outage => "the outage ended",
        };
        write!(f, "Shares and intervals rest on {reads} since {since}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(weights: &[f64]) -> ShareWindow {
        let mut window = ShareWindow::new();
        window.change(weights, &vec![None; weights.len()], Since::Start);
        window
    }

    #[test]
    fn shares_and_intervals_rest_on_the_same_latest_reads() {
        let mut window = window(&[1.0, 1.0]);
        assert_eq!(window.share(0), None);
        (0..READS_MAX).for_each(|_| window.observe(0));
        (0..250).for_each(|_| window.observe(1));
        assert_eq!((window.share(0), window.share(1), window.stats().reads()), (Some(0.75), Some(0.25), 1000));
        let indices = window.stats().indices().unwrap();
        assert_eq!((indices.misrouted, indices.ratio_max), (0.25, 1.5));
        assert_eq!(window.basis().to_string(), "Shares and intervals rest on the last 1000 reads");
        window.keep(250, Since::Imbalance);
        assert_eq!((window.share(0), window.share(1)), (Some(0.0), Some(1.0)));
        assert_eq!(window.basis().to_string(), "Shares and intervals rest on 250 reads since the imbalance began");
        window.keep(1, Since::AlarmEnded);
        assert_eq!(window.basis().to_string(), "Shares and intervals rest on 1 read since the alarm ended");
    }

    #[test]
    fn an_unexpected_replica_has_a_share() {
        let mut window = window(&[1.0, 1.0]);
        window.observe(0);
        window.observe(1);
        let index = window.add().unwrap();
        window.observe(index);
        window.observe(index);
        assert_eq!((index, window.share(index), window.share(0)), (2, Some(0.5), Some(0.25)));
        while window.add().is_some() {}
        assert_eq!(window.stats().since().len(), 256);
    }

    #[test]
    fn a_change_is_dated_to_the_reads_that_show_it() {
        let mut window = window(&[1.0; 3]);
        (0..300).for_each(|read| window.observe(read % 3));
        (0..48).for_each(|read| window.observe(read % 2));
        let dead = Suspect { index: 2, odds: 0.0, part: 1.0 };
        assert_eq!(window.since_change(&dead, 1.0 / 3.0), 48);
        (0..60).for_each(|read| window.observe([0, 0, 1, 0, 0, 2][read % 6]));
        let hot = Suspect { index: 0, odds: 3.0, part: 1.0 };
        assert!((60..=110).contains(&window.since_change(&hot, 1.0 / 3.0)));
    }
}
