//! History of the sets of one primary: one hour in bounded memory.
//!
//! A server's set only grows, so a set that contains one entry contains all earlier entries, and bisection finds the
//! place of a replica.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::gtid::GtidSet;

/// Length of the history, or twice the allowed lag if that is longer.
const KEPT: Duration = Duration::from_secs(3600);

/// Every answer is kept for this time beyond the allowed lag: a probe is judged when it ends, as of its start.
const JUDGED_WITHIN: Duration = Duration::from_secs(30);

/// Thinning keeps a lag precise to this part of itself, or to the spacing of the answers.
const PRECISION: u32 = 32;

const THINNED_EVERY: usize = 256;

/// Limit for all sets in units of [`GtidSet::size`]: 4 MiB. Sets with few intervals stay far below.
const SIZE_MAX: usize = 1 << 18;

/// The growing set of one server. Times are `Moment::elapsed`.
#[derive(Debug)]
pub(crate) struct History {
    /// No thinning up to this age.
    detailed: Duration,
    kept: Duration,
    /// Oldest first; each set contains the previous one and more.
    entries: VecDeque<Entry>,
    size: usize,
    /// Number of entries that starts the next thinning.
    thinned_at: usize,
}

#[derive(Debug)]
pub(crate) struct Entry {
    set: Arc<GtidSet>,
    /// Arrival of the first answer with this set: the server had all of it by then.
    pub(crate) received: Duration,
    /// Start of the last probe with this set: the server had nothing more until then.
    pub(crate) complete: Duration,
}

/// Position of a set between two neighbours; at least one exists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) contained: Option<&'a Entry>,
    pub(crate) lacking: Option<&'a Entry>,
}

impl History {
    /// Thinning never changes whether a read lags by more than `max_lag`.
    pub(crate) fn new(max_lag: Duration) -> Self {
        Self {
            detailed: max_lag.saturating_add(JUDGED_WITHIN),
            kept: KEPT.max(max_lag.saturating_mul(2)),
            entries: VecDeque::new(),
            size: 0,
            thinned_at: THINNED_EVERY,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.size = 0;
        self.thinned_at = THINNED_EVERY;
    }

    /// A set that lost transactions restarts the history.
    pub(crate) fn record(&mut self, set: Arc<GtidSet>, started: Duration, received: Duration) {
        let mut complete = started.min(received);
        if let Some(newest) = self.entries.back_mut() {
            if newest.set == set {
                newest.complete = newest.complete.max(complete);
                return;
            }
            if set.contains(&newest.set) {
                complete = complete.max(newest.complete);
            } else if started < newest.received {
                // The two probes overlapped, and this answer is the older one.
                return;
            } else {
                self.clear();
            }
        }
        let received = self.entries.back().map_or(received, |newest| received.max(newest.received));
        self.size += set.size();
        self.entries.push_back(Entry { set, received, complete });
        if self.entries.len() >= self.thinned_at || self.size > SIZE_MAX {
            self.thin(received);
        }
    }

    /// Searches the entries received by `when`; `None` without any.
    pub(crate) fn place(&self, set: &GtidSet, when: Duration) -> Option<Place<'_>> {
        let index = self.entries.partition_point(|entry| entry.received <= when && set.contains(&entry.set));
        let contained = index.checked_sub(1).and_then(|before| self.entries.get(before));
        let lacking = self.entries.get(index).filter(|entry| entry.received <= when);
        (contained.is_some() || lacking.is_some()).then_some(Place { contained, lacking })
    }

    fn thin(&mut self, now: Duration) {
        while self.entries.get(1).is_some_and(|second| now.saturating_sub(second.received) > self.kept) {
            self.size -= self.entries.pop_front().map_or(0, |entry| entry.set.size());
        }
        let detailed = self.detailed;
        self.thin_to(now, |age| if age <= detailed { Duration::ZERO } else { age / PRECISION });
        for doublings in 0..u32::BITS {
            if self.size <= SIZE_MAX {
                break;
            }
            self.thin_to(now, |age| (age / PRECISION).saturating_mul(1 << doublings));
        }
        self.thinned_at = self.entries.len() + THINNED_EVERY;
    }

