//! The clients of one replica, from readings of its status counters.
//!
//! Counters start again with the server. A reading that does not continue the one before it begins an epoch: nothing is
//! counted between the two. So a number is never negative, and never larger than what the server counted.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::model::{base::Moment, probe::ServerStatus};

/// The rate is that of the last minute.
const RATE_OVER: Duration = Duration::from_secs(60);

/// `Uptime` has whole seconds, and a reading takes time.
const UPTIME_SLACK: Duration = Duration::from_secs(3);

/// Weight of a reading that cannot come from the same server as the one before it, and the weight from which readings are
/// not believed. One step of a clock is no reason to doubt.
const STRANGE: u32 = 10;
const STRANGE_MAX: u32 = 10;

#[derive(Debug, Default)]
pub(crate) struct ClientCounters {
    last: Option<ServerStatus>,
    /// Why the last reading failed.
    failed: Option<Arc<str>>,
    /// The reading that began the epoch.
    first: Option<ServerStatus>,
    /// Of the epochs before.
    reads_before: u64,
    /// Of this epoch.
    reads: u64,
    /// Readings of this epoch with their `reads`, the last minute.
    recent: VecDeque<(Moment, u64)>,
    strange: u32,
}

impl ClientCounters {
    pub(crate) fn read(&mut self, reading: Result<ServerStatus, String>) {
        let status = match reading {
            Ok(status) => status,
            Err(why) => {
                self.failed = Some(why.into());
                return;
            }
        };
        // Readings of several probes may arrive in another order.
        if self.last.is_some_and(|last| last.at >= status.at) {
            return;
        }
        self.failed = None;
        let continues = self.last.is_some_and(|last| {
            let impossible = is_impossible(&last, &status);
            self.strange = if impossible { self.strange + STRANGE } else { self.strange.saturating_sub(1) };
            self.strange = self.strange.min(2 * STRANGE_MAX);
            !impossible && !has_restarted(&last, &status)
        });
        if !continues {
            self.reads_before += std::mem::take(&mut self.reads);
            self.recent.clear();
            self.first = Some(status);
        }
        if let Some(first) = self.first {
            let own = status.own_selects.saturating_sub(first.own_selects);
            let reads = (status.selects - first.selects).saturating_sub(own);
            // Identity queries that are under way may be counted on one side only.
            self.reads = self.reads.max(reads);
        }
        self.recent.push_back((status.at, self.reads));
        while self.recent.get(1).is_some_and(|(at, _)| status.at.since(*at) >= RATE_OVER) {
            self.recent.pop_front();
        }
        self.last = Some(status);
    }

    /// The last reading, if it is to be believed. An error says why there is none; it is empty before the first reading.
    pub(crate) fn reading(&self) -> Result<&ServerStatus, Arc<str>> {
        if let Some(why) = &self.failed {
            return Err(Arc::clone(why));
        }
        if self.strange > STRANGE_MAX {
            return Err("they change between several servers, as behind a proxy".into());
        }
        self.last.as_ref().ok_or_else(|| "".into())
    }

    /// Client reads since the first reading; it never falls.
    pub(crate) fn reads(&self) -> Option<u64> {
        self.last.map(|_| self.reads_before + self.reads)
    }

    pub(crate) fn reads_per_second(&self) -> Option<f64> {
        let (&(from, before), &(to, reads)) = (self.recent.front()?, self.recent.back()?);
        #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
        (to > from).then(|| (reads - before) as f64 / to.since(from).as_secs_f64())
    }

    /// Takes over the counts of the same server under its earlier name.
    pub(crate) fn absorb(&mut self, earlier: Self) {
        if self.last.is_none() && self.failed.is_none() {
            *self = earlier;
        }
    }
}

/// Client connections of a reading.
pub(super) fn connections(status: &ServerStatus) -> u64 {
    status.connections.saturating_sub(status.own_connections)
}

/// Whether the server has been up for longer than it can have been, or its counters fell although it was up all the time:
/// another server answered, or the server's clock was set.
fn is_impossible(last: &ServerStatus, status: &ServerStatus) -> bool {
    let elapsed = status.at.since(last.at);
    let slack = UPTIME_SLACK + elapsed / 100;
    let fell = status.uptime + UPTIME_SLACK < last.uptime || status.selects < last.selects;
    status.uptime > last.uptime + elapsed + slack || fell && status.uptime > elapsed + slack
}

