//! The plan of a target: how often to probe it, and which pods.

use std::{net::SocketAddr, time::Duration};

use super::probe::Probe;
use crate::model::base::{PodRef, named_enum};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeIntervals {
    pub interval: Duration,
    /// For a new endpoint that has not answered yet; absent: the regular interval stays.
    pub burst: Option<Burst>,
    /// Between pod probes of one replica; absent: no pod probes.
    pub pod_interval: Option<Duration>,
    /// Between readings of the status counters of one replica; absent: no readings.
    pub clients_interval: Option<Duration>,
    /// A read is stale if it lacks what the primary had this long ago.
    pub max_lag: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    pub interval: Duration,
    pub lasting: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbePlan {
    /// A new endpoint has not answered yet: [`Burst`] applies.
    pub burst: bool,
    /// The port of the Service, once it is known.
    pub port: Option<u16>,
    /// The Service is headless: the client chooses among the addresses in DNS. Their order stays the same while a DNS
    /// server caches the answer.
    pub chooses_address: bool,
    pub pod_probes: Vec<PodProbe>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodProbe {
    pub pod: PodRef,
    /// Of its containers together.
    pub restarts: u32,
    /// Tried one after the other, as a client does.
    pub addresses: Vec<SocketAddr>,
    pub purpose: ProbePurpose,
    pub every: Duration,
}

named_enum! {
    /// Counted separately; a pod probe is never a read.
    pub enum ProbePurpose {
        /// Whether the replica can serve.
        Replica = "replica",
        /// What the primary has executed, to measure the lag of the others.
        Primary = "primary",
    }
}

#[derive(Clone, Debug)]
pub struct PodProbeResult {
    pub pod: PodRef,
    pub purpose: ProbePurpose,
    /// Its `sequence` has no meaning.
    pub probe: Probe,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodProbeCounts {
    /// Ended probes, by `ProbePurpose as usize`.
    pub taken: [u64; ProbePurpose::ALL.len()],
    pub failed: [u64; ProbePurpose::ALL.len()],
}

impl ProbeIntervals {
    /// Without bursts and pod probes.
    pub fn regular(interval: Duration) -> Self {
        Self { interval, burst: None, pod_interval: None, clients_interval: None, max_lag: Duration::from_secs(1) }
    }
}

/// Time in which one of `endpoints` answers at least once with a probability of 99 %, with probes `interval` apart. k
/// probes miss it with the probability `(1 - 1/n)^k`, so it takes `ln(0.01) / ln(1 - 1/n)` probes.
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
    fn the_first_read_uncertainty_covers_probes_that_may_miss_it() {
        let interval = Duration::from_millis(20);
        for (endpoints, probes) in [(0, 1), (1, 1), (2, 7), (3, 12), (4, 17), (5, 21), (8, 35)] {
            assert_eq!(first_read_uncertainty(endpoints, interval), interval * probes, "{endpoints}");
        }
    }
}
