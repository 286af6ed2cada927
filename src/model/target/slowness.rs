//! Which replica is slow: its reads take several times as long as those of the others at the same time.
//!
//! A read of a replica is long if it takes several times the median of the latest reads of the others. The rule counts
//! long reads by a sequential test (CUSUM, the maximum of the likelihood ratios since any start). Its hypothesis is that
//! a read of this replica is long with the same probability as a read of the others, estimated from the same latest
//! reads and at least [`LONG_MIN`]; the alternative is [`LONG_IF_SLOW`]. The mean number of a replica's reads between
//! false alarms is then at least e^[`ALARM`] (Lorden, 1971), whatever the distribution of durations is. A slowdown of all
//! replicas makes the reads of the others long too, and raises their median before [`OTHERS_MAX`] of them were read. A
//! short pause of one replica ends before [`LASTS`].

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use crate::model::base::{HumanDuration, Moment};

/// Reads of a target that are kept.
const LATEST: usize = 40;

/// Reads of others that a read is compared with. Few, so that they soon follow a change of all replicas.
const OTHERS_MAX: usize = 12;

/// With fewer, nothing is compared.
const OTHERS_MIN: usize = 8;

/// A long read takes at least this multiple of the others' median, and this much longer.
const TIMES: u32 = 4;
const LONGER: Duration = Duration::from_millis(20);

const LONG_MIN: f64 = 0.1;
const LONG_IF_SLOW: f64 = 0.9;

/// 10 long reads in a row while the others have none.
const ALARM: f64 = 21.9;

/// An alarm ends at 0, which 12 reads that are not long reach from here.
const SCORE_MAX: f64 = 26.0;

/// A replica is slow from here on.
const LASTS: Duration = Duration::from_secs(15);

/// Without reads for so long, nothing is known.
const FORGET_AFTER: Duration = Duration::from_secs(300);

const OWN: usize = 9;

/// The latest reads of a target.
#[derive(Debug, Default)]
pub(crate) struct LatestReads {
    /// Newest last, at most [`LATEST`].
    reads: VecDeque<(Arc<str>, Duration)>,
    /// Of all replicas since the start.
    count: usize,
}

/// The reads of one replica, compared with those of the others.
#[derive(Clone, Debug)]
pub(crate) struct Slowness {
    /// The latest durations, as a ring.
    own: [Duration; OWN],
    reads: usize,
    score: f64,
    /// The first of the long reads behind the score.
    since: Moment,
    /// Number of reads of others before it.
    others_before: usize,
    last: Moment,
    /// Median of the others at the last read.
    others: Duration,
    slow: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slow {
    pub(crate) since: Moment,
    /// Of its latest reads.
    pub(crate) median: Duration,
    /// Of the latest reads of the other replicas.
    pub(crate) others: Duration,
}

impl LatestReads {
    pub(crate) fn push(&mut self, replica: &Arc<str>, duration: Duration) {
        if self.reads.len() == LATEST {
            self.reads.pop_front();
        }
        self.reads.push_back((Arc::clone(replica), duration));
        self.count += 1;
    }

