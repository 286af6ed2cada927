//! Results of probes: reads and failures, durations and anomalies.

mod anomaly;
mod budget;
mod failure;
mod latency;
mod plan;
mod probe;

pub use anomaly::{Anomaly, AnomalyKind, AnomalySeen, Unrouted};
pub use budget::{Budgets, Counted, Held, Pause, PodKey};
pub use failure::{Charge, Failure, FailureReason};
pub use latency::{Latency, Phase, StartDelay};
pub use plan::{Burst, PodProbe, PodProbeCounts, PodProbeResult, ProbeIntervals, ProbePlan, ProbePurpose};
pub use probe::{Answer, Identity, Probe, Role, ServerStatus, Timings};

pub(crate) use plan::first_read_uncertainty;
pub(crate) use probe::{PodClients, PodRead, ServerKey};
