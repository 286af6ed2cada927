//! What readscope knows and concludes: pure, deterministic, without I/O and without a clock.
//!
//! Facts come in as [`Event`]s, `now` is always an argument, and what comes out is a [`Snapshot`] that every view
//! renders. Nothing in here names an asynchronous runtime, a driver, a web server or a metrics library.

mod act;
mod anomaly;
pub mod balance;
mod burst;
pub mod cluster;
mod direct;
mod episode;
mod event;
mod expectation;
mod failure;
mod fairness;
mod freshness;
#[cfg(test)]
mod freshness_simulation;
mod gtid;
mod gtid_text;
mod histogram;
mod history;
mod judge;
mod latency;
mod lateness;
mod lineup;
mod membership;
mod moment;
mod news;
mod notice;
mod order;
mod plan;
mod replica;
mod roster;
mod sample;
mod snapshot;
mod state;
mod target;
mod trend;
mod trial;
mod troubles;
mod verdict;
mod why;

pub use act::Act;
pub use anomaly::{Anomaly, AnomalyKind, AnomalySeen};
pub use event::{Event, Told};
pub use expectation::{Expectation, ExpectationError, Expected};
pub use failure::{Failure, FailureReason};
pub use fairness::dirichlet_ln_evidence;
pub use freshness::{Freshness, Lag};
pub use gtid::{GTID_NUMBER_MAX, GtidSet};
pub use gtid_text::{GtidSetError, GtidSetProblem};
pub use histogram::Histogram;
pub use judge::VerdictRules;
pub use latency::{Latency, Phase};
pub use lateness::Lateness;
pub use lineup::{Configured, Lineup};
pub use moment::Moment;
pub use news::{News, Subject};
pub use notice::{Notice, Severity, Stranger};
pub use plan::{Ask, Burst, DirectCounts, DirectSample, Pace, Plan, Purpose};
pub use replica::Role;
pub use roster::{OTHER, REPLICAS_MAX};
pub use sample::{Answer, Identity, Sample, Timings};
pub use snapshot::{AnswerSeen, FailureSeen, ReplicaSnapshot, Snapshot, TargetSnapshot};
pub use state::State;
pub use target::{TargetId, TargetSpec};
pub use trend::{Trend, TrendPoint};
pub use trial::{Decision, Finding, Outcome, TrialRules};
pub use verdict::{AllAnswer, Culprit, CulpritKind, Evidence, FewSamples, Undecided, Verdict};
pub use why::{ShareBasis, Why};
