//! How far a server is behind the primary, and which answers are stale: from GTID sets, which any account may read.
//!
//! The primary is asked directly and often; what it answered is a history of sets. A replica lags by the age of the
//! oldest transaction that it lacks. That transaction came into being after an answer of the primary without it was
//! asked for, and before an answer with it was received, so its age is known to the time between those two, the
//! history's step at that place. Nothing is read from a clock of another machine.
//!
//! The set of a sample's answer is judged as of the moment when the sample *began*: an answer of the primary that came
//! in while the sample was under way is not held against it.
//!
//! What only gains transactions is taken for granted: extra ones on a replica do no harm, and purging binary logs
//! changes nothing, as `gtid_executed` includes what was purged. After `RESET BINARY LOGS AND GTIDS` on the primary the
//! history begins anew; replicas that still have the old transactions of the same numbers look as if they had the new
//! ones.

use std::{sync::Arc, time::Duration};

use super::{gtid::GtidSet, gtid_history::History};
use crate::model::base::Moment;

/// The primary is asked at least so often, however long the lag that is allowed.
const POLL_MAX: Duration = Duration::from_secs(1);

/// And never more often, however short it is: each time is a connection.
const POLL_MIN: Duration = Duration::from_millis(25);

/// A primary that has not answered for so many poll intervals is none.
const SILENT_AFTER: u32 = 8;

/// What the primary had when, and what follows from it for the answers of the others.
///
/// Nothing is known, and every question is answered with `None`, unless exactly one server said lately that it is not
/// read-only, and it has transactions with a GTID.
#[derive(Debug)]
pub struct Freshness {
    max_lag: Duration,
    /// Of the server `recorded`; kept while another one or none is primary, for the case that it comes back.
    history: History,
    /// The `server_uuid` of the server that the history is of; empty before the first.
    recorded: String,
    /// The servers that said they are not read-only and did not take it back; some may have fallen silent since.
    primaries: Vec<Primary>,
}

/// A server that said it is not read-only.
#[derive(Debug)]
struct Primary {
    server_uuid: String,
    /// `Moment::elapsed` of the last answer that said so.
    heard: Duration,
}

/// The age of the oldest transaction of the primary that a server lacks; zero if it lacks none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// The lag is at least this.
    pub behind: Duration,
    /// The lag is at most this much more. `None`: that transaction is older than the history, and nobody knows how old.
    pub resolution: Option<Duration>,
}

impl Freshness {
    /// Nothing is known yet; answers will be stale from `max_lag` on.
    #[must_use]
    pub fn new(max_lag: Duration) -> Self {
        Self { max_lag, history: History::new(max_lag), recorded: String::new(), primaries: Vec::new() }
    }

    /// How often the primary should be asked: every quarter of the lag that is allowed, at least once a second, but not
    /// more than 40 times a second. After eight intervals without an answer nothing is known.
    #[must_use]
    pub fn poll_interval(&self) -> Duration {
        (self.max_lag / 4).clamp(POLL_MIN, POLL_MAX)
    }

    /// A server answered that it is not read-only and has executed `set`; the sample was begun at `asked`, and its
    /// answer `received`.
    ///
    /// Answers may overlap in time, but are to be told in the order in which they were received. Of a server without
    /// `gtid_mode = ON`, whose set stands still while its data changes, tell the empty set: then nothing is known.
    pub fn primary_answered(&mut self, server_uuid: &str, set: Arc<GtidSet>, asked: Moment, received: Moment) {
        let (heard, silent_after) = (received.elapsed, self.silent_after());
        self.primaries.retain(|primary| heard.saturating_sub(primary.heard) <= silent_after);
        match self.primaries.iter_mut().find(|primary| primary.server_uuid == server_uuid) {
            Some(primary) => primary.heard = primary.heard.max(heard),
            None => self.primaries.push(Primary { server_uuid: server_uuid.to_owned(), heard }),
        }
        if self.primaries.len() > 1 {
            return;
        }
        if self.recorded != server_uuid {
            server_uuid.clone_into(&mut self.recorded);
            self.history.clear();
        }
        self.history.record(set, asked.elapsed, received.elapsed);
    }

