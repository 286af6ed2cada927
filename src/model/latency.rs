//! How long answered samples took, by phase, as cumulative-ready histogram counts.

use std::time::Duration;

use super::sample::Timings;

/// Upper bounds in seconds. They reach past 1 s and 3 s, where a lost SYN and its retransmission show.
pub const BUCKET_BOUNDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A phase of a sample: the `phase` label of `readscope_probe_duration_seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From the name to its addresses.
    Resolve,
    /// TCP connection, TLS and login.
    Login,
    /// The identity query.
    Query,
    /// The whole sample.
    Total,
}

/// Durations counted by [`BUCKET_BOUNDS`].
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Counts of each bucket alone, not cumulated; the last one is for what is above every bound.
    counts: [u64; BUCKET_BOUNDS.len() + 1],
    /// Sum of all durations in seconds.
    sum: f64,
}

/// One histogram a phase.
#[derive(Clone, Debug, Default)]
pub struct Latency {
    phases: [Histogram; Phase::ALL.len()],
}

impl Phase {
    /// Every phase, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Resolve, Self::Login, Self::Query, Self::Total];

    /// The name in metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Login => "login",
            Self::Query => "query",
            Self::Total => "total",
        }
    }
}

impl Histogram {
    fn record(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BUCKET_BOUNDS.partition_point(|bound| *bound < seconds);
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
        BUCKET_BOUNDS.into_iter().zip(running)
    }
}

impl Latency {
    /// Counts one answered sample.
    pub fn record(&mut self, timings: &Timings) {
        for (phase, duration) in
            Phase::ALL.into_iter().zip([timings.resolve, timings.login, timings.query, timings.total])
        {
            self.phases[phase as usize].record(duration);
        }
    }

    /// The histogram of one phase.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> &Histogram {
        &self.phases[phase as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_bucket_whose_bound_it_does_not_exceed() {
        let mut histogram = Histogram::default();
        for seconds in [0.001, 0.001_1, 30.0] {
            histogram.record(Duration::from_secs_f64(seconds));
        }
        let at_most: Vec<_> = histogram.cumulative().collect();
        assert_eq!(at_most[2], (0.001, 1));
        assert_eq!(at_most[3], (0.002_5, 2));
        assert_eq!(at_most[14], (10.0, 2));
        assert_eq!(histogram.count(), 3);
    }
}