    /// Median of the other replicas' reads, and the probability of a long one.
    #[expect(clippy::cast_precision_loss, reason = "at most OTHERS_MAX")]
    fn others(&self, replica: &str) -> Option<(Duration, f64)> {
        let (mut all, mut count) = ([Duration::ZERO; OTHERS_MAX], 0);
        let newest = self.reads.iter().rev().filter(|(name, _)| **name != *replica);
        for ((_, duration), place) in newest.zip(&mut all) {
            *place = *duration;
            count += 1;
        }
        let others = &mut all[..count];
        let median = (count >= OTHERS_MIN).then(|| median(others))?;
        let long = others.iter().filter(|duration| is_long(**duration, median)).count();
        // Two more of each kind: the estimate errs towards one half.
        Some((median, ((long + 2) as f64 / (count + 4) as f64).max(LONG_MIN)))
    }
}

fn median(durations: &mut [Duration]) -> Duration {
    let middle = durations.len() / 2;
    *durations.select_nth_unstable(middle).1
}

fn is_long(duration: Duration, others: Duration) -> bool {
    duration >= others * TIMES && duration >= others + LONGER
}

impl Default for Slowness {
    fn default() -> Self {
        let (own, others) = ([Duration::ZERO; OWN], Duration::ZERO);
        let (since, last) = (Moment::START, Moment::START);
        Self { own, reads: 0, score: 0.0, since, others_before: 0, last, others, slow: false }
    }
}

impl Slowness {
    /// `latest` has the reads before this one.
    pub(crate) fn observe(&mut self, replica: &str, duration: Duration, latest: &LatestReads, now: Moment) {
        if now.since(self.last) >= FORGET_AFTER {
            *self = Self::default();
        }
        self.last = now;
        let others_now = latest.count.saturating_sub(self.reads);
        self.own[self.reads % OWN] = duration;
        self.reads += 1;
        let Some((others, chance)) = latest.others(replica) else { return };
        self.others = others;
        let before = self.score;
        let gain = if is_long(duration, others) {
            (LONG_IF_SLOW / chance).ln()
        } else {
            ((1.0 - LONG_IF_SLOW) / (1.0 - chance)).ln()
        };
        self.score = (before + gain).clamp(0.0, SCORE_MAX);
        if before <= 0.0 {
            self.since = now;
            self.others_before = others_now;
        }
        let same_time = others_now.saturating_sub(self.others_before) >= OTHERS_MAX && now.since(self.since) >= LASTS;
        if self.score <= 0.0 {
            self.slow = false;
        } else if self.score >= ALARM && same_time {
            self.slow |= is_long(self.median(), others);
        }
    }

    pub(crate) fn slow(&self, now: Moment) -> Option<Slow> {
        if !self.slow || now.since(self.last) >= FORGET_AFTER {
            return None;
        }
        Some(Slow { since: self.since, median: self.median(), others: self.others })
    }

    fn median(&self) -> Duration {
        let mut own = self.own;
        median(&mut own[..self.reads.min(OWN)])
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, others, .. } = self;
        write!(f, "takes {} to answer, the others {}", Brief(*median), Brief(*others))
    }
}

