//! The JSON API. Field names are a contract and never change; unknown values are `null`.

mod cluster;
mod live;
mod verdict;

pub use self::{
    cluster::ScaleEvents,
    live::{NewAnswers, Overview, Picture},
};

use std::{net::SocketAddr, time::Duration};

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::model::{
    AnswerSeen, Decision, Evidence, FailureReason, FailureSeen, Notice, Outcome, Phase, ReplicaSnapshot, Role,
    Snapshot, TargetSnapshot,
    cluster::{ClusterSnapshot, StatefulSetSnapshot},
};

/// `/api/v1/targets`.
#[derive(Debug, Serialize)]
pub struct Targets<'a> {
    targets: Vec<Target<'a>>,
    /// The current step of the demo.
    #[serde(skip_serializing_if = "Option::is_none")]
    announcement: Option<String>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
pub struct Target<'a> {
    target: &'a str,
    up: bool,
    verdict: Option<&'static str>,
    reason: Option<String>,
    probes: u64,
    failures: u64,
    failures_by_reason: Failures<'a>,
    skipped: u64,
    primary_reads: u64,
    evidence_seconds: Option<f64>,
    threshold_seconds: Option<f64>,
    evidence: String,
    replicas_expected: usize,
    replicas_answering: usize,
    share_basis: String,
    replicas: Vec<Replica<'a>>,
    culprits: Option<Vec<verdict::Culprit<'a>>>,
    anomalies: Option<Vec<verdict::Anomaly<'a>>>,
    imbalance: Option<verdict::Indices>,
    notices: Vec<String>,
    routing: Option<cluster::Routing<'a>>,
    pvcs: Option<Vec<cluster::Pvc<'a>>>,
    mean_duration_seconds: MeanDurations,
    duration_quantiles_seconds: live::Quantiles<'a>,
    /// Left out for a reader that receives new reads as events.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_reads: Option<Vec<Answer<'a>>>,
    last_failures: Vec<Failure<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Checked<'a> {
    #[serde(flatten)]
    target: Target<'a>,
    exit_code: u8,
    p_value: Option<f64>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
struct Replica<'a> {
    replica: &'a str,
    server_id: Option<u32>,
    server_uuid: Option<&'a str>,
    host_name: Option<&'a str>,
    role: Option<&'static str>,
    version: Option<&'a str>,
    reads: u64,
    share: Option<f64>,
    expected_share: f64,
    why: String,
    share_lower: Option<f64>,
    share_upper: Option<f64>,
    lag_seconds: Option<f64>,
    lag_resolution_seconds: Option<f64>,
    stale_reads: Option<u64>,
    pod_probe_up: Option<bool>,
    gtid_executed: Option<&'a str>,
    #[serde(serialize_with = "optional_time")]
    last_answer: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(serialize_with = "time")]
    time: Timestamp,
    replica: &'a str,
    server_id: u32,
    #[serde(serialize_with = "optional_time")]
    server_time: Option<Timestamp>,
    #[serde(serialize_with = "seconds")]
    duration_seconds: Duration,
}

#[derive(Debug, Serialize)]
struct Failure<'a> {
    #[serde(serialize_with = "time")]
    time: Timestamp,
    reason: &'static str,
    error: &'a str,
    advice: &'static str,
    address: Option<SocketAddr>,
    #[serde(serialize_with = "seconds")]
    duration_seconds: Duration,
}

#[derive(Debug)]
struct Failures<'a>(&'a TargetSnapshot);

#[derive(Debug, Serialize)]
struct MeanDurations {
    resolve: Option<f64>,
    login: Option<f64>,
    query: Option<f64>,
    total: Option<f64>,
}

impl<'a> Targets<'a> {
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let told = snapshot.cluster.as_deref();
        Self {
            targets: snapshot.targets.iter().map(|target| Target::of(target, told).warned(snapshot)).collect(),
            announcement: snapshot.caption.as_ref().map(ToString::to_string),
        }
    }
}

impl<'a> Target<'a> {
    fn warned(mut self, snapshot: &Snapshot) -> Self {
        let refused = snapshot.configured.as_ref().and_then(|configured| configured.refused.clone());
        let warning = refused.map(|why| Notice::ConfigurationRefused { why }.to_string());
        self.notices.splice(0..0, warning);
        self
    }

