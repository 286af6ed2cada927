//! What readscope knows and concludes: pure, deterministic, without I/O and without a clock.
//!
//! Facts come in as [`Event`]s, `now` is always an argument, and what comes out is a [`Snapshot`] that every view
//! renders. Nothing in here names an asynchronous runtime, a driver, a web server or a metrics library.

mod act;
mod base;
pub mod cluster;
mod event;
mod freshness;
mod lineup;
mod news;
mod notice;
mod probe;
mod snapshot;
mod state;
mod target;
mod verdict;

pub use act::Act;
pub use base::{Histogram, Moment};
pub use event::{Event, Told};
pub use freshness::{Freshness, GTID_NUMBER_MAX, GtidSet, GtidSetError, GtidSetProblem, Lag};
pub use lineup::{Configured, Lineup};
pub use news::{News, Subject};
pub use notice::{Notice, Severity, Stranger};
pub use probe::{
    Anomaly, AnomalyKind, AnomalySeen, Answer, Ask, Burst, DirectCounts, DirectSample, Failure, FailureReason,
    Identity, Latency, Lateness, Pace, Phase, Plan, Purpose, Sample, Timings,
};
pub use snapshot::{AnswerSeen, FailureSeen, ReplicaSnapshot, Snapshot, TargetSnapshot};
pub use state::State;
pub use target::{OTHER, REPLICAS_MAX, Role, ShareBasis, TargetId, TargetSpec, Trend, TrendPoint, Why};
pub use verdict::{
    AllAnswer, Culprit, CulpritKind, Decision, Evidence, Expectation, ExpectationError, Expected, FewSamples, Finding,
    Outcome, TrialRules, Undecided, Verdict, VerdictRules, dirichlet_ln_evidence, evidence,
};
