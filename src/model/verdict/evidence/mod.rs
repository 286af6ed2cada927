//! Evidence of unbalanced reads: a detector whose false-alarm rate holds however long and often it looks, its culprits,
//! and descriptive numbers.
//!
//! The detector is a Shiryaev-Roberts e-detector (Shin, Ramdas & Rinaldo, "E-detectors: a nonparametric framework for
//! sequential change detection", 2022) with a mixture of bets on single replicas and plug-in bets that forget (Robbins
//! & Siegmund; Lorden & Pollak). Each bet plays a small capital, in seconds, on its own idea of how reads divide,
//! against the expected shares. While every replica's chance stays within a tolerance of its share, no bet gains on
//! average, so the sum M grows no faster than time. A false alarm at M >= T therefore takes at least T seconds on
//! average, at any rate of reads (optional stopping). `docs/verdict.md` explains what this means in practice.

mod confidence;
mod detector;
mod grid;
mod plug_in_bets;
#[cfg(test)]
mod properties;
mod share_stats;

pub use confidence::{ShareInterval, share_interval};
pub use detector::{Detector, DetectorRules, GRID_PART, Suspect};
pub use grid::ODDS;
pub use plug_in_bets::WINDOWS;
pub use share_stats::{INTERVAL_ALPHA, Indices, ShareStats};

/// A weight below this part of the largest one counts as 0: its reads are too rare to matter.
const WEIGHT_MIN: f64 = 1e-12;

/// Weights that are not numbers above 0 have the share 0.
///
/// Weights are divided by the largest first: the sum of finite weights may be infinite.
pub fn shares(weights: &[f64]) -> Vec<f64> {
    let sound = |weight: f64| if weight.is_finite() && weight > 0.0 { weight } else { 0.0 };
    let largest = weights.iter().copied().map(sound).fold(0.0, f64::max);
    if largest <= 0.0 {
        return vec![0.0; weights.len()];
    }
    let relative = |weight: &f64| Some(sound(*weight) / largest).filter(|part| *part >= WEIGHT_MIN).unwrap_or(0.0);
    let sum: f64 = weights.iter().map(relative).sum();
    weights.iter().map(|weight| relative(weight) / sum).collect()
}