    /// Drops an entry if the gap between its neighbours then stays within `gap` of their age.
    fn thin_to(&mut self, now: Duration, gap: impl Fn(Duration) -> Duration) {
        let mut entries = std::mem::take(&mut self.entries).into_iter().peekable();
        while let Some(entry) = entries.next() {
            let spared = match (self.entries.back(), entries.peek()) {
                (Some(before), Some(after)) => {
                    after.received.saturating_sub(before.complete) <= gap(now.saturating_sub(after.received))
                }
                // The oldest entry bounds the history; the newest shows which replicas lack nothing.
                _ => false,
            };
            if spared {
                self.size -= entry.set.size();
            } else {
                self.entries.push_back(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn first(transactions: u64) -> Arc<GtidSet> {
        Arc::new(format!("{A}:1-{transactions}").parse().unwrap())
    }

    fn history() -> History {
        History::new(Duration::from_secs(1))
    }

    impl History {
        fn spans(&self) -> Vec<(f64, f64)> {
            self.entries.iter().map(|entry| (entry.received.as_secs_f64(), entry.complete.as_secs_f64())).collect()
        }
    }

    #[test]
    fn an_idle_server_makes_one_entry() {
        let mut history = history();
        for second in 0..100 {
            history.record(first(5), at(f64::from(second)), at(f64::from(second) + 0.5));
        }
        assert_eq!(history.spans(), [(0.5, 99.0)]);
    }

    #[test]
    fn an_overtaken_answer_changes_nothing() {
        let mut history = history();
        history.record(first(1), at(0.0), at(0.1));
        history.record(first(3), at(1.1), at(1.2));
        history.record(first(2), at(1.0), at(1.3));
        assert_eq!(history.spans(), [(0.1, 0.0), (1.2, 1.1)]);
        history.record(first(3), at(0.9), at(1.4));
        assert_eq!(history.spans(), [(0.1, 0.0), (1.2, 1.1)]);
        history.record(first(4), at(0.8), at(1.1));
        assert_eq!(history.spans(), [(0.1, 0.0), (1.2, 1.1), (1.2, 1.1)]);
    }

    #[test]
    fn a_server_that_lost_transactions_restarts_its_history() {
        let mut history = history();
        history.record(first(9), at(0.0), at(0.1));
        history.record(first(2), at(1.0), at(1.1));
        assert_eq!(history.spans(), [(1.1, 1.0)]);
        history.record(Arc::default(), at(2.0), at(2.1));
        assert_eq!(history.spans(), [(2.1, 2.0)], "it has none now");
    }

    #[test]
    fn a_set_lies_between_two_neighbours_among_those_received_by_then() {
        let mut history = history();
        for n in 1..=4_u32 {
            history.record(first(u64::from(n) * 10), at(f64::from(n)), at(f64::from(n)));
        }
        let place = |transactions, when| {
            let place = history.place(&first(transactions), at(when))?;
            Some([place.contained, place.lacking].map(|entry| entry.map_or(0.0, |entry| entry.received.as_secs_f64())))
        };
        assert_eq!(place(10, 0.9), None);
        assert_eq!(place(9, 9.0), Some([0.0, 1.0]));
        assert_eq!(place(29, 9.0), Some([2.0, 3.0]));
        assert_eq!(place(29, 2.5), Some([2.0, 0.0]));
        assert_eq!(place(99, 9.0), Some([4.0, 0.0]));
    }

    #[test]
    fn a_busy_hour_is_kept_to_a_thirty_second_of_each_lag_in_few_entries() {
        let mut history = history();
        for quarter in 1..=4 * 7200_u32 {
            let now = f64::from(quarter) / 4.0;
            history.record(first(u64::from(quarter)), at(now), at(now + 0.01));
            assert!(history.entries.len() < 900, "{}", history.entries.len());
            if quarter % 999 == 0 {
                let detailed =
                    history.entries.iter().filter(|entry| entry.received > at((now - 30.0).max(0.0))).count();
                assert!(detailed >= 120, "{detailed}");
                for pair in history.entries.iter().zip(history.entries.iter().skip(1)) {
                    let step = pair.1.received.saturating_sub(pair.0.complete).as_secs_f64();
                    let age = now - pair.1.received.as_secs_f64();
                    assert!(step < 0.27 || step <= age / 32.0, "{step} s at the age of {age} s");
                }
            }
        }
        assert!(history.spans()[0].0 <= 7200.0 - 3600.0);
        assert!(history.spans()[0].0 > 7200.0 - 3900.0);
    }

    #[test]
    fn entries_of_an_idle_server_are_not_thinned_out() {
        let mut history = history();
        history.record(first(1), at(0.0), at(0.0));
        for second in 1..=1200_u32 {
            history.record(first(2), at(f64::from(second)), at(f64::from(second)));
        }
        for second in 1201..=2400_u32 {
            history.record(first(u64::from(second)), at(f64::from(second)), at(f64::from(second)));
        }
        assert_eq!(history.spans()[..2], [(0.0, 0.0), (1.0, 1200.0)]);
    }

    #[test]
    fn sets_of_many_intervals_stay_within_the_memory_and_keep_the_reach() {
        let mut history = history();
        let gaps = (1..2000).map(|n| format!("{}:", 2 * n)).collect::<Vec<_>>().concat();
        for second in 1..=1000_u32 {
            let set = format!("{A}:{gaps}10000-{}", 10_000 + second).parse().unwrap();
            history.record(Arc::new(set), at(f64::from(second)), at(f64::from(second)));
            assert!(history.size <= SIZE_MAX);
            assert_eq!(history.size, history.entries.iter().map(|entry| entry.set.size()).sum::<usize>());
        }
        assert_eq!(history.spans()[0], (1.0, 1.0));
        assert!(history.entries.len() > 50);
    }
}
