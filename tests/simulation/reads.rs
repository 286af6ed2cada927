//! Simulated answers: which replica gives the next one, by a law that the simulation knows.

use crate::random::Random;

/// The chance of each replica.
#[derive(Clone)]
pub(crate) struct Law {
    pub(crate) chances: Vec<f64>,
    cumulative: Vec<f64>,
}

impl Law {
    pub(crate) fn of(weights: &[f64]) -> Self {
        let sum: f64 = weights.iter().sum();
        let chances: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let cumulative = chances.iter().scan(0.0, |sum, chance| {
            *sum += chance;
            Some(*sum)
        });
        Self { cumulative: cumulative.collect(), chances }
    }

    pub(crate) fn even(replicas: usize) -> Self {
        Self::of(&vec![1.0; replicas])
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let part = unit(random);
        let last = self.chances.iter().rposition(|chance| *chance > 0.0).unwrap_or(0);
        self.cumulative.iter().position(|sum| part < *sum).unwrap_or(last)
    }
}

/// A number from 0 to below 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
pub(crate) fn unit(random: &mut Random) -> f64 {
    (random.next() >> 11) as f64 / (1_u64 << 53) as f64
}

/// A mean and how far it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mean {
    pub(crate) value: f64,
    pub(crate) error: f64,
}

impl Mean {
    #[expect(clippy::cast_precision_loss, reason = "runs are few")]
    pub(crate) fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let value = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|one| (one - value).powi(2)).sum::<f64>() / (count - 1.0);
        Self { value, error: (variance / count).sqrt() }
    }
}
