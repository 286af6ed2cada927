//! Durations in buckets, as classic Prometheus histograms have them.

use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Histogram {
    /// In seconds, ascending.
    bounds: &'static [f64],
    /// Per bucket, not cumulative; the last bucket has no upper bound.
    counts: Box<[u64]>,
    /// In seconds.
    sum: f64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1].into(), sum: 0.0 }
    }

    pub fn record(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
    }

    /// `other` has the same bounds.
    pub fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.sum += other.sum;
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// In seconds.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// In seconds; `part` is 0 to 1. Like Prometheus' `histogram_quantile`, this assumes an even spread within a bucket
    /// and returns the last bound for longer durations. Absent without durations.
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = self.count() as f64 * part;
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            let count = *count as f64;
            if count > 0.0 && below + count >= wanted {
                return Some(lower + (bound - lower) * ((wanted - below) / count).max(0.0));
            }
            (below, lower) = (below + count, *bound);
        }
        (self.count() > 0).then_some(lower)
    }

    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let running = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_bucket_whose_bound_it_does_not_exceed() {
        let (mut histogram, mut other) = (Histogram::new(&[0.001, 0.01]), Histogram::new(&[0.001, 0.01]));
        for seconds in [0.001, 0.001_1] {
            histogram.record(Duration::from_secs_f64(seconds));
        }
        other.record(Duration::from_secs(30));
        histogram.add(&other);
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(0.001, 1), (0.01, 2)]);
        assert_eq!(histogram.count(), 3);
    }

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let mut histogram = Histogram::new(&[0.001, 0.01, 0.1]);
        assert_eq!(histogram.quantile(0.5), None);
        for _ in 0..4 {
            histogram.record(Duration::from_millis(5));
        }
        let near = |found: Option<f64>, wanted: f64| assert!((found.unwrap() - wanted).abs() < 1e-12, "{found:?}");
        near(histogram.quantile(0.0), 0.001);
        near(histogram.quantile(0.5), 0.005_5);
        near(histogram.quantile(1.0), 0.01);
        histogram.record(Duration::from_secs(9));
        near(histogram.quantile(0.4), 0.005_5);
        near(histogram.quantile(0.99), 0.1);
    }
}
