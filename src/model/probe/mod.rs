//! Results of probes: reads and failures, durations and anomalies.

mod anomaly;
mod failure;
mod latency;
mod plan;
mod sample;

pub use anomaly::{Anomaly, AnomalyKind, AnomalySeen, Unrouted};
pub use failure::{Failure, FailureReason};
pub use latency::{Latency, Phase, StartDelay};
pub use plan::{Burst, DirectCounts, DirectSample, PodProbe, ProbeIntervals, ProbePlan, Purpose};
pub use sample::{Answer, Identity, Role, Sample, Timings};

pub(crate) use plan::first_read_uncertainty;
pub(crate) use sample::PodRead;