    fn of(target: &'a TargetSnapshot, told: Option<&'a ClusterSnapshot>) -> Self {
        let here = |set: &&StatefulSetSnapshot| {
            target.service.as_ref().is_some_and(|service| service.namespace == set.name.namespace)
        };
        let pvcs = told.map(|told| cluster::Pvc::of(told.statefulsets.iter().filter(here)));
        let of_kubernetes = told.into_iter().flat_map(|told| &told.notices);
        let (seconds, threshold_seconds) = (target.evidence_seconds, target.threshold_seconds);
        let expected = || target.replicas.iter().filter(|replica| replica.expected_share > 0.0);
        Self {
            target: &target.name,
            up: target.up,
            verdict: Some(target.verdict.name()),
            reason: Some(target.verdict.to_string()),
            probes: target.probes,
            failures: target.failed(),
            failures_by_reason: Failures(target),
            skipped: target.skipped,
            primary_reads: target.primary_reads,
            evidence_seconds: Some(seconds),
            threshold_seconds: Some(threshold_seconds),
            evidence: Evidence { seconds, threshold_seconds }.to_string(),
            replicas_expected: expected().count(),
            replicas_answering: expected().filter(|replica| replica.reads > 0 && !target.is_silent(replica)).count(),
            share_basis: target.share_basis.to_string(),
            replicas: target.replicas.iter().map(Replica::of).collect(),
            culprits: Some(target.verdict.culprits().iter().map(verdict::Culprit::of).collect()),
            anomalies: Some(verdict::Anomaly::seen(target)),
            imbalance: target.indices.as_ref().map(verdict::Indices::of),
            notices: target
                .notices
                .iter()
                .map(ToString::to_string)
                .chain(of_kubernetes.map(ToString::to_string))
                .collect(),
            routing: target.routing.as_ref().map(cluster::Routing::of),
            pvcs,
            mean_duration_seconds: MeanDurations::of(target),
            duration_quantiles_seconds: live::Quantiles(&target.latency),
            last_reads: Some(target.last_reads.iter().map(Answer::of).collect()),
            last_failures: target.last_failures.iter().map(Failure::of).collect(),
        }
    }
}

impl<'a> Checked<'a> {
    /// `reason` explains the outcome, or why there is none.
    #[must_use]
    pub fn of(target: &'a TargetSnapshot, outcome: Option<&Outcome>, reason: String, exit_code: u8) -> Self {
        let mut shown = Target::of(target, None);
        shown.reason = Some(reason);
        shown.verdict = Some(match outcome.map(|outcome| outcome.decision) {
            Some(Decision::Balanced) => "balanced",
            Some(Decision::Unbalanced) => "unbalanced",
            Some(Decision::Undecided) | None => "undecided",
        });
        Self { target: shown, exit_code, p_value: outcome.map(|outcome| outcome.p_value) }
    }
}

impl<'a> Replica<'a> {
    fn of(replica: &'a ReplicaSnapshot) -> Self {
        let identity = replica.identity.as_ref();
        Self {
            replica: &replica.name,
            server_id: identity.map(|identity| identity.server_id),
            server_uuid: identity.and_then(|identity| identity.server_uuid.as_deref()),
            host_name: identity.map(|identity| &*identity.host_name),
            role: replica.role().map(Role::name),
            version: identity.map(|identity| &*identity.version),
            reads: replica.reads,
            share: replica.share,
            expected_share: replica.expected_share,
            why: replica.why.to_string(),
            share_lower: replica.share_interval.map(|interval| interval.lower),
            share_upper: replica.share_interval.map(|interval| interval.upper),
            lag_seconds: replica.lag.map(|lag| lag.behind.as_secs_f64()),
            lag_resolution_seconds: replica
                .lag
                .and_then(|lag| lag.resolution)
                .map(|resolution| resolution.as_secs_f64()),
            stale_reads: replica.stale_reads,
            pod_probe_up: replica.pod_probe_up,
            gtid_executed: identity.and_then(|identity| identity.gtid_executed.as_deref()),
            last_answer: replica.last_answer.map(|moment| moment.wall),
        }
    }
}

impl<'a> Answer<'a> {
    fn of(answer: &'a AnswerSeen) -> Self {
        Self {
            time: answer.time,
            replica: &answer.replica,
            server_id: answer.server_id,
            server_time: answer.server_time,
            duration_seconds: answer.duration,
        }
    }
}

impl<'a> Failure<'a> {
    fn of(failure: &'a FailureSeen) -> Self {
        Self {
            time: failure.time,
            reason: failure.reason.name(),
            error: &failure.text,
            advice: failure.reason.advice(),
            address: failure.address,
            duration_seconds: failure.duration,
        }
    }
}

impl Serialize for Failures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = FailureReason::ALL.into_iter().zip(self.0.failures);
        serializer.collect_map(counts.filter(|(_, count)| *count > 0).map(|(reason, count)| (reason.name(), count)))
    }
}

impl MeanDurations {
    fn of(target: &TargetSnapshot) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
        let mean = |phase| {
            let histogram = target.latency.phase(phase);
            (histogram.count() > 0).then(|| histogram.sum() / histogram.count() as f64)
        };
        Self {
            resolve: mean(Phase::Resolve),
            login: mean(Phase::Login),
            query: mean(Phase::Query),
            total: mean(Phase::Total),
        }
    }
}

fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

#[expect(clippy::ref_option, reason = "serde passes a reference")]
fn optional_time<S: Serializer>(maybe: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match maybe {
        Some(known) => time(known, serializer),
        None => serializer.serialize_none(),
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