/// Writes `1.2 s` or `4 ms`.
struct Brief(Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_secs_f64() * 1000.0;
        match milliseconds {
            ..1.0 => write!(f, "{milliseconds:.1} ms"),
            1.0..1000.0 => write!(f, "{milliseconds:.0} ms"),
            _ => write!(f, "{:.1}", HumanDuration(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    struct Story {
        latest: LatestReads,
        replicas: Vec<(Arc<str>, Slowness)>,
        now: f64,
        random: StdRng,
    }

    impl Story {
        fn new(replicas: usize, seed: u64) -> Self {
            let replicas = (0..replicas).map(|n| (format!("mysql-{n}").into(), Slowness::default())).collect();
            Self { latest: LatestReads::default(), replicas, now: 0.0, random: StdRng::seed_from_u64(seed) }
        }

        /// A read of a random replica, which takes so many seconds by its ordinal. Returns the ordinal.
        fn read(&mut self, every: f64, seconds: impl FnOnce(&mut StdRng, usize) -> f64) -> usize {
            self.now += every;
            let ordinal = self.random.random_range(0..self.replicas.len());
            let duration = Duration::from_secs_f64(seconds(&mut self.random, ordinal));
            let (name, slowness) = &mut self.replicas[ordinal];
            slowness.observe(name, duration, &self.latest, Moment::at(self.now));
            self.latest.push(name, duration);
            ordinal
        }

        fn slow(&self) -> Vec<usize> {
            let now = Moment::at(self.now);
            (0..self.replicas.len()).filter(|at| self.replicas[*at].1.slow(now).is_some()).collect()
        }
    }

    fn exponential(random: &mut StdRng, mean: f64) -> f64 {
        -mean * (1.0 - random.random::<f64>()).ln()
    }

    /// Ordinary noise: light and heavy tails, two modes of any weight, and times at which every replica is slow.
    #[test]
    fn no_replica_is_slow_by_chance() {
        type Noise = fn(&mut StdRng, f64) -> f64;
        let noises: [(&str, Noise); 6] = [
            ("exponential", |random, _| exponential(random, 0.05)),
            // Pareto with an infinite mean.
            ("heavy", |random, _| 0.004 / (1.0 - random.random::<f64>())),
            ("a tenth waits", |random, _| if random.random_bool(0.1) { 1.0 } else { 0.004 }),
            ("a third waits", |random, _| if random.random_bool(0.3) { 1.0 } else { 0.004 }),
            ("half of them wait", |random, _| if random.random_bool(0.5) { 1.0 } else { 0.004 }),
            ("all are slow at times", |random, now| {
                let mean = if now % 180.0 < 90.0 { 0.004 } else { 1.0 };
                mean / 2.0 + exponential(random, mean)
            }),
        ];
        for (name, noise) in noises {
            for replicas in [2, 3, 5, 20] {
                for every in [1.0, 0.02] {
                    let mut story = Story::new(replicas, 16);
                    for read in 0..40_000 {
                        let now = story.now;
                        let of = story.read(every, |random, _| noise(random, now));
                        // Only its own read makes a replica slow.
                        let slow = story.replicas[of].1.slow(Moment::at(story.now));
                        assert_eq!(slow, None, "{name}, {replicas} replicas, {every} s, read {read}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_slow_replica_is_named_within_a_minute_and_cleared_when_it_is_fast() {
        for (seed, slow_seconds, others) in [(1, 1.2, 0.004), (2, 0.05, 0.002), (3, 2.0, 0.3)] {
            let mut story = Story::new(3, seed);
            let times = |story: &mut Story, slow: f64| {
                story.read(1.0, |random, at| (if at == 2 { slow } else { others }) * (0.8 + exponential(random, 0.2)))
            };
            (0..300).for_each(|_| _ = times(&mut story, others));
            let mut own = 0;
            while story.slow().is_empty() {
                own += usize::from(times(&mut story, slow_seconds) == 2);
                assert!(own <= 20, "{slow_seconds}");
            }
            assert_eq!(story.slow(), [2]);
            (0..60).for_each(|_| _ = times(&mut story, slow_seconds));
            assert_eq!(story.slow(), [2]);
            let slow = story.replicas[2].1.slow(Moment::at(story.now)).unwrap();
            assert!((300.0..345.0).contains(&slow.since.elapsed.as_secs_f64()), "{slow:?}");
            let near = |found: Duration, wanted: f64| (found.as_secs_f64() / wanted - 1.0).abs() < 0.3;
            assert!(near(slow.median, slow_seconds) && near(slow.others, others), "{slow:?}");
            let reads = (0..300).find(|_| {
                times(&mut story, others);
                story.slow().is_empty()
            });
            assert!(reads.is_some_and(|reads| reads < 90), "{reads:?}");
        }
    }

    #[test]
    fn a_pause_of_a_few_seconds_is_no_slow_replica() {
        let mut story = Story::new(3, 5);
        for read in 0..3000 {
            let pause = (1000..1500).contains(&read);
            story.read(0.02, |_, at| if pause && at == 1 { 3.0 } else { 0.004 });
            assert!(story.slow().is_empty());
        }
    }

    #[test]
    fn a_replica_without_reads_is_no_longer_slow() {
        let mut story = Story::new(2, 6);
        (0..300).for_each(|_| _ = story.read(1.0, |_, at| if at == 1 { 1.0 } else { 0.004 }));
        let slow = &story.replicas[1].1;
        let last = slow.slow(Moment::at(story.now)).unwrap();
        assert_eq!(last.to_string(), "takes 1.0 s to answer, the others 4 ms");
        assert_eq!(slow.slow(Moment::at(story.now + 400.0)), None);
    }

    #[test]
    fn a_comparison_takes_no_memory() {
        let mut story = Story::new(3, 7);
        (0..100).for_each(|_| _ = story.read(1.0, |_, _| 0.004));
        let capacity = story.latest.reads.capacity();
        (0..1000).for_each(|_| _ = story.read(1.0, |_, _| 0.004));
        assert_eq!((story.latest.reads.len(), story.latest.reads.capacity()), (LATEST, capacity));
    }
}
