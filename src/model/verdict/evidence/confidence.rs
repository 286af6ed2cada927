//! Confidence intervals of shares, valid at all times at once: the mixture of binomial likelihoods over the Jeffreys
//! prior.
//!
//! For s hits of n, ln e(q) = ln B(1/2 + s, 1/2 + n - s) - ln B(1/2, 1/2) - s ln q - (n - s) ln(1 - q) is the evidence
//! against the share q. With q the truth, e(q) has mean 1 at every stopping time, so by Ville's inequality it ever
//! reaches 1/alpha with a probability of at most alpha. The interval holds every q with less evidence.
//!
//! The logarithms of the Beta function and of the likelihood are both near n and would cancel. The code uses the
//! divergence of s/n from q and the remainders of Stirling's formula instead, which lose no digits, however large the
//! counts.

use std::f64::consts::{LN_2, PI, TAU};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareInterval {
    pub lower: f64,
    pub upper: f64,
}

/// Newton needs a few steps; these suffice even if every step only halves the interval.
const STEPS: u32 = 64;

/// Four terms of Stirling's series are exact from here on.
const SERIES_FROM: u64 = 16;

/// Wrong at any time with a probability of at most `alpha`.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 one answer more does not matter")]
pub fn share_interval(hits: u64, reads: u64, alpha: f64) -> ShareInterval {
    let hits = hits.min(reads);
    if reads == 0 {
        return ShareInterval { lower: 0.0, upper: 1.0 };
    }
    let (s, misses, n) = (hits as f64, (reads - hits) as f64, reads as f64);
    let left = (TAU / n).ln() / 2.0 - PI.ln() + half_remainder(hits) + half_remainder(reads - hits) - remainder(reads);
    // The deviance at which the evidence reaches 1/alpha.
    let limit = -alpha.ln() - left;
    let deviance = |q: f64| part(s, n, q) + part(misses, n, 1.0 - q);
    let share = s / n;
    // The deviance is convex with its minimum at the share, so Newton's steps approach the edge from outside.
    let about = (2.0 * limit * share * (1.0 - share) / n).sqrt();
    let edge = |mut outside: f64| {
        let mut within = share;
        // The edge if the deviance were a parabola, as it nearly is close to the share.
        let mut q = between(outside, within, share + about.copysign(outside - within));
        for _ in 0..STEPS {
            let excess = deviance(q) - limit;
            if excess < 0.0 {
                within = q;
            } else {
                outside = q;
            }
            let next = between(outside, within, q - excess / (misses / (1.0 - q) - s / q));
            if (next - q).abs() <= f64::EPSILON * q {
                return next;
            }
            q = next;
        }
        q
    };
    ShareInterval { lower: if hits == 0 { 0.0 } else { edge(0.0) }, upper: if hits == reads { 1.0 } else { edge(1.0) } }
}

fn between(one: f64, other: f64, guess: f64) -> f64 {
    if (guess - one) * (guess - other) < 0.0 { guess } else { f64::midpoint(one, other) }
}

/// `count * ln(count / n / q)`, exact where q is near count / n.
fn part(count: f64, n: f64, q: f64) -> f64 {
    if count > 0.0 { count * ((count / n - q) / q).ln_1p() } else { 0.0 }
}

/// ln Gamma(s + 1/2) minus its leading terms s ln s - s + ln(2 pi) / 2.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 one answer more does not matter")]
fn half_remainder(s: u64) -> f64 {
    if s == 0 {
        return -LN_2 / 2.0;
    }
    let x = s as f64;
    if s >= SERIES_FROM {
        let y = 1.0 / (x * x);
        return (-1.0 / 24.0 + y * (7.0 / 2880.0 + y * (-31.0 / 40_320.0 + y * 127.0 / 215_040.0))) / x;
    }
    let gamma: f64 = PI.ln() / 2.0 + (0..s).map(|i| (i as f64 + 0.5).ln()).sum::<f64>();
    gamma - (x * x.ln() - x + TAU.ln() / 2.0)
}

/// ln Gamma(n + 1) minus its leading terms n ln n - n + ln(2 pi n) / 2; `n` is above 0.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 one answer more does not matter")]
fn remainder(n: u64) -> f64 {
    let x = n as f64;
    if n >= SERIES_FROM {
        let y = 1.0 / (x * x);
        return (1.0 / 12.0 + y * (-1.0 / 360.0 + y * (1.0 / 1260.0 - y / 1680.0))) / x;
    }
    let gamma: f64 = (1..=n).map(|i| (i as f64).ln()).sum();
    gamma - (x * x.ln() - x + (TAU * x).ln() / 2.0)
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
mod tests {
    use super::*;

    #[test]
    fn the_series_goes_on_where_the_sums_end() {
        // The next term of Stirling's series bounds the remainder.
        let gap = |f: fn(u64) -> f64, direct: f64| (f(SERIES_FROM) - direct).abs();
        let x = 16.0_f64;
        let gamma: f64 = PI.ln() / 2.0 + (0..16).map(|i| (f64::from(i) + 0.5).ln()).sum::<f64>();
        assert!(gap(half_remainder, gamma - (x * x.ln() - x + TAU.ln() / 2.0)) < 1e-13);
        let gamma: f64 = (1..=16).map(|i| f64::from(i).ln()).sum();
        assert!(gap(remainder, gamma - (x * x.ln() - x + (TAU * x).ln() / 2.0)) < 1e-13);
    }

    #[test]
    fn intervals_of_the_specification() {
        for (hits, reads, lower, upper) in
            [(0, 50, 0.0, 0.124), (333, 1000, 0.276, 0.393), (3333, 10_000, 0.314, 0.353)]
        {
            let found = share_interval(hits, reads, 0.05 / 3.0);
            assert!((found.lower - lower).abs() < 6e-4 && (found.upper - upper).abs() < 6e-4, "{found:?}");
        }
    }

    #[test]
    fn interval_bounds_have_the_evidence_of_the_confidence_level() {
        for reads in [1_u64, 2, 7, 50, 1000, 123_457, 1 << 30] {
            for hits in [0, 1, reads / 1000, reads / 3, reads / 2, reads - reads / 500, reads] {
                let (s, misses, n) = (hits as f64, (reads - hits) as f64, reads as f64);
                let deviance = |q: f64| part(s, n, q) + part(misses, n, 1.0 - q);
                for alpha in [0.05, 1e-3, 1e-6] {
                    let found = share_interval(hits, reads, alpha);
                    let edges = [(found.lower, hits > 0), (found.upper, hits < reads)];
                    let met: Vec<f64> = edges.iter().filter(|edge| edge.1).map(|edge| deviance(edge.0)).collect();
                    let same = |deviances: &[f64]| (deviances[0] / deviances[1] - 1.0).abs() < 1e-6;
                    assert!(met.len() < 2 || same(&met), "{hits}/{reads} {alpha}: {found:?} {met:?}");
                    assert!(
                        met.iter().all(|deviance| *deviance >= -alpha.ln() * (1.0 - 1e-6)),
                        "{hits}/{reads} {alpha}: {met:?}"
                    );
                    assert!(found.lower <= s / n && s / n <= found.upper, "{hits}/{reads} {alpha}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn counts_beyond_what_is_exact_in_a_double_give_narrow_intervals() {
        for reads in [1 << 53, (1 << 53) + 1, u64::MAX] {
            let found = share_interval(reads / 3, reads, 0.01);
            assert!(
                found.lower < 1.0 / 3.0 && found.upper > 1.0 / 3.0 && found.upper - found.lower < 1e-6,
                "{found:?}"
            );
        }
    }
}
