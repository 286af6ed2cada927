//! Durations counted by their length, as Prometheus' classic histograms want them.

use std::time::Duration;

/// Durations counted by fixed upper bounds.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Ascending upper bounds in seconds.
    bounds: &'static [f64],
    /// Counts of each bucket alone, not cumulated; the last one is for what is above every bound.
    counts: Box<[u64]>,
    /// Sum of all durations in seconds.
    sum: f64,
}

impl Histogram {
    /// An empty histogram with these upper bounds, in seconds and ascending.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1].into(), sum: 0.0 }
    }

    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
    }

    /// How many durations were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations in seconds.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// For each bound, how many durations were at most that long.
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
        let mut histogram = Histogram::new(&[0.001, 0.01]);
        for seconds in [0.001, 0.001_1, 30.0] {
            histogram.record(Duration::from_secs_f64(seconds));
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(0.001, 1), (0.01, 2)]);
        assert_eq!(histogram.count(), 3);
    }
}
