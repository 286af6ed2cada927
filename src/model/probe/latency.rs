//! How long answered samples took, by phase.

use std::time::Duration;

use super::sample::Timings;
use crate::model::base::Histogram;

/// Upper bounds in seconds. They reach past 1 s and 3 s, where a lost SYN and its retransmission show.
const BUCKET_BOUNDS: [f64; 15] =
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

/// One histogram a phase.
#[derive(Clone, Debug)]
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

impl Default for Latency {
    fn default() -> Self {
        Self { phases: std::array::from_fn(|_| Histogram::new(&BUCKET_BOUNDS)) }
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

/// Upper bounds in seconds. Timers have a resolution of a millisecond.
const DELAY_BOUNDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// How long after their time the samples of all targets started: what tells of a program that does not get the processor
/// that it needs.
#[derive(Clone, Debug)]
pub struct StartDelay(Histogram);

impl StartDelay {
    /// Counts one sample.
    pub(crate) fn record(&mut self, late: Duration) {
        self.0.record(late);
    }

    /// By duration.
    #[must_use]
    pub fn histogram(&self) -> &Histogram {
        &self.0
    }
}

impl Default for StartDelay {
    fn default() -> Self {
        Self(Histogram::new(&DELAY_BOUNDS))
    }
}
