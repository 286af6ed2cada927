//! The snapshot of one target.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    condition::ReplicaCondition, notice::TargetNotice, read_history::Trend, share_reason::ShareReason, status::Status,
};
use crate::model::{
    base::{Histogram, Moment, ObjectName},
    clients::{ClientsState, ReplicaClients},
    cluster::Routing,
    freshness::Lag,
    probe::{AnomalySeen, Failure, FailureReason, Identity, Latency, Pause, PodProbeCounts, Role, Unrouted},
    verdict::{
        Culprit, CulpritKind, Outcome, ShareBasis, Verdict,
        evidence::{Indices, ShareInterval},
    },
};

#[derive(Clone, Debug)]
pub struct TargetSnapshot {
    /// The `target` label.
    pub name: Arc<str>,
    /// Absent if the target is not known as a Service.
    pub service: Option<ObjectName>,
    /// False after 10 failures in a row.
    pub up: bool,
    pub status: Status,
    /// The worse of status and verdict, in one sentence.
    pub headline: String,
    pub probes: u64,
    /// By `FailureReason as usize`.
    pub failures: [u64; FailureReason::ALL.len()],
    pub skipped: u64,
    pub pause: Option<Pause>,
    pub primary_reads: u64,
    /// Reads of servers that should get no traffic, by `Unrouted as usize`.
    pub unrouted: [u64; Unrouted::ALL.len()],
    pub anomalies: Vec<AnomalySeen>,
    pub verdict: Verdict,
    /// Evidence this large occurs by chance at most about once in this many seconds.
    pub evidence_seconds: f64,
    /// The evidence of an alarm: the false-alarm period times the number of targets.
    pub threshold_seconds: f64,
    pub alarms: u64,
    /// Partial restarts of the evidence: the expected replicas or their weights changed.
    pub restarts: u64,
    /// Distance of the recent reads from the expected shares; absent before the first read and with fewer than two
    /// replicas.
    pub indices: Option<Indices>,
    pub trend: Arc<Trend>,
    pub latency: Latency,
    pub pod_probes: Option<PodProbeCounts>,
    /// Sorted by name.
    pub replicas: Vec<ReplicaSnapshot>,
    pub share_basis: ShareBasis,
    /// Failed probes, and probes, of the latest ones.
    pub failing: (usize, usize),
    /// Absent without a Service, and until the routing is known.
    pub routing: Option<Routing>,
    /// False while pod probes may still find the servers of endpoints, which gives replicas their names.
    pub servers_known: bool,
    /// Newest first, bounded.
    pub last_reads: Arc<VecDeque<AnswerSeen>>,
    /// Newest first, bounded.
    pub last_failures: Vec<FailureSeen>,
    pub clients: ClientsState,
    /// Conditions that last now.
    pub notices: Vec<TargetNotice>,
    pub check: Option<Outcome>,
}

#[derive(Clone, Debug)]
pub struct ReplicaSnapshot {
    /// Unique in the target.
    pub name: Arc<str>,
    /// Its name is that of a pod.
    pub is_pod: bool,
    /// Of the endpoint; absent while unknown.
    pub node: Option<Arc<str>>,
    pub identity: Option<Arc<Identity>>,
    pub reads: u64,
    pub last_answer: Option<Moment>,
    /// Of the reads of `share_basis`, 0 to 1; absent without any.
    pub share: Option<f64>,
    /// 0 to 1.
    pub expected_share: f64,
    /// Interval of the share, valid for 95 % of targets, from the same reads. It assumes that the share is constant over
    /// them. Absent if the replica is not compared.
    pub share_interval: Option<ShareInterval>,
    pub why: ShareReason,
    /// Result of the last pod probe; absent before the first.
    pub pod_probe_up: Option<bool>,
    /// As of its last answer to a probe or pod probe; absent while unknown.
    pub lag: Option<Lag>,
    /// Through the Service; absent until stale reads can be recognised.
    pub stale_reads: Option<u64>,
    /// Of its reads, without the time to resolve the address.
    pub durations: Histogram,
    /// Absent while unknown.
    pub clients: Option<ReplicaClients>,
    /// Client reads since the first reading; absent before it.
    pub client_reads: Option<u64>,
    /// The worst first.
    pub conditions: Vec<ReplicaCondition>,
}

#[derive(Clone, Debug)]
pub struct AnswerSeen {
    pub time: Timestamp,
    pub replica: Arc<str>,
    pub server_id: u32,
    /// The server's own clock.
    pub server_time: Option<Timestamp>,
    pub duration: Duration,
}

#[derive(Clone, Debug)]
pub struct FailureSeen {
    pub time: Moment,
    pub reason: FailureReason,
    pub text: String,
    pub advice: &'static str,
    pub address: Option<SocketAddr>,
    pub duration: Duration,
}

impl TargetSnapshot {
    pub fn failed(&self) -> u64 {
        self.failures.iter().sum()
    }

    pub fn is_silent(&self, replica: &ReplicaSnapshot) -> bool {
        let missed = |notice: &TargetNotice| matches!(notice, TargetNotice::Silent { replica: name, .. } if *name == replica.name);
        let dead = |culprit: &Culprit| culprit.replica == replica.name && culprit.kind == CulpritKind::Dead;
        let unread = |condition: &ReplicaCondition| condition.kind.is_outage_of_reads();
        let is_said = self.notices.iter().any(missed) || replica.conditions.iter().any(unread);
        is_said || self.verdict.culprits().iter().any(dead)
    }
}

impl ReplicaSnapshot {
    /// It should serve and does not.
    pub fn is_out(&self) -> bool {
        self.conditions.iter().any(|condition| condition.kind.is_outage())
    }

    pub fn role(&self) -> Option<Role> {
        self.identity.as_ref().map(|identity| Role::of(identity.read_only))
    }
}

impl FailureSeen {
    pub(crate) fn new(failure: Failure, started: Moment, finished: Moment) -> Self {
        let advice = failure.advice();
        let Failure { reason, text, address, .. } = failure;
        Self { advice, time: finished, reason, text, address, duration: finished.since(started) }
    }
}