    /// A server answered that it is read-only, to a sample that was begun at `asked`: it is no longer the primary.
    pub fn replica_answered(&mut self, server_uuid: &str, asked: Moment) {
        // A sample that began before the server was last heard as the primary may have been answered before that.
        self.primaries.retain(|primary| primary.server_uuid != server_uuid || asked.elapsed < primary.heard);
    }

    /// How far behind the primary a server with `set` was at the moment `asked`, when the sample began that brought it.
    ///
    /// `None` when that is unknown: see [`Freshness`].
    #[must_use]
    pub fn lag(&self, set: &GtidSet, asked: Moment) -> Option<Lag> {
        let when = asked.elapsed;
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

    /// Whether an answer with `set` was stale: lacked what had been received from the primary by `max_lag` before the
    /// sample began, at `asked`.
    ///
    /// `None` when that is unknown: see [`Freshness`]; also when the primary was not heard around that time, so that
    /// the answer may lack what nobody saw. An answer that is not stale has everything that the primary had `max_lag`
    /// and one step of the history before the sample, and that step is never longer than eight poll intervals.
    #[must_use]
    pub fn is_stale(&self, set: &GtidSet, asked: Moment) -> Option<bool> {
        let when = asked.elapsed;
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

    /// Whether questions about that moment are answered.
    #[must_use]
    pub(crate) fn knows(&self, when: Moment) -> bool {
        self.is_known(when.elapsed) && !self.history.is_empty()
    }

    /// Whether at that time exactly one server was primary, and the history is its own.
    fn is_known(&self, when: Duration) -> bool {
        let silent_after = self.silent_after();
        let mut heard = self.primaries.iter().filter(|primary| when.saturating_sub(primary.heard) <= silent_after);
        heard.next().is_some_and(|primary| primary.server_uuid == self.recorded) && heard.next().is_none()
    }

    /// A primary that has not answered for so long is none.
    pub(crate) fn silent_after(&self) -> Duration {
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

    /// Asked every quarter of a second; stale from one second on.
    fn freshness() -> Freshness {
        Freshness::new(seconds(1.0))
    }

    impl Freshness {
        /// The primary A answers at `second`, after 10 ms.
        fn told(&mut self, text: &str, second: f64) {
            self.primary_answered(A, set(text), Moment::at(second - 0.01), Moment::at(second));
        }

        fn told_throughout(&mut self, text: &str, from: u32, to: u32) {
            (4 * from..=4 * to).for_each(|quarter| self.told(text, f64::from(quarter) / 4.0));
        }

        /// What is known of a server that answers `text` to a sample begun at `second`: lag, its resolution (-1: at
        /// least), whether the answer is stale.
        fn judged(&self, text: &str, second: f64) -> (Option<(f64, f64)>, Option<bool>) {
            let (set, asked) = (set(text), Moment::at(second));
            let told = |lag: Lag| (lag.behind.as_secs_f64(), lag.resolution.map_or(-1.0, |most| most.as_secs_f64()));
            (self.lag(&set, asked).map(told), self.is_stale(&set, asked))
        }
    }

    const UNKNOWN: (Option<(f64, f64)>, Option<bool>) = (None, None);

    #[test]
    fn the_primary_is_asked_every_quarter_of_the_lag_that_is_allowed() {
        for (max_lag, interval) in [(1.0, 0.25), (2.0, 0.5), (4.0, 1.0), (600.0, 1.0), (0.2, 0.05), (0.0, 0.025)] {
            assert_eq!(Freshness::new(seconds(max_lag)).poll_interval(), seconds(interval));
        }
        assert_eq!(Freshness::new(Duration::MAX).poll_interval(), seconds(1.0));
    }

    #[test]
    fn nothing_is_known_before_the_primary_answered() {
        let mut freshness = freshness();
        assert_eq!(freshness.judged("A:1", 5.0), UNKNOWN);
        freshness.told("A:1-9", 10.0);
        assert_eq!(freshness.judged("A:1", 9.9), UNKNOWN);
    }

    #[test]
    fn nothing_is_known_of_a_primary_without_transactions() {
        let mut freshness = freshness();
        freshness.told_throughout("", 1, 10);
        assert_eq!(freshness.judged("", 10.0), UNKNOWN);
        assert_eq!(freshness.judged("A:1", 10.0), UNKNOWN);
    }

    #[test]
    fn a_server_that_lacks_nothing_does_not_lag_however_long_the_primary_is_idle() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9,B:1-3", 1, 5000);
        for text in ["A:1-9,B:1-3", "A:1-12,B:1-3", "A:1-9:errant:1,B:1-4"] {
            assert_eq!(freshness.judged(text, 5000.0), (Some((0.0, 0.01)), Some(false)), "{text}");
        }
    }

    #[test]
    fn the_lag_grows_from_when_the_first_missing_transaction_was_first_seen() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9", 1, 100);
        freshness.told_throughout("A:1-10", 101, 200);
        freshness.told("A:1-10:late:1", 200.25);
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
    fn what_is_older_than_the_history_lags_at_least_as_long_as_that() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9", 10, 15);
        assert_eq!(freshness.judged("A:1-8", 10.5), (Some((0.5, -1.0)), None));
        assert_eq!(freshness.judged("A:1-8", 15.0), (Some((5.0, -1.0)), Some(true)));
    }

    #[test]
    fn an_answer_is_fresh_when_it_has_what_the_primary_had_later_than_it_must() {
        let mut freshness = freshness();
        freshness.told("A:1-9", 10.0);
        assert_eq!(freshness.judged("A:1-9", 10.5).1, Some(false));
    }

    #[test]
    fn what_came_in_while_the_sample_was_under_way_is_not_held_against_it() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9", 1, 10);
        freshness.told("A:1-99", 10.25);
        assert_eq!(freshness.judged("A:1-9", 10.2), (Some((0.0, 0.21)), Some(false)));
    }

