//! Lag of a server behind the primary, and stale reads, from GTID sets, which any account may read.
//!
//! Frequent pod probes of the primary give a history of its sets. The lag of a replica is the age of the oldest
//! transaction that it lacks. That transaction was committed after the start of a probe whose answer lacks it, and
//! before the arrival of an answer that has it. The time between these two, the history's step at that place, bounds
//! the error of the age. No clock of another machine is read.
//!
//! The set of a read is judged as of the *start* of its probe: an answer of the primary that arrives while the probe is
//! in flight does not count against it.
//!
//! Sets only grow; this is an assumption. Extra transactions on a replica do no harm, and purging binary logs changes
//! nothing, since `gtid_executed` includes purged transactions. After `RESET BINARY LOGS AND GTIDS` on the primary the
//! history restarts; replicas with old transactions of the same numbers then look as if they had the new ones.

use std::{sync::Arc, time::Duration};

use super::{gtid::GtidSet, gtid_history::History};
use crate::model::base::Moment;

/// Maximum interval of the primary's pod probes, whatever `max_lag`.
const POLL_MAX: Duration = Duration::from_secs(1);

/// Minimum interval, whatever `max_lag`: each probe is a connection.
const POLL_MIN: Duration = Duration::from_millis(25);

/// A primary is lost after this many poll intervals without an answer.
const SILENT_AFTER: u32 = 8;

/// The primary's history, and what it shows about reads.
///
/// Every query returns `None` unless exactly one server was lately not read-only and has GTIDs.
#[derive(Debug)]
pub(super) struct Freshness {
    max_lag: Duration,
    /// Of the server `recorded`; kept while that server is not primary, in case it returns.
    history: History,
    /// `server_uuid` of the history's server; empty before the first.
    recorded: String,
    /// Servers that were not read-only in their last answer; some may be silent since.
    primaries: Vec<Primary>,
}

#[derive(Debug)]
struct Primary {
    server_uuid: String,
    /// `Moment::elapsed` of its last answer.
    last_answer: Duration,
}

/// Age of the oldest transaction of the primary that a server lacks; zero if it lacks none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    pub behind: Duration,
    /// The lag is at most this much more. `None`: the transaction is older than the history, so its age is unknown.
    pub resolution: Option<Duration>,
}

impl Freshness {
    /// Reads are stale from `max_lag` on.
    pub(super) fn new(max_lag: Duration) -> Self {
        Self { max_lag, history: History::new(max_lag), recorded: String::new(), primaries: Vec::new() }
    }

    /// A quarter of `max_lag`, between 25 ms and 1 s.
    pub(super) fn poll_interval(&self) -> Duration {
        (self.max_lag / 4).clamp(POLL_MIN, POLL_MAX)
    }

    /// The primary answered `set`; its probe started at `started`, and the answer arrived at `received`.
    ///
    /// Probes may overlap, but the calls must be in the order of `received`. A server without `gtid_mode = ON` has no
    /// set: what it shows stands still while its data changes.
    pub(super) fn primary_answered(&mut self, server_uuid: &str, set: Arc<GtidSet>, started: Moment, received: Moment) {
        let (last_answer, silent_after) = (received.elapsed, self.silent_after());
        self.primaries.retain(|primary| last_answer.saturating_sub(primary.last_answer) <= silent_after);
        match self.primaries.iter_mut().find(|primary| primary.server_uuid == server_uuid) {
            Some(primary) => primary.last_answer = primary.last_answer.max(last_answer),
            None => self.primaries.push(Primary { server_uuid: server_uuid.to_owned(), last_answer }),
        }
        if self.primaries.len() > 1 {
            return;
        }
        if self.recorded != server_uuid {
            server_uuid.clone_into(&mut self.recorded);
            self.history.clear();
        }
        self.history.record(set, started.elapsed, received.elapsed);
    }

    /// The server answered as a replica to a probe that started at `started`, so it is no longer the primary.
    pub(super) fn replica_answered(&mut self, server_uuid: &str, started: Moment) {
        // A probe that started before the last answer as primary may be older than that answer.
        self.primaries.retain(|primary| primary.server_uuid != server_uuid || started.elapsed < primary.last_answer);
    }

    /// Lag at `started`, the start of the probe that brought `set`.
    ///
    /// `None` if unknown: see [`Freshness`].
    pub(super) fn lag(&self, set: &GtidSet, started: Moment) -> Option<Lag> {
        let when = started.elapsed;
        if !self.is_known(when) {
            return None;
        }
        let place = self.history.place(set, when)?;
        let complete = place.contained.map(|entry| entry.complete);
        let missed = place.lacking.map_or(when, |entry| entry.received);
        Some(Lag {
            behind: when.saturating_sub(missed),
            resolution: complete.map(|complete| missed.saturating_sub(complete)),
        })
    }

