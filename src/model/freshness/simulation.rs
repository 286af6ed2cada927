//! A simulated primary and replica, whose true lag is known, against the results of [`Freshness`].

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{freshness::Freshness, gtid::GtidSet};
use crate::model::base::Moment;

const PRIMARY: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const MAX_LAG: Duration = Duration::from_secs(1);
const MAX_LAG_MS: u64 = 1000;
const INTERVAL_MS: u64 = 250;

/// Times are in milliseconds.
#[derive(Clone, Debug)]
struct Transaction {
    committed: u64,
    applied: u64,
}

/// A probe and its answer, true at `answered`.
#[derive(Clone, Debug)]
struct Exchange {
    started: u64,
    answered: u64,
    received: u64,
}

#[derive(Clone, Debug)]
struct Run {
    transactions: Vec<Transaction>,
    /// Of the primary, in the order of arrival.
    polls: Vec<Exchange>,
    probes: Vec<Exchange>,
}

fn moment(ms: u64) -> Moment {
    let elapsed = Duration::from_millis(ms);
    Moment { elapsed, wall: Timestamp::UNIX_EPOCH + SignedDuration::try_from(elapsed).unwrap() }
}

fn numbers(has: impl Iterator<Item = bool>, also: &str) -> GtidSet {
    let numbers = (1..).zip(has).filter(|(_, has)| *has).map(|(number, _): (u32, _)| format!(":{number}"));
    format!("{PRIMARY}{}{also}", numbers.collect::<Vec<_>>().concat()).parse().unwrap()
}

impl Run {
    fn of_primary(&self, poll: &Exchange) -> Arc<GtidSet> {
        Arc::new(numbers(self.transactions.iter().map(|one| one.committed <= poll.answered), ""))
    }

    /// Includes a transaction of the replica's own, which does no harm.
    fn of_replica(&self, probe: &Exchange) -> GtidSet {
        numbers(self.transactions.iter().map(|one| one.applied <= probe.answered), ":errant:1")
    }

    /// Age of the oldest missing transaction at the start of the probe.
    fn true_lag(&self, probe: &Exchange) -> Duration {
        let missing = self.transactions.iter().find(|one| one.applied > probe.answered);
        Duration::from_millis(missing.map_or(0, |one| probe.started.saturating_sub(one.committed)))
    }

    /// The contract's own words, on every answer of the primary.
    fn lacks_what_was_received_by(&self, deadline: Option<u64>, probe: &Exchange) -> bool {
        let known = self.polls.iter().filter(|poll| deadline.is_some_and(|deadline| poll.received <= deadline));
        let known_until = known.map(|poll| poll.answered).max().unwrap_or(0);
        self.transactions.iter().any(|one| one.committed <= known_until && one.applied > probe.answered)
    }

    fn judge(&self, mut each: impl FnMut(&Freshness, &Exchange, &GtidSet)) {
        let mut freshness = Freshness::new(MAX_LAG);
        let mut polls = self.polls.iter().peekable();
        for probe in &self.probes {
            while let Some(poll) = polls.next_if(|poll| poll.received <= probe.received) {
                freshness.primary_answered(PRIMARY, self.of_primary(poll), moment(poll.started), moment(poll.received));
            }
            each(&freshness, probe, &self.of_replica(probe));
        }
    }
}

fn exchange(started: u64, took: u64, part: u64) -> Exchange {
    Exchange { started, answered: started + took * part / 100, received: started + took }
}