    #[test]
    fn a_tagged_transaction_is_missed_like_any_other() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9:tag:1", 1, 10);
        freshness.told_throughout("A:1-9:tag:1-2", 11, 20);
        assert_eq!(freshness.judged("A:1-9:tag:1", 20.0).0, Some((9.0, 1.01)));
    }

    #[test]
    fn a_silent_primary_is_none_until_it_answers_again_and_then_its_history_goes_on() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9", 1, 10);
        assert_eq!(freshness.judged("A:1-9", 12.0).1, Some(false));
        assert_eq!(freshness.judged("A:1-9", 12.1), UNKNOWN);
        assert_eq!(freshness.judged("A:1-8", 12.1), UNKNOWN);
        freshness.told("A:1-20", 18.0);
        assert_eq!(freshness.judged("A:1-9", 18.5), (Some((0.5, 8.01)), None));
        freshness.told_throughout("A:1-20", 18, 20);
        assert_eq!(freshness.judged("A:1-9", 20.0), (Some((2.0, 8.01)), Some(true)));
    }

    #[test]
    fn nothing_is_known_while_two_servers_are_primary() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9", 1, 10);
        freshness.primary_answered(B, set("A:1-9,B:1"), Moment::at(10.0), Moment::at(10.1));
        freshness.told("A:1-9", 10.25);
        assert_eq!(freshness.judged("A:1-9,B:1", 10.3), UNKNOWN);
        freshness.replica_answered(B, Moment::at(10.05));
        assert_eq!(freshness.judged("A:1-9", 10.3), UNKNOWN, "asked before it was heard as the primary");
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
        freshness.told_throughout("A:1-9", 1, 10);
        freshness.replica_answered(A, Moment::at(10.1));
        assert_eq!(freshness.judged("A:1-9", 10.2), UNKNOWN);
        freshness.primary_answered(B, set("A:1-9,B:1"), Moment::at(10.3), Moment::at(10.4));
        assert_eq!(freshness.judged("A:1-9,B:1", 10.5), (Some((0.0, 0.2)), Some(false)));
        assert_eq!(freshness.judged("A:1-9", 10.5), (Some((0.1, -1.0)), None));
    }

    #[test]
    fn a_primary_that_died_gives_way_when_it_has_been_silent() {
        let mut freshness = freshness();
        freshness.told_throughout("A:1-9", 1, 10);
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
        freshness.told_throughout("A:1-9", 1, 10);
        freshness.told_throughout("A:1-2", 11, 12);
        assert_eq!(freshness.judged("A:1", 12.0).0, Some((1.0, -1.0)));
    }
}
