//! Tails of the binomial distribution.

/// `P(X <= k)` and `P(X >= k)` for X successes of `n` with the probability `p`.
#[expect(clippy::cast_precision_loss, reason = "counts of connections")]
pub(crate) fn tails(k: u64, n: u64, p: f64) -> (f64, f64) {
    if k > n || !(0.0..=1.0).contains(&p) {
        return (1.0, 1.0);
    }
    if p == 0.0 || p >= 1.0 {
        let certain = if p == 0.0 { 0 } else { n };
        return (if k >= certain { 1.0 } else { 0.0 }, if k <= certain { 1.0 } else { 0.0 });
    }
    let few = k.min(n - k);
    let ln_choices: f64 = (1..=few).map(|i| ((n - few + i) as f64 / i as f64).ln()).sum();
    let here = (ln_choices + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p()).exp();
    let odds = p / (1.0 - p);
    // The tail away from the mean: each term from the one before it, until they are too small to count.
    let is_low = (k as f64) < n as f64 * p;
    let (mut at, mut term, mut tail) = (k, here, here);
    while term > tail * 1e-17 && at != if is_low { 0 } else { n } {
        if is_low {
            term *= at as f64 / ((n - at + 1) as f64 * odds);
            at -= 1;
        } else {
            term *= (n - at) as f64 * odds / (at + 1) as f64;
            at += 1;
        }
        tail += term;
    }
    // The two tails overlap in one term.
    let (tail, other) = (tail.min(1.0), (1.0 - tail + here).clamp(0.0, 1.0));
    if is_low { (tail, other) } else { (other, tail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_the_binomial_distribution() {
        for (k, n, p, lower, upper) in [
            (0, 27, 1.0 / 3.0, 1.762e-5, 1.0),
            (2, 4, 0.5, 0.6875, 0.6875),
            (9, 10, 0.5, 1.0 - 1.0 / 1024.0, 11.0 / 1024.0),
            (0, 0, 0.3, 1.0, 1.0),
            (0, 5, 0.0, 1.0, 1.0),
            (1, 5, 0.0, 1.0, 0.0),
            (4, 5, 1.0, 0.0, 1.0),
            (20_000, 100_000, 0.2, 0.502, 0.501),
        ] {
            let (down, up) = tails(k, n, p);
            assert!((down / lower - 1.0).abs() < 1e-2 || down == lower, "{k} of {n}: {down}");
            assert!((up / upper - 1.0).abs() < 1e-2 || up == upper, "{k} of {n}: {up}");
        }
        let (none, all) = tails(0, 1_000_000, 0.5);
        assert!(none < 1e-300 && (all - 1.0).abs() < 1e-9);
    }

    #[test]
    fn tails_are_probabilities_where_rounding_is_worst() {
        let p = 0.996_933_200_026_767_6;
        let (down, up) = tails(0, 202, p);
        assert!((0.0..=1.0).contains(&down) && up == 1.0, "{down} {up}");
        assert!((down + tails(1, 202, p).1 - 1.0).abs() < 1e-9);
    }

    proptest::proptest! {
        #[test]
        fn tails_overlap_in_one_term(n in 0..300_u64, part in 0.0..1.0_f64, p in 0.0..1.0_f64) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let k = (part * n as f64) as u64;
            let (down, up) = tails(k, n, p);
            proptest::prop_assert!((0.0..=1.0).contains(&down) && (0.0..=1.0).contains(&up));
            proptest::prop_assert!(down + up >= 1.0 - 1e-9);
            if k < n {
                proptest::prop_assert!((down + tails(k + 1, n, p).1 - 1.0).abs() < 1e-9);
            }
        }
    }
}
