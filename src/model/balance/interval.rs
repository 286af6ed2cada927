//! Between what a share is, for sure at all times at once: the mixture of binomial likelihoods over the Jeffreys prior.
//!
//! For s hits of n, ln e(q) = ln B(1/2 + s, 1/2 + n - s) - ln B(1/2, 1/2) - s ln q - (n - s) ln(1 - q) is the evidence
//! against the share q. With q the truth, e(q) has mean 1 at every stopping time, so by Ville's inequality it ever reaches
//! 1/alpha with a probability of at most alpha; the interval holds every q whose evidence is below that.
//!
//! The Beta function's logarithm and the likelihood's are both near n, and cancel; written with the divergence of s/n
//! from q, and with what Stirling's formula leaves out, nothing does, however large the counts.

use std::f64::consts::{LN_2, PI, TAU};

/// Between what a share is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareInterval {
    /// 0 to `upper`.
    pub lower: f64,
    /// `lower` to 1.
    pub upper: f64,
}

/// Halvings of an interval until nothing of it is left.
const HALVINGS: u32 = 64;

/// From here on four terms of Stirling's series are exact.
const SERIES_FROM: u64 = 16;

/// The interval of a share with `hits` of `answers`, which is ever wrong with a probability of at most `alpha`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 one answer more does not matter")]
pub fn share_interval(hits: u64, answers: u64, alpha: f64) -> ShareInterval {
    let hits = hits.min(answers);
    if answers == 0 {
        return ShareInterval { lower: 0.0, upper: 1.0 };
    }
    let (s, misses, n) = (hits as f64, (answers - hits) as f64, answers as f64);
    let left =
        (TAU / n).ln() / 2.0 - PI.ln() + half_remainder(hits) + half_remainder(answers - hits) - remainder(answers);
    // The deviance at which the evidence is as much as is not believed.
    let limit = -alpha.ln() - left;
    let deviance = |q: f64| part(s, n, q) + part(misses, n, 1.0 - q);
    let inside = |q: f64| deviance(q) < limit;
    let share = s / n;
    let edge = |mut outside: f64| {
        let mut within = share;
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(outside, within);
            if inside(middle) { within = middle } else { outside = middle }
        }
        f64::midpoint(outside, within)
    };
    ShareInterval {
        lower: if hits == 0 { 0.0 } else { edge(0.0) },
        upper: if hits == answers { 1.0 } else { edge(1.0) },
    }
}

/// `count * ln(count / n / q)`, exact where q is near count / n.
fn part(count: f64, n: f64, q: f64) -> f64 {
    if count > 0.0 { count * ((count / n - q) / q).ln_1p() } else { 0.0 }
}

/// ln Gamma(s + 1/2) less its leading terms s ln s - s + ln(2 pi) / 2.
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

/// ln Gamma(n + 1) less its leading terms n ln n - n + ln(2 pi n) / 2; `n` is above 0.
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
mod tests {
    use super::*;

    #[test]
    fn the_series_goes_on_where_the_sums_end() {
        // The next term of Stirling's series bounds what is left out.
        let gap = |f: fn(u64) -> f64, direct: f64| (f(SERIES_FROM) - direct).abs();
        let x = 16.0_f64;
        let gamma: f64 = PI.ln() / 2.0 + (0..16).map(|i| (f64::from(i) + 0.5).ln()).sum::<f64>();
        assert!(gap(half_remainder, gamma - (x * x.ln() - x + TAU.ln() / 2.0)) < 1e-13);
        let gamma: f64 = (1..=16).map(|i| f64::from(i).ln()).sum();
        assert!(gap(remainder, gamma - (x * x.ln() - x + (TAU * x).ln() / 2.0)) < 1e-13);
    }

    #[test]
    fn intervals_of_the_specification() {
        for (hits, answers, lower, upper) in
            [(0, 50, 0.0, 0.124), (333, 1000, 0.276, 0.393), (3333, 10_000, 0.314, 0.353)]
        {
            let found = share_interval(hits, answers, 0.05 / 3.0);
            assert!((found.lower - lower).abs() < 6e-4 && (found.upper - upper).abs() < 6e-4, "{found:?}");
        }
    }

    #[test]
    fn counts_beyond_what_is_exact_in_a_double_give_narrow_intervals() {
        for answers in [1 << 53, (1 << 53) + 1, u64::MAX] {
            let found = share_interval(answers / 3, answers, 0.01);
            assert!(
                found.lower < 1.0 / 3.0 && found.upper > 1.0 / 3.0 && found.upper - found.lower < 1e-6,
                "{found:?}"
            );
        }
    }
}
