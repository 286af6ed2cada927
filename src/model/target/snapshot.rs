//! One target as views show it.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    notice::TargetNotice,
    share_reason::{ShareBasis, ShareReason},
    trend::Trend,
};
use crate::model::{
    base::{Moment, ObjectName},
    cluster::Routing,
    freshness::Lag,
    probe::{AnomalySeen, DirectCounts, Failure, FailureReason, Identity, Latency, Role, Unrouted},
    verdict::{
        Culprit, CulpritKind, Outcome, Verdict,
        evidence::{Indices, ShareInterval},
    },
};

/// One target as it was when something last changed.
#[derive(Clone, Debug)]
pub struct TargetSnapshot {
    /// The `target` label.
    pub name: Arc<str>,
    /// The Service that it reads through, if it is known as one.
    pub service: Option<ObjectName>,
    /// Whether one of the last 10 samples got an answer.
    pub up: bool,
    /// Samples that are over, answered or failed.
    pub samples: u64,
    /// Failed samples, by `FailureReason as usize`.
    pub failures: [u64; FailureReason::ALL.len()],
    /// Samples that were due and not taken.
    pub skipped: u64,
    /// Answers of servers that were not read-only.
    pub primary_reads: u64,
    /// Answers of servers to which nothing should have been routed, by `Unrouted as usize`.
    pub strangers: [u64; Unrouted::ALL.len()],
    /// How often answers showed something wrong, every kind once.
    pub anomalies: Vec<AnomalySeen>,
    /// Whether its reads are balanced; its [`fmt::Display`](std::fmt::Display) is the sentence for people.
    pub verdict: Verdict,
    /// Chance alone brings this much evidence of unbalanced reads about at most once in so many seconds.
    pub evidence_seconds: f64,
    /// The evidence at which it is an alarm: the false-alarm period times the number of targets.
    pub threshold_seconds: f64,
    /// How often an alarm began.
    pub alarms: u64,
    /// How often the expected replicas or their weights changed, so that a part of the evidence began anew.
    pub restarts: u64,
    /// How far the recent answers are from the expected shares; absent before the first answer, and where fewer than two
    /// replicas are compared.
    pub indices: Option<Indices>,
    /// How it fared lately.
    pub trend: Arc<Trend>,
    /// How long answered samples took.
    pub latency: Latency,
    /// Direct samples; absent where none are taken.
    pub direct: Option<DirectCounts>,
    /// Sorted by name.
    pub replicas: Vec<ReplicaSnapshot>,
    /// What their shares rest on.
    pub share_basis: ShareBasis,
    /// What the Service routes to; absent without a Service, and until it is known.
    pub routing: Option<Routing>,
    /// Newest first, bounded.
    pub last_answers: Arc<VecDeque<AnswerSeen>>,
    /// Newest first, bounded.
    pub last_failures: Vec<FailureSeen>,
    /// What is wrong now.
    pub notices: Vec<TargetNotice>,
    /// How the bounded test ended, once it has; only `check` asks for one.
    pub check: Option<Outcome>,
}

/// One replica of a target.
#[derive(Clone, Debug)]
pub struct ReplicaSnapshot {
    /// Its name, unique in the target.
    pub name: Arc<str>,
    /// What it last said of itself; absent until it has answered.
    pub identity: Option<Arc<Identity>>,
    /// Its answers since it is known.
    pub reads: u64,
    /// When it last answered.
    pub last_answer: Option<Moment>,
    /// Its part of the recent answers, 0 to 1, an answer weighing half after 5 minutes; absent before the first answer.
    pub share: Option<f64>,
    /// The part it should give, 0 to 1.
    pub expected_share: f64,
    /// Between what its share among the expected replicas is, at all times at once but for 5 % of targets, if it has been
    /// constant since the expectation or the alarm last changed; absent where it is not compared with others.
    pub share_interval: Option<ShareInterval>,
    /// Why that part.
    pub why: ShareReason,
    /// Whether it answered the last direct sample; absent before the first.
    pub direct_up: Option<bool>,
    /// How far it was behind the primary in its last answer; absent while that is not known.
    pub lag: Option<Lag>,
    /// Its answers through the Service that were stale; absent as long as it was never known which are.
    pub stale_reads: Option<u64>,
}

/// One answer on the tape.
#[derive(Clone, Debug)]
pub struct AnswerSeen {
    /// When it came.
    pub time: Timestamp,
    /// Who gave it.
    pub replica: Arc<str>,
    /// The server's id at that moment.
    pub server_id: u32,
    /// The server's own clock.
    pub server_time: Option<Timestamp>,
    /// How long the sample took.
    pub duration: Duration,
}

/// One failed sample.
#[derive(Clone, Debug)]
pub struct FailureSeen {
    /// When it was known.
    pub time: Timestamp,
    /// Why.
    pub reason: FailureReason,
    /// The whole error.
    pub text: String,
    /// The address that was tried.
    pub address: Option<SocketAddr>,
    /// How long the sample took to fail.
    pub duration: Duration,
}

impl TargetSnapshot {
    /// All failed samples.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// Whether a replica gives nothing at present, as far as that can be told.
    #[must_use]
    pub fn is_silent(&self, replica: &ReplicaSnapshot) -> bool {
        let missed = |notice: &TargetNotice| matches!(notice, TargetNotice::Silent { replica: name, .. } if *name == replica.name);
        let dead = |culprit: &Culprit| culprit.replica == replica.name && culprit.kind == CulpritKind::Dead;
        self.notices.iter().any(missed) || self.verdict.culprits().iter().any(dead)
    }
}

impl ReplicaSnapshot {
    /// What it is, once it has answered.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.identity.as_ref().map(|identity| Role::of(identity.read_only))
    }
}

impl FailureSeen {
    pub(crate) fn new(failure: Failure, started: Moment, finished: Moment) -> Self {
        let Failure { reason, text, address } = failure;
        Self { time: finished.wall, reason, text, address, duration: finished.since(started) }
    }
}