fn has_restarted(last: &ServerStatus, status: &ServerStatus) -> bool {
    let elapsed = status.at.since(last.at);
    let is_younger =
        status.uptime < last.uptime || status.uptime + UPTIME_SLACK + elapsed / 100 < last.uptime + elapsed;
    // Also readscope's own count starts again when it has met too many servers.
    is_younger || status.selects < last.selects || status.own_selects < last.own_selects
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(second: f64, uptime: u64, selects: u64, own_selects: u64) -> ServerStatus {
        ServerStatus {
            at: Moment::at(second),
            connections: 5,
            selects,
            uptime: Duration::from_secs(uptime),
            own_connections: 1,
            own_selects,
        }
    }

    fn after(readings: impl IntoIterator<Item = ServerStatus>) -> ClientCounters {
        let mut counters = ClientCounters::default();
        readings.into_iter().for_each(|reading| counters.read(Ok(reading)));
        counters
    }

    #[test]
    fn reads_are_the_increase_without_what_readscope_sent() {
        let counters = after(
            (0..=12_u32)
                .map(|n| status(f64::from(n) * 10.0, 1000 + 10 * u64::from(n), 500 * u64::from(n), 20 * u64::from(n))),
        );
        assert_eq!(counters.reads(), Some(12 * 480));
        assert_eq!(counters.reads_per_second(), Some(48.0));
        assert_eq!(connections(counters.reading().unwrap()), 4);
    }

    #[test]
    fn one_reading_has_no_rate() {
        let counters = after([status(1.0, 7, 1_000_000, 3)]);
        assert_eq!((counters.reads(), counters.reads_per_second()), (Some(0), None));
        let none = ClientCounters::default();
        assert_eq!((none.reads(), none.reads_per_second(), none.reading()), (None, None, Err("".into())));
    }

    #[test]
    fn a_restart_begins_again_and_keeps_the_count() {
        let before = [status(0.0, 1000, 0, 0), status(10.0, 1010, 200, 0)];
        // Also a server that had only just started, and more statements than before the restart.
        for (uptime, selects) in [(4, 100), (4, 5000)] {
            let mut counters = after(before);
            counters.read(Ok(status(20.0, uptime, selects, 0)));
            assert_eq!((counters.reads(), counters.reads_per_second()), (Some(200), None));
            counters.read(Ok(status(30.0, uptime + 10, selects + 50, 0)));
            assert_eq!((counters.reads(), counters.reads_per_second()), (Some(250), Some(5.0)));
        }
        let again = after([status(0.0, 3, 10, 0), status(100.0, 20, 5000, 0)]);
        assert_eq!(again.reads(), Some(0), "it restarted between the two readings");
        assert!(again.reading().is_ok());
    }

    #[test]
    fn a_failed_reading_leaves_a_gap_and_no_error_in_the_count() {
        let mut counters = after([status(0.0, 1000, 0, 0)]);
        counters.read(Err("refused".to_owned()));
        assert_eq!(counters.reading(), Err("refused".into()));
        counters.read(Ok(status(20.0, 1020, 100, 0)));
        assert_eq!((counters.reads(), counters.reads_per_second()), (Some(100), Some(5.0)));
    }

    #[test]
    fn a_late_reading_is_ignored() {
        let counters = after([status(10.0, 1010, 100, 0), status(9.0, 1009, 90, 0), status(20.0, 1020, 150, 0)]);
        assert_eq!(counters.reads(), Some(50));
    }

    #[test]
    fn readings_of_several_servers_in_turn_are_not_believed() {
        let turn = |n: u32| {
            let (uptime, selects) = if n.is_multiple_of(2) { (1000, 10) } else { (50_000, 9_000_000) };
            status(f64::from(n) * 10.0, uptime + 10 * u64::from(n), selects, 0)
        };
        let counters = after((0..6).map(turn));
        assert_eq!(counters.reads(), Some(0));
        assert_eq!(counters.reading().unwrap_err(), "they change between several servers, as behind a proxy".into());
    }

    #[test]
    fn a_clock_that_is_set_once_begins_again() {
        for step in [-500_i64, 500] {
            let later = u64::try_from(10_010 + step).unwrap();
            let counters =
                after([status(0.0, 10_000, 0, 0), status(10.0, later, 100, 0), status(20.0, later + 10, 200, 0)]);
            assert_eq!((counters.reads(), counters.reading().is_ok()), (Some(100), true), "{step}");
        }
    }

    /// What happens between two readings.
    #[derive(Clone, Debug)]
    enum Step {
        Serves { seconds: u64, clients: u64, own: u64 },
        Restarts { after: u64, clients: u64 },
        Fails,
        Forgets,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (1..120_u64, 0..10_000_u64, 0..100_u64)
                .prop_map(|(seconds, clients, own)| Step::Serves { seconds, clients, own }),
            2 => (0..60_u64, 0..10_000_u64).prop_map(|(after, clients)| Step::Restarts { after, clients }),
            1 => Just(Step::Fails),
            1 => Just(Step::Forgets),
        ]
    }

    proptest! {
        /// Whatever happens to the server and to the readings.
        #[test]
        fn counts_never_fall_and_never_exceed_what_the_server_counted(steps in proptest::collection::vec(step(), 1..40)) {
            let mut counters = ClientCounters::default();
            let (mut second, mut uptime, mut selects, mut own) = (100_u64, 5_000_u64, 1_000_u64, 7_u64);
            let mut served = 0;
            let mut before = 0;
            for step in steps {
                match step {
                    Step::Serves { seconds, clients, own: sent } => {
                        (second, uptime) = (second + seconds, uptime + seconds);
                        selects += clients + sent;
                        own += sent;
                        served += clients;
                    }
                    Step::Restarts { after, clients } => {
                        (second, uptime, selects) = (second + after + 1, after, clients);
                        served += clients;
                    }
                    Step::Fails => {
                        counters.read(Err("refused".to_owned()));
                        continue;
                    }
                    Step::Forgets => {
                        own = 0;
                        second += 1;
                        uptime += 1;
                    }
                }
                #[expect(clippy::cast_precision_loss)]
                counters.read(Ok(status(second as f64, uptime, selects, own)));
                let reads = counters.reads().unwrap();
                prop_assert!(reads >= before && reads <= served, "{} {} {}", before, reads, served);
                before = reads;
                let rate = counters.reads_per_second().unwrap_or(0.0);
                prop_assert!((0.0..=10_000.0).contains(&rate), "{}", rate);
            }
        }
    }
}
