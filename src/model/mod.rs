//! The model: what readscope knows and concludes. It is pure and deterministic, without I/O and without a clock.
//!
//! [`Event`]s come in, `now` is always an argument, and a [`Snapshot`] comes out that every view renders. Nothing here
//! depends on an asynchronous runtime, a driver, an HTTP server or a metrics library.

mod base;
mod clients;
pub mod cluster;
mod event;
mod freshness;
mod notice;
mod probe;
mod snapshot;
mod state;
mod target;
mod verdict;

pub(crate) use base::Count;
pub use base::{Histogram, Moment, OTHER, REPLICAS_MAX, SERVICE_PORT, Severity};
pub use clients::{ClientsState, ReplicaClients};
pub use cluster::ClusterNotice;
pub use event::{Event, TargetSet, WatchUpdate};
pub use freshness::{GtidSet, Lag};
pub use notice::{Notice, Notification, Subject};
pub use probe::{
    Anomaly, AnomalyKind, AnomalySeen, Answer, Budgets, Burst, Charge, Counted, Failure, FailureReason, Held, Identity,
    Latency, Pause, Phase, PodKey, PodProbe, PodProbeCounts, PodProbeResult, Probe, ProbeIntervals, ProbePlan,
    ProbePurpose, Role, ServerStatus, StartDelay, Timings, Unrouted,
};
pub use snapshot::{ConfigStatus, Snapshot};
pub use state::State;
pub use target::{
    AnswerSeen, ConditionKind, FailureSeen, ReplicaCondition, ReplicaSnapshot, Status, TargetId, TargetNotice,
    TargetSnapshot, TargetSpec, TrendPoint,
};
pub use verdict::evidence;
pub use verdict::{
    CheckRules, Culprit, CulpritKind, Decision, Evidence, Expectation, ExpectationError, Expected, FewProbes, Outcome,
    ShareBasis, Undecided, UndecidedReason, UnderWay, Verdict, VerdictRules, dirichlet_ln_evidence,
};
