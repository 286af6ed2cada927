//! What the sources are to do for a target beyond its regular samples.

use std::{net::SocketAddr, time::Duration};

use super::sample::Sample;
use crate::model::base::PodRef;

/// How often a target is asked, and when more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeIntervals {
    /// Between regular samples.
    pub interval: Duration,
    /// Sampling while a new endpoint has not answered yet; absent: as always.
    pub burst: Option<Burst>,
    /// Between direct samples of one replica; absent: none are taken.
    pub direct: Option<Duration>,
    /// An answer that lacks what the primary had so long ago is stale.
    pub max_lag: Duration,
}

/// How a target is sampled while a new endpoint has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// Between samples.
    pub interval: Duration,
    /// How long at most.
    pub lasting: Duration,
}

/// What is to be done for one target now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbePlan {
    /// A new endpoint has not answered yet: samples are to follow each other as [`Burst`] says.
    pub burst: bool,
    /// Which pods are to be asked at their own addresses.
    pub direct: Vec<PodProbe>,
}

/// A pod that is to be asked at its own address, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodProbe {
    /// Which.
    pub pod: PodRef,
    /// Its addresses, to be tried one after the other as a client does.
    pub addresses: Vec<SocketAddr>,
    /// What for.
    pub purpose: Purpose,
    /// From one question to the next.
    pub every: Duration,
}

/// What a direct sample is taken for. They are counted apart, and none of them is a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Whether the replica can serve.
    Replica,
    /// What the primary has, so that it is known what the others lack.
    Primary,
}

/// A connection to a pod's own address, and what came of it.
#[derive(Clone, Debug)]
pub struct DirectSample {
    /// Which pod was asked.
    pub pod: PodRef,
    /// What for.
    pub purpose: Purpose,
    /// What came of it. Its place in the sequence means nothing.
    pub sample: Sample,
}

/// How many direct samples there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectCounts {
    /// Those that are over, by `Purpose as usize`.
    pub taken: [u64; Purpose::ALL.len()],
    /// Those of them without an answer.
    pub failed: [u64; Purpose::ALL.len()],
}

impl ProbeIntervals {
    /// Regular samples alone.
    #[must_use]
    pub fn regular(interval: Duration) -> Self {
        Self { interval, burst: None, direct: None, max_lag: Duration::from_secs(1) }
    }
}

impl Purpose {
    /// Both, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Replica, Self::Primary];

    /// The name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Replica => "replica",
            Self::Primary => "primary",
        }
    }
}

/// The time in which one of `endpoints` that are chosen evenly answers at least once at the 99th percentile, when samples
/// follow each other by `interval`: k samples miss it with the probability `(1 - 1/n)^k`, so it takes
/// `ln(0.01) / ln(1 - 1/n)` of them.
#[must_use]
pub(crate) fn first_read_uncertainty(endpoints: usize, interval: Duration) -> Duration {
    const MISSED: f64 = 0.01;
    #[expect(clippy::cast_precision_loss, reason = "endpoints are few")]
    let share = 1.0 / endpoints.max(1) as f64;
    interval.mul_f64((MISSED.ln() / (-share).ln_1p()).ceil().max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_read_is_known_to_the_time_of_the_samples_that_may_miss_it() {
        let interval = Duration::from_millis(20);
        for (endpoints, samples) in [(0, 1), (1, 1), (2, 7), (3, 12), (4, 17), (5, 21), (8, 35)] {
            assert_eq!(first_read_uncertainty(endpoints, interval), interval * samples, "{endpoints}");
        }
    }
}