    /// A read is stale if `set` lacks transactions received from the primary at least `max_lag` before its probe
    /// started at `started`.
    ///
    /// `None` if unknown: see [`Freshness`]; also if the primary did not answer around that time, since the read may
    /// then lack transactions that were not seen. A read that is not stale has everything that the primary had `max_lag`
    /// plus one step of the history before the probe; a step is at most eight poll intervals.
    pub(super) fn is_stale(&self, set: &GtidSet, started: Moment) -> Option<bool> {
        let when = started.elapsed;
        if !self.is_known(when) {
            return None;
        }
        let place = self.history.place(set, when)?;
        if place.lacking.is_some_and(|entry| entry.received.saturating_add(self.max_lag) <= when) {
            return Some(true);
        }
        let fresh_for = self.max_lag.saturating_add(self.silent_after());
        let fresh = place.contained.is_some_and(|entry| when <= entry.complete.saturating_add(fresh_for));
        fresh.then_some(false)
    }

    pub(super) fn knows(&self, when: Moment) -> bool {
        self.is_known(when.elapsed) && !self.history.is_empty()
    }

    /// True if exactly one server was primary at `when`, and the history is its own.
    fn is_known(&self, when: Duration) -> bool {
        let silent_after = self.silent_after();
        let mut live = self.primaries.iter().filter(|primary| when.saturating_sub(primary.last_answer) <= silent_after);
        live.next().is_some_and(|primary| primary.server_uuid == self.recorded) && live.next().is_none()
    }

