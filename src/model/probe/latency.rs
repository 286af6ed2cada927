//! Durations of reads by phase, and start delays.

use std::time::Duration;

use super::probe::Timings;
use crate::model::base::{Histogram, named_enum};

/// In seconds. The bounds reach past 1 s and 3 s, where a lost SYN and its retransmission show.
const BUCKET_BOUNDS: [f64; 15] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

named_enum! {
    /// The `phase` label of `readscope_probe_duration_seconds`.
    pub enum Phase {
        Resolve = "resolve",
        /// TCP connection, TLS and login.
        Login = "login",
        Query = "query",
        Total = "total",
    }
}

#[derive(Clone, Debug)]
pub struct Latency {
    phases: [Histogram; Phase::ALL.len()],
}

impl Default for Latency {
    fn default() -> Self {
        Self { phases: std::array::from_fn(|_| Histogram::new(&BUCKET_BOUNDS)) }
    }
}

impl Latency {
    pub fn record(&mut self, timings: &Timings) {
        for (phase, duration) in
            Phase::ALL.into_iter().zip([timings.resolve, timings.login, timings.query, timings.total])
        {
            self.phases[phase as usize].record(duration);
        }
    }

    pub fn phase(&self, phase: Phase) -> &Histogram {
        &self.phases[phase as usize]
    }
}

/// In seconds. Timers have a resolution of 1 ms.
const DELAY_BOUNDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Start delay of the probes of all targets. It grows when readscope is short of CPU.
#[derive(Clone, Debug)]
pub struct StartDelay(Histogram);

impl StartDelay {
    pub(crate) fn record(&mut self, late: Duration) {
        self.0.record(late);
    }

    pub fn histogram(&self) -> &Histogram {
        &self.0
    }
}

impl Default for StartDelay {
    fn default() -> Self {
        Self(Histogram::new(&DELAY_BOUNDS))
    }
}
