//! Counts of answers, and what they say to people: descriptive numbers without a threshold.

use super::{
    confidence::{ShareInterval, share_interval},
    shares,
};

/// Shares outside their intervals are as rare as this, over all replicas of a target and all times.
pub const INTERVAL_ALPHA: f64 = 0.05;

/// A replica is missing when chance would keep it silent for so long with a probability below this.
const MISSING_CHANCE: f64 = 1e-9;

/// Answers by replica: those of the last minutes, and those since the expectation or the alarm last changed.
#[derive(Clone, Debug)]
pub struct ShareStats {
    shares: Vec<f64>,
    half_life_seconds: f64,
    missing_chance: f64,
    /// Answers of each replica, which weigh half after a half-life.
    recent: Vec<f64>,
    /// The sum of the squares of single answers' weights.
    squares: f64,
    /// Answers of all replicas since the last of each.
    since: Vec<u64>,
    /// Answers of each since the epoch began.
    counts: Vec<u64>,
    answers: u64,
}

/// How far recent answers are from the expected shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Indices {
    /// The part of the recent answers that each replica gave, 0 to 1.
    pub shares: Vec<f64>,
    /// How many answers of equal weight would say as much as these.
    pub effective_answers: f64,
    /// The part of the reads that went to another replica than expected, 0 to 1: half the sum of |share - expected|.
    pub misrouted: f64,
    /// What chance alone makes of it on average.
    pub misrouted_noise: f64,
    /// The greatest share as a multiple of the expected one.
    pub ratio_max: f64,
    /// So many replicas of equal share would spread reads as far: K exp(-KL(shares, expected)).
    pub effective_replicas: f64,
    /// 1 where chance divides the answers, near 0 where they take turns, far above 1 where they are unbalanced.
    pub dispersion: f64,
    /// How many expected replicas chance cannot have kept silent for so long.
    pub missing: usize,
}

impl ShareStats {
    /// Counts for replicas of these weights; answers weigh half after `half_life_seconds`.
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
            answers: 0,
        }
    }

    /// With another probability below which chance cannot have kept a replica silent.
    #[must_use]
    pub fn with_missing_chance(self, missing_chance: f64) -> Self {
        Self { missing_chance, ..self }
    }

    /// Takes in that the replica of index `x` answered, `seconds` after the answer before.
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
        self.answers = self.answers.saturating_add(1);
    }

    /// Begins anew with other replicas; `before` says at which index each was, whose silence goes on being counted.
    pub fn change(&mut self, weights: &[f64], before: &[Option<usize>]) {
        let kept = |index: &Option<usize>| index.and_then(|index| self.since.get(index)).copied().unwrap_or(0);
        let since = before.iter().map(kept).collect();
        *self = Self { since, ..Self::new(weights, self.half_life_seconds).with_missing_chance(self.missing_chance) };
    }

    /// Begins a new epoch of the intervals.
    pub fn begin_epoch(&mut self) {
        self.counts.iter_mut().for_each(|count| *count = 0);
        self.answers = 0;
    }

    /// Answers of all replicas since the last one of each.
    #[must_use]
    pub fn since(&self) -> &[u64] {
        &self.since
    }

    /// Answers since the epoch of the intervals began.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Between what each replica's share is for sure, if it has been constant since the epoch began: all replicas and all
    /// times together are wrong with a probability of at most 5 %.
    #[must_use]
    pub fn interval(&self, index: usize) -> ShareInterval {
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred replicas")]
        let alpha = INTERVAL_ALPHA / self.counts.len().max(1) as f64;
        share_interval(self.counts.get(index).copied().unwrap_or(0), self.answers, alpha)
    }

    /// The descriptive numbers; absent before the first answer and where fewer than two replicas are compared.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "replicas are few")]
    pub fn indices(&self) -> Option<Indices> {
        let sum: f64 = self.recent.iter().sum();
        let expected = || self.shares.iter().copied().filter(|share| *share > 0.0);
        let replicas = expected().count();
        // An answer long ago may weigh next to nothing.
        if !sum.is_normal() || !self.squares.is_normal() || replicas < 2 {
            return None;
        }
        let effective_answers = sum * sum / self.squares;
        let parts: Vec<f64> = self.recent.iter().map(|recent| recent / sum).collect();
        let pairs = || parts.iter().copied().zip(self.shares.iter().copied()).filter(|(_, p)| *p > 0.0);
        let divergence: f64 = pairs().filter(|(s, _)| *s > 0.0).map(|(s, p)| s * (s / p).ln()).sum();
        let squared: f64 = pairs().map(|(s, p)| (s - p) * (s - p) / p).sum();
        let count = replicas as f64;
        Some(Indices {
            misrouted: pairs().map(|(s, p)| (s - p).abs()).sum::<f64>() / 2.0,
            misrouted_noise: expected()
                .map(|p| (p * (1.0 - p) / (std::f64::consts::TAU * effective_answers)).sqrt())
                .sum(),
            ratio_max: pairs().map(|(s, p)| s / p).fold(0.0, f64::max),
            effective_replicas: count * (-divergence).exp(),
            dispersion: effective_answers * squared / (count - 1.0),
            missing: self.missing(count),
            shares: parts,
            effective_answers,
        })
    }

    /// How many answers it takes until the silence of the least expected replica is beyond chance.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    pub fn answers_to_miss_one(&self) -> u64 {
        let expected = self.shares.iter().copied().filter(|share| *share > 0.0);
        let (least, count) = expected.fold((1.0_f64, 0_u32), |(least, count), share| (least.min(share), count + 1));
        if count < 2 { 0 } else { self.silence(least, f64::from(count)).ceil() as u64 }
    }

    /// After so many answers without it, chance cannot have kept a replica silent: (1 - p)^n <= chance / replicas.
    fn silence(&self, share: f64, replicas: f64) -> f64 {
        (replicas / self.missing_chance).ln() / -(-share).ln_1p()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    fn missing(&self, replicas: f64) -> usize {
        let silent = |(since, share): &(&u64, &f64)| **share > 0.0 && **since as f64 >= self.silence(**share, replicas);
        self.since.iter().zip(&self.shares).filter(silent).count()
    }
}
