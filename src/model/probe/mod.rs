//! What a probe brings, as values: the answer or the failure, how long it took, and what is wrong with it.

mod anomaly;
mod failure;
mod latency;
mod plan;
mod sample;
mod start_delay;

pub use anomaly::{Anomaly, AnomalyKind, AnomalySeen};
pub use failure::{Failure, FailureReason};
pub use latency::{Latency, Phase};
pub use plan::{Ask, Burst, DirectCounts, DirectSample, Pace, Plan, Purpose};
pub use sample::{Answer, Identity, Sample, Timings};
pub use start_delay::Lateness;

pub(crate) use anomaly::{Anomalies, version_skew};
pub(crate) use failure::PastFailure;
pub(crate) use plan::first_read_uncertainty;