prop_compose! {
    /// Polls take up to `poll_ms` and may overlap; `lost` percent get no answer.
    fn runs(poll_ms: u64, lost: u64)(
        gaps in prop::collection::vec(prop_oneof![8 => 0..400_u64, 1 => 400..9000_u64], 1..120),
        delay in 0..7000_u64,
        jitters in prop::collection::vec(0..600_u64, 120),
        stopped in prop_oneof![Just(u64::MAX), 1000..30_000_u64],
        polls in prop::collection::vec((0..60_u64, 1..=poll_ms, 0..=100_u64, 0..100_u64), 160),
        probes in prop::collection::vec((0..40_000_u64, 0..900_u64, 0..=100_u64), 40),
    ) -> Run {
        let committed = gaps.iter().scan(100, |at, gap| { *at += gap; Some(*at) });
        let transactions = committed.zip(jitters).map(|(committed, jitter)| {
            let applied = committed + delay + jitter;
            Transaction { committed, applied: if applied < stopped { applied } else { u64::MAX } }
        });
        let polls = (1..).zip(polls).filter(|(_, poll)| poll.3 >= lost);
        let polls = polls.map(|(nth, (jitter, took, part, _))| exchange(nth * INTERVAL_MS + jitter, took, part));
        let (transactions, mut polls): (Vec<_>, Vec<_>) = (transactions.collect(), polls.collect());
        let mut probes: Vec<_> = probes.into_iter().map(|(at, took, part)| exchange(at, took, part)).collect();
        polls.sort_by_key(|poll| poll.received);
        probes.sort_by_key(|probe| probe.received);
        Run { transactions, polls, probes }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn results_are_true_for_slow_overlapping_and_lost_polls(run in runs(1500, 30)) {
        let mut wrong = Vec::new();
        run.judge(|freshness, probe, set| {
            let (started, truth) = (moment(probe.started), run.true_lag(probe));
            if let Some(lag) = freshness.lag(set, started) {
                let most = lag.resolution.map_or(Duration::MAX, |resolution| lag.behind + resolution);
                if truth < lag.behind || truth > most {
                    wrong.push(format!("{probe:?}: {lag:?}, in truth {truth:?}"));
                }
            }
            let literally = run.lacks_what_was_received_by(probe.started.checked_sub(MAX_LAG_MS), probe);
            match freshness.is_stale(set, started) {
                Some(stale) if stale != literally => wrong.push(format!("{probe:?}: stale is {stale}")),
                Some(false) if truth > MAX_LAG + freshness.poll_interval() * 8 => {
                    wrong.push(format!("{probe:?}: called fresh, in truth {truth:?} behind"));
                }
                _ => {}
            }
        });
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn prompt_polls_give_results_within_one_step(run in runs(20, 0)) {
        // From the start of one poll to the end of the next.
        let step = Duration::from_millis(INTERVAL_MS + 60 + 20);
        // The first transaction commits 0.1 s to 9.1 s after the start.
        let begun = run.transactions[0].committed + INTERVAL_MS + 60 + 20;
        let mut wrong = Vec::new();
        run.judge(|freshness, probe, set| {
            if probe.started < begun {
                return;
            }
            let started = moment(probe.started);
            let resolution = freshness.lag(set, started).map(|lag| lag.resolution);
            match resolution {
                Some(Some(resolution)) if resolution <= step => {}
                // The replica's transactions were never the primary's whole set.
                Some(None) => {}
                _ => wrong.push(format!("{probe:?}: resolution {resolution:?}")),
            }
            if probe.started > begun + MAX_LAG_MS && freshness.is_stale(set, started).is_none() {
                wrong.push(format!("{probe:?}: unknown"));
            }
        });
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn first(transactions: u64) -> Arc<GtidSet> {
    Arc::new(format!("{PRIMARY}:1-{transactions}").parse().unwrap())
}

/// A primary that commits every 10 ms, polled on time for `seconds`; each poll takes 4 ms.
fn busy(seconds: u64) -> Freshness {
    let mut freshness = Freshness::new(MAX_LAG);
    for started in (INTERVAL_MS..=seconds * 1000).step_by(250) {
        freshness.primary_answered(PRIMARY, first((started + 2) / 10), moment(started), moment(started + 4));
    }
    freshness
}

#[test]
fn a_source_delay_of_five_seconds_is_found_to_one_step() {
    let freshness = busy(60);
    for started in 30_000..31_000 {
        let lag = freshness.lag(&first((started - 5000) / 10), moment(started)).unwrap();
        assert!(lag.behind <= Duration::from_secs(5) && lag.behind > Duration::from_millis(4700), "{lag:?}");
        assert!(lag.resolution.unwrap() <= Duration::from_millis(254), "{lag:?}");
    }
}

#[test]
fn a_replica_that_stopped_lags_by_the_time_since_then_up_to_an_hour() {
    let freshness = busy(7200);
    let now = 7200 * 1000;
    for ago in (1..=60).map(|minute| minute * 60_000) {
        let lag = freshness.lag(&first((now - ago) / 10), moment(now)).unwrap();
        // The first missing transaction came up to 10 ms later.
        let truth = Duration::from_millis(ago - 10);
        let resolution = lag.resolution.unwrap();
        assert!(lag.behind <= truth && truth <= lag.behind + resolution, "{ago} ms: {lag:?}");
        assert!(resolution <= lag.behind / 31, "{ago} ms: {lag:?}");
    }
    let lag = freshness.lag(&first(100), moment(now)).unwrap();
    assert!(lag.behind > Duration::from_secs(3600) && lag.resolution.is_none(), "{lag:?}");
}
