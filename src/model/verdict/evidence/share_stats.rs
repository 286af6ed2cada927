//! Counts of reads, and descriptive numbers without a threshold.

use super::{
    confidence::{ShareInterval, share_interval},
    shares,
};

/// Probability of a share outside its interval, over all replicas of a target and all times.
pub const INTERVAL_ALPHA: f64 = 0.05;

/// A replica is missing if its silence is less likely than this by chance.
const MISSING_CHANCE: f64 = 1e-9;

/// Reads by replica: weighted by age, and since the expectation or the alarm last changed.
#[derive(Clone, Debug)]
pub struct ShareStats {
    shares: Vec<f64>,
    half_life_seconds: f64,
    missing_chance: f64,
    /// Reads of each replica, with half the weight after a half-life.
    recent: Vec<f64>,
    /// Sum of the squared weights of single reads.
    squares: f64,
    /// Reads of all replicas since the last one of each.
    since: Vec<u64>,
    counts: Vec<u64>,
    reads: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Indices {
    pub shares: Vec<f64>,
    /// Number of reads with equal weight that say as much.
    pub effective_reads: f64,
    /// Part of the reads that went to another replica than expected, 0 to 1: half the sum of |share - expected|.
    pub misrouted: f64,
    /// Mean of `misrouted` by chance alone.
    pub misrouted_noise: f64,
    pub ratio_max: f64,
    /// Number of equal replicas that would spread reads as widely: K exp(-KL(shares, expected)).
    pub effective_replicas: f64,
    /// 1 if chance divides the reads, near 0 if replicas take turns, far above 1 if reads are unbalanced.
    pub dispersion: f64,
    /// Expected replicas whose silence is beyond chance.
    pub missing: usize,
}

impl ShareStats {
    #[must_use]
    pub fn new(weights: &[f64], half_life_seconds: f64) -> Self {
        let (shares, replicas) = (shares(weights), weights.len());
        Self {
            shares,
            half_life_seconds,
            missing_chance: MISSING_CHANCE,
            recent: vec![0.0; replicas],
            squares: 0.0,
            since: vec![0; replicas],
            counts: vec![0; replicas],
            reads: 0,
        }
    }

    #[must_use]
    pub fn with_missing_chance(self, missing_chance: f64) -> Self {
        Self { missing_chance, ..self }
    }

    /// `seconds` is the time since the previous read.
    pub fn observe(&mut self, x: usize, seconds: f64) {
        if x >= self.recent.len() {
            return;
        }
        let seconds = if seconds > 0.0 { seconds } else { 0.0 };
        let decay = (-seconds / self.half_life_seconds).exp2();
        self.recent.iter_mut().for_each(|recent| *recent *= decay);
        self.recent[x] += 1.0;
        self.squares = self.squares * decay * decay + 1.0;
        self.since.iter_mut().for_each(|since| *since = since.saturating_add(1));
        self.since[x] = 0;
        self.counts[x] = self.counts[x].saturating_add(1);
        self.reads = self.reads.saturating_add(1);
    }

    /// `before` gives the former index of each replica, whose silence continues.
    pub fn change(&mut self, weights: &[f64], before: &[Option<usize>]) {
        let kept = |index: &Option<usize>| index.and_then(|index| self.since.get(index)).copied().unwrap_or(0);
        let since = before.iter().map(kept).collect();
        *self = Self { since, ..Self::new(weights, self.half_life_seconds).with_missing_chance(self.missing_chance) };
    }

    /// Adds a replica that is not expected.
    pub(crate) fn add(&mut self) {
        self.shares.push(0.0);
        self.recent.push(0.0);
        self.since.push(0);
        self.counts.push(0);
    }

    /// Takes back a read, without a half-life.
    pub(crate) fn forget(&mut self, x: usize) {
        self.recent[x] -= 1.0;
        self.squares -= 1.0;
        self.counts[x] -= 1;
        self.reads -= 1;
    }

    pub(crate) fn count(&self, index: usize) -> u64 {
        self.counts.get(index).copied().unwrap_or(0)
    }

    pub fn begin_epoch(&mut self) {
        self.counts.iter_mut().for_each(|count| *count = 0);
        self.reads = 0;
    }

    /// Reads of all replicas since the last one of each.
    #[must_use]
    pub fn since(&self) -> &[u64] {
        &self.since
    }

    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Valid for a share that is constant since the epoch began. The error probability over all replicas and all times
    /// together is at most 5 %.
    #[must_use]
    pub fn interval(&self, index: usize) -> ShareInterval {
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred replicas")]
        let alpha = INTERVAL_ALPHA / self.counts.len().max(1) as f64;
        share_interval(self.count(index), self.reads, alpha)
    }

    /// Absent before the first read and with fewer than two replicas.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "replicas are few")]
    pub fn indices(&self) -> Option<Indices> {
        let sum: f64 = self.recent.iter().sum();
        let expected = || self.shares.iter().copied().filter(|share| *share > 0.0);
        let replicas = expected().count();
        // An old read may have almost no weight.
        if !sum.is_normal() || !self.squares.is_normal() || replicas < 2 {
            return None;
        }
        let effective_reads = sum * sum / self.squares;
        let parts: Vec<f64> = self.recent.iter().map(|recent| recent / sum).collect();
        let pairs = || parts.iter().copied().zip(self.shares.iter().copied()).filter(|(_, p)| *p > 0.0);
        let divergence: f64 = pairs().filter(|(s, _)| *s > 0.0).map(|(s, p)| s * (s / p).ln()).sum();
        let squared: f64 = pairs().map(|(s, p)| (s - p) * (s - p) / p).sum();
        let count = replicas as f64;
        Some(Indices {
            misrouted: pairs().map(|(s, p)| (s - p).abs()).sum::<f64>() / 2.0,
            misrouted_noise: expected()
                .map(|p| (p * (1.0 - p) / (std::f64::consts::TAU * effective_reads)).sqrt())
                .sum(),
            ratio_max: pairs().map(|(s, p)| s / p).fold(0.0, f64::max),
            effective_replicas: count * (-divergence).exp(),
            dispersion: effective_reads * squared / (count - 1.0),
            missing: self.missing(count),
            shares: parts,
            effective_reads,
        })
    }

    /// Reads until the silence of the replica with the smallest share is beyond chance.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub fn reads_to_miss_one(&self) -> u64 {
        let expected = self.shares.iter().copied().filter(|share| *share > 0.0);
        let (least, count) = expected.fold((1.0_f64, 0_u32), |(least, count), share| (least.min(share), count + 1));
        if count < 2 { 0 } else { self.silence(least, f64::from(count)).ceil() as u64 }
    }

    /// Reads after which the silence of a replica is beyond chance: (1 - p)^n <= chance / replicas.
    fn silence(&self, share: f64, replicas: f64) -> f64 {
        (replicas / self.missing_chance).ln() / -(-share).ln_1p()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn missing(&self, replicas: f64) -> usize {
        let silent = |(since, share): &(&u64, &f64)| **share > 0.0 && **since as f64 >= self.silence(**share, replicas);
        self.since.iter().zip(&self.shares).filter(silent).count()
    }
}