    pub(super) fn silent_after(&self) -> Duration {
        self.poll_interval() * SILENT_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    const B: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(text: &str) -> Arc<GtidSet> {
        Arc::new(text.replace("A:", &format!("{A}:")).replace("B:", &format!("{B}:")).parse().unwrap())
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Polls every 0.25 s; reads are stale from 1 s on.
    fn freshness() -> Freshness {
        Freshness::new(seconds(1.0))
    }

    impl Freshness {
        fn answered(&mut self, text: &str, second: f64) {
            self.primary_answered(A, set(text), Moment::at(second - 0.01), Moment::at(second));
        }

        fn answered_throughout(&mut self, text: &str, from: u32, to: u32) {
            (4 * from..=4 * to).for_each(|quarter| self.answered(text, f64::from(quarter) / 4.0));
        }

        /// Lag, its resolution (-1: none), and staleness of a server that answers `text` to a probe started at
        /// `second`.
        fn judged(&self, text: &str, second: f64) -> (Option<(f64, f64)>, Option<bool>) {
            let (set, started) = (set(text), Moment::at(second));
            let numbers = |lag: Lag| (lag.behind.as_secs_f64(), lag.resolution.map_or(-1.0, |most| most.as_secs_f64()));
            (self.lag(&set, started).map(numbers), self.is_stale(&set, started))
        }
    }

    const UNKNOWN: (Option<(f64, f64)>, Option<bool>) = (None, None);

    #[test]
    fn the_poll_interval_is_a_quarter_of_max_lag() {
        for (max_lag, interval) in [(1.0, 0.25), (2.0, 0.5), (4.0, 1.0), (600.0, 1.0), (0.2, 0.05), (0.0, 0.025)] {
            assert_eq!(Freshness::new(seconds(max_lag)).poll_interval(), seconds(interval));
        }
        assert_eq!(Freshness::new(Duration::MAX).poll_interval(), seconds(1.0));
    }

    #[test]
    fn nothing_is_known_before_the_primary_answered() {
        let mut freshness = freshness();
        assert_eq!(freshness.judged("A:1", 5.0), UNKNOWN);
        freshness.answered("A:1-9", 10.0);
        assert_eq!(freshness.judged("A:1", 9.9), UNKNOWN);
    }

    #[test]
    fn nothing_lags_behind_a_primary_without_transactions() {
        let mut freshness = freshness();
        freshness.answered_throughout("", 1, 10);
        for text in ["", "A:1"] {
            assert_eq!(freshness.judged(text, 10.0), (Some((0.0, 0.01)), Some(false)), "{text}");
        }
        freshness.answered_throughout("A:1", 11, 20);
        assert_eq!(freshness.judged("", 20.0), (Some((9.0, 1.01)), Some(true)));
        assert_eq!(freshness.judged("A:1", 20.0), (Some((0.0, 0.01)), Some(false)));
    }

    #[test]
    fn a_complete_server_does_not_lag_behind_an_idle_primary() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9,B:1-3", 1, 5000);
        for text in ["A:1-9,B:1-3", "A:1-12,B:1-3", "A:1-9:errant:1,B:1-4"] {
            assert_eq!(freshness.judged(text, 5000.0), (Some((0.0, 0.01)), Some(false)), "{text}");
        }
    }

    #[test]
    fn the_lag_grows_from_when_the_first_missing_transaction_was_first_seen() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 1, 100);
        freshness.answered_throughout("A:1-10", 101, 200);
        freshness.answered("A:1-10:late:1", 200.25);
        for (second, stale) in [(101.0, false), (101.75, false), (102.0, true), (160.0, true), (200.5, true)] {
            let (lag, judged) = freshness.judged("A:1-9", second);
            let (behind, resolution) = lag.unwrap();
            assert_eq!(behind, second - 101.0);
            assert!((resolution - 1.01).abs() < 1e-9, "{resolution}");
            assert_eq!(judged, Some(stale), "{second}");
        }
        assert_eq!(freshness.judged("A:1-10", 200.5).0, Some((0.25, 0.26)));
    }

    #[test]
    fn a_set_older_than_the_history_lags_at_least_that_long() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 10, 15);
        assert_eq!(freshness.judged("A:1-8", 10.5), (Some((0.5, -1.0)), None));
        assert_eq!(freshness.judged("A:1-8", 15.0), (Some((5.0, -1.0)), Some(true)));
    }

    #[test]
    fn a_read_with_newer_transactions_than_required_is_fresh() {
        let mut freshness = freshness();
        freshness.answered("A:1-9", 10.0);
        assert_eq!(freshness.judged("A:1-9", 10.5).1, Some(false));
    }

    #[test]
    fn transactions_received_during_the_probe_do_not_count_as_lag() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 1, 10);
        freshness.answered("A:1-99", 10.25);
        assert_eq!(freshness.judged("A:1-9", 10.2), (Some((0.0, 0.21)), Some(false)));
    }

    #[test]
    fn a_tagged_transaction_is_missed_like_any_other() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9:tag:1", 1, 10);
        freshness.answered_throughout("A:1-9:tag:1-2", 11, 20);
        assert_eq!(freshness.judged("A:1-9:tag:1", 20.0).0, Some((9.0, 1.01)));
    }

    #[test]
    fn a_silent_primary_is_unknown_until_it_answers_and_its_history_continues() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 1, 10);
        assert_eq!(freshness.judged("A:1-9", 12.0).1, Some(false));
        assert_eq!(freshness.judged("A:1-9", 12.1), UNKNOWN);
        assert_eq!(freshness.judged("A:1-8", 12.1), UNKNOWN);
        freshness.answered("A:1-20", 18.0);
        assert_eq!(freshness.judged("A:1-9", 18.5), (Some((0.5, 8.01)), None));
        freshness.answered_throughout("A:1-20", 18, 20);
        assert_eq!(freshness.judged("A:1-9", 20.0), (Some((2.0, 8.01)), Some(true)));
    }

    #[test]
    fn nothing_is_known_while_two_servers_are_primary() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 1, 10);
        freshness.primary_answered(B, set("A:1-9,B:1"), Moment::at(10.0), Moment::at(10.1));
        freshness.answered("A:1-9", 10.25);
        assert_eq!(freshness.judged("A:1-9,B:1", 10.3), UNKNOWN);
        freshness.replica_answered(B, Moment::at(10.05));
        assert_eq!(freshness.judged("A:1-9", 10.3), UNKNOWN, "started before its first answer as primary");
        freshness.replica_answered(B, Moment::at(10.4));
        assert_eq!(freshness.judged("A:1-9", 10.5).1, Some(false));
        assert_eq!(freshness.judged("A:1-8", 10.5).0, Some((9.5, -1.0)));
        freshness.primary_answered(B, set("A:1-9,B:1"), Moment::at(10.5), Moment::at(10.6));
        freshness.replica_answered(A, Moment::at(10.6));
        assert_eq!(freshness.judged("A:1-9", 10.7), UNKNOWN, "the history is that of the other");
    }

    #[test]
    fn a_new_primary_begins_a_new_history() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 1, 10);
        freshness.replica_answered(A, Moment::at(10.1));
        assert_eq!(freshness.judged("A:1-9", 10.2), UNKNOWN);
        freshness.primary_answered(B, set("A:1-9,B:1"), Moment::at(10.3), Moment::at(10.4));
        assert_eq!(freshness.judged("A:1-9,B:1", 10.5), (Some((0.0, 0.2)), Some(false)));
        assert_eq!(freshness.judged("A:1-9", 10.5), (Some((0.1, -1.0)), None));
    }

    #[test]
    fn a_dead_primary_gives_way_after_its_silence() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 1, 10);
        for quarter in 42..=50_u32 {
            let second = f64::from(quarter) / 4.0;
            freshness.primary_answered(B, set("A:1-9,B:1"), Moment::at(second), Moment::at(second));
            let known = freshness.judged("A:1-9,B:1", second) != UNKNOWN;
            assert_eq!(known, second > 12.0, "{second}");
        }
    }

    #[test]
    fn a_primary_whose_binary_logs_were_reset_begins_a_new_history() {
        let mut freshness = freshness();
        freshness.answered_throughout("A:1-9", 1, 10);
        freshness.answered_throughout("A:1-2", 11, 12);
        assert_eq!(freshness.judged("A:1", 12.0).0, Some((1.0, -1.0)));
    }
}
