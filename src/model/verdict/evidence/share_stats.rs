//! Counts of reads, and descriptive numbers without a threshold.

use super::{
    confidence::{ShareInterval, share_interval},
    shares,
};

/// Probability of a share outside its interval, over all replicas of a target and all times.
pub const INTERVAL_ALPHA: f64 = 0.05;

/// A replica is missing if its silence is less likely than this by chance.
const MISSING_CHANCE: f64 = 1e-9;

/// Reads by replica since the last change.
#[derive(Clone, Debug)]
pub struct ShareStats {
    shares: Vec<f64>,
    /// Reads of all replicas since the last one of each.
    since: Vec<u64>,
    counts: Vec<u64>,
    reads: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Indices {
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

impl Indices {
    /// `shares` are the expected ones, `parts` those of the reads. `reads` is a number of reads with equal weight. Absent
    /// with fewer than two replicas.
    #[expect(clippy::cast_precision_loss, reason = "replicas are few")]
    pub fn new(shares: &[f64], parts: &[f64], reads: f64, missing: usize) -> Option<Self> {
        let pairs = || parts.iter().copied().zip(shares.iter().copied()).filter(|(_, p)| *p > 0.0);
        let count = pairs().count() as f64;
        let divergence: f64 = pairs().filter(|(s, _)| *s > 0.0).map(|(s, p)| s * (s / p).ln()).sum();
        let squared: f64 = pairs().map(|(s, p)| (s - p) * (s - p) / p).sum();
        (count > 1.0).then(|| Self {
            misrouted: pairs().map(|(s, p)| (s - p).abs()).sum::<f64>() / 2.0,
            misrouted_noise: pairs().map(|(_, p)| (p * (1.0 - p) / (std::f64::consts::TAU * reads)).sqrt()).sum(),
            ratio_max: pairs().map(|(s, p)| s / p).fold(0.0, f64::max),
            effective_replicas: count * (-divergence).exp(),
            dispersion: reads * squared / (count - 1.0),
            missing,
        })
    }
}

impl ShareStats {
    pub fn new(weights: &[f64]) -> Self {
        let replicas = weights.len();
        Self { shares: shares(weights), since: vec![0; replicas], counts: vec![0; replicas], reads: 0 }
    }

    pub fn observe(&mut self, x: usize) {
        if x >= self.counts.len() {
            return;
        }
        self.since.iter_mut().for_each(|since| *since = since.saturating_add(1));
        self.since[x] = 0;
        self.counts[x] = self.counts[x].saturating_add(1);
        self.reads = self.reads.saturating_add(1);
    }

    /// `before` gives the former index of each replica, whose silence continues.
    pub fn change(&mut self, weights: &[f64], before: &[Option<usize>]) {
        let kept = |index: &Option<usize>| index.and_then(|index| self.since.get(index)).copied().unwrap_or(0);
        let since = before.iter().map(kept).collect();
        *self = Self { since, ..Self::new(weights) };
    }

    /// Adds a replica that is not expected.
    pub(crate) fn add(&mut self) {
        self.shares.push(0.0);
        self.since.push(0);
        self.counts.push(0);
    }

    /// Takes back a read.
    pub(crate) fn forget(&mut self, x: usize) {
        self.counts[x] -= 1;
        self.reads -= 1;
    }

    pub(crate) fn count(&self, index: usize) -> u64 {
        self.counts.get(index).copied().unwrap_or(0)
    }

    /// Reads of all replicas since the last one of each.
    pub fn since(&self) -> &[u64] {
        &self.since
    }

    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Valid for a share that is constant over these reads. The error probability over all replicas and all times
    /// together is at most 5 %.
    pub fn interval(&self, index: usize) -> ShareInterval {
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred replicas")]
        let alpha = INTERVAL_ALPHA / self.counts.len().max(1) as f64;
        share_interval(self.count(index), self.reads, alpha)
    }

    /// Absent before the first read and with fewer than two replicas.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn indices(&self) -> Option<Indices> {
        let reads = Some(self.reads as f64).filter(|reads| *reads > 0.0)?;
        let parts: Vec<f64> = self.counts.iter().map(|count| *count as f64 / reads).collect();
        Indices::new(&self.shares, &parts, reads, self.missing())
    }

    /// Reads until the silence of the replica with the smallest share is beyond chance.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub fn reads_to_miss_one(&self) -> u64 {
        let least = self.expected().fold(1.0, f64::min);
        if self.expected().count() < 2 { 0 } else { self.silence(least).ceil() as u64 }
    }

    fn expected(&self) -> impl Iterator<Item = f64> {
        self.shares.iter().copied().filter(|share| *share > 0.0)
    }

    /// Reads after which the silence of a replica is beyond chance: (1 - p)^n <= chance / replicas.
    #[expect(clippy::cast_precision_loss, reason = "replicas are few")]
    fn silence(&self, share: f64) -> f64 {
        (self.expected().count() as f64 / MISSING_CHANCE).ln() / -(-share).ln_1p()
    }

    /// Expected replicas whose silence is beyond chance.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn missing(&self) -> usize {
        let silent = |(since, share): &(&u64, &f64)| **share > 0.0 && **since as f64 >= self.silence(**share);
        self.since.iter().zip(&self.shares).filter(silent).count()
    }
}
