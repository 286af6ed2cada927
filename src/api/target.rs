//! One target in full.

use std::{borrow::Cow, collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Text, Time,
    cluster::{Pvc, Routing},
};
use crate::model::{
    self, AnswerSeen, ClientsState, Decision, Evidence, FailureReason, FailureSeen, Histogram, Latency, Notice,
    Outcome, Phase, ReplicaCondition, ReplicaSnapshot, Role, Snapshot, TargetSnapshot, cluster::ClusterSnapshot,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target<'a> {
    pub target: Text<'a>,
    #[serde(default)]
    pub up: bool,
    pub status: Option<Text<'a>>,
    /// The worse of status and verdict, in one sentence.
    pub headline: Option<Text<'a>>,
    pub verdict: Option<Text<'a>>,
    pub reason: Option<Text<'a>>,
    pub probes: u64,
    pub failures: u64,
    /// The latest probes, on which the verdict rests, and how many of them failed.
    #[serde(default)]
    pub recent_probes: usize,
    #[serde(default)]
    pub recent_failures: usize,
    /// In the order of [`FailureReason::ALL`].
    #[serde(default, serialize_with = "as_map", deserialize_with = "from_map")]
    pub failures_by_reason: Vec<(Text<'a>, u64)>,
    #[serde(default)]
    pub skipped: u64,
    #[serde(default)]
    pub primary_reads: u64,
    pub evidence_seconds: Option<f64>,
    pub threshold_seconds: Option<f64>,
    pub evidence: Option<Text<'a>>,
    #[serde(default)]
    pub replicas_expected: usize,
    #[serde(default)]
    pub replicas_answering: usize,
    pub share_basis: Option<Text<'a>>,
    pub replicas: Vec<Replica<'a>>,
    pub culprits: Option<Vec<Culprit<'a>>>,
    pub anomalies: Option<Vec<Anomaly<'a>>>,
    pub clients: Option<Clients<'a>>,
    pub imbalance: Option<Indices>,
    #[serde(default)]
    pub notices: Vec<Text<'a>>,
    pub routing: Option<Routing<'a>>,
    pub pvcs: Option<Vec<Pvc<'a>>>,
    #[serde(default)]
    pub mean_duration_seconds: ByPhase<Option<f64>>,
    #[serde(default)]
    pub duration_quantiles_seconds: ByPhase<Quantiles>,
    /// Newest first. Left out for a reader that receives new reads as events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_reads: Option<Vec<Read<'a>>>,
    /// Newest first.
    #[serde(default)]
    pub last_failures: Vec<Failure<'a>>,
}

/// The result of `check`.
#[derive(Clone, Debug, Serialize)]
pub struct Checked<'a> {
    #[serde(flatten)]
    pub target: Target<'a>,
    pub exit_code: u8,
    pub p_value: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Replica<'a> {
    pub replica: Text<'a>,
    pub server_id: Option<u32>,
    pub server_uuid: Option<Text<'a>>,
    pub host_name: Option<Text<'a>>,
    pub role: Option<Text<'a>>,
    pub version: Option<Text<'a>>,
    pub reads: u64,
    pub share: Option<f64>,
    pub expected_share: f64,
    pub why: Option<Text<'a>>,
    pub share_lower: Option<f64>,
    pub share_upper: Option<f64>,
    pub lag_seconds: Option<f64>,
    pub lag_resolution_seconds: Option<f64>,
    pub stale_reads: Option<u64>,
    pub pod_probe_up: Option<bool>,
    pub clients: Option<ReplicaClients>,
    pub gtid_executed: Option<Text<'a>>,
    pub last_answer: Option<Time>,
    /// The worst first.
    pub conditions: Vec<Condition<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition<'a> {
    pub kind: Text<'a>,
    pub since: Time,
    /// With the name of the replica, and what to do.
    pub text: Text<'a>,
    /// A step of a roll-out, a scale event or a restart, within its usual time.
    #[serde(default)]
    pub planned: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Culprit<'a> {
    pub replica: Text<'a>,
    pub kind: Text<'a>,
    /// Fraction of the evidence.
    pub part: f64,
    pub share: f64,
    pub expected_share: f64,
    pub reason: Text<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly<'a> {
    pub kind: Text<'a>,
    pub answers: u64,
    pub reason: Option<Text<'a>>,
}

/// Distance of recent reads from the expected shares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Indices {
    pub misrouted_share: f64,
    pub misrouted_share_noise: f64,
    pub effective_replicas: f64,
    pub share_dispersion: f64,
    pub share_ratio_max: f64,
    pub missing_replicas: usize,
}

/// Whether the client connections are even.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clients<'a> {
    pub state: Text<'a>,
    pub reason: Text<'a>,
}

/// What clients do on the replica. Shares are those among all expected replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReplicaClients {
    pub connections: u64,
    pub connection_share: Option<f64>,
    pub reads_per_second: Option<f64>,
    pub read_share: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Read<'a> {
    pub time: Time,
    pub replica: Text<'a>,
    pub server_id: u32,
    /// The server's own clock.
    pub server_time: Option<Time>,
    #[serde(default)]
    pub duration_seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure<'a> {
    pub time: Time,
    pub reason: Text<'a>,
    pub error: Text<'a>,
    pub advice: Text<'a>,
    pub address: Option<SocketAddr>,
    #[serde(default)]
    pub duration_seconds: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ByPhase<T: Default> {
    pub resolve: T,
    pub login: T,
    pub query: T,
    pub total: T,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    #[serde(rename = "0.5")]
    pub median: Option<f64>,
    #[serde(rename = "0.9")]
    pub ninth_decile: Option<f64>,
    #[serde(rename = "0.99")]
    pub percentile_99: Option<f64>,
}

impl<'a> Target<'a> {
    pub fn of(snapshot: &'a Snapshot, target: &'a TargetSnapshot) -> Self {
        let mut document = Self::with_cluster(target, snapshot.cluster.as_deref());
        let refused = snapshot.config_status.as_ref().and_then(|configured| configured.refused.clone());
        let warning = refused.map(|why| Notice::ConfigurationRefused { why }.to_string().into());
        document.notices.splice(0..0, warning);
        document
    }

    fn with_cluster(target: &'a TargetSnapshot, cluster: Option<&'a ClusterSnapshot>) -> Self {
        let notices = target.notices.iter().map(ToString::to_string);
        let cluster_notices = cluster.into_iter().flat_map(|cluster| &cluster.notices).map(ToString::to_string);
        let (seconds, threshold_seconds) = (target.evidence_seconds, target.threshold_seconds);
        let [expected, answering] = expected_and_answering(target);
        Self {
            target: (&*target.name).into(),
            up: target.up,
            status: Some(target.status.name().into()),
            headline: Some(target.headline.as_str().into()),
            verdict: Some(target.verdict.name().into()),
            reason: Some(target.verdict.to_string().into()),
            probes: target.probes,
            failures: target.failed(),
            recent_probes: target.failing.1,
            recent_failures: target.failing.0,
            failures_by_reason: FailureReason::ALL
                .into_iter()
                .zip(target.failures)
                .filter(|(_, count)| *count > 0)
                .map(|(reason, count)| (reason.name().into(), count))
                .collect(),
            skipped: target.skipped,
            primary_reads: target.primary_reads,
            evidence_seconds: Some(seconds),
            threshold_seconds: Some(threshold_seconds),
            evidence: Some(Evidence { seconds, threshold_seconds }.to_string().into()),
            replicas_expected: expected,
            replicas_answering: answering,
            share_basis: Some(target.share_basis.to_string().into()),
            replicas: target.replicas.iter().map(Replica::of).collect(),
            culprits: Some(target.verdict.culprits().iter().map(Culprit::of).collect()),
            anomalies: Some(Anomaly::seen(target)),
            clients: Some(Clients::of(&target.clients)),
            imbalance: target.indices.as_ref().map(Indices::of),
            notices: notices.chain(cluster_notices).map(Cow::Owned).collect(),
            routing: target.routing.as_ref().map(Routing::of),
            pvcs: cluster.map(|cluster| Pvc::beside(target, cluster)),
            mean_duration_seconds: ByPhase::of(&target.latency, mean),
            duration_quantiles_seconds: ByPhase::of(&target.latency, Quantiles::of),
            last_reads: Some(target.last_reads.iter().map(Read::of).collect()),
            last_failures: target.last_failures.iter().map(Failure::of).collect(),
        }
    }
}

/// The number of replicas that should serve, and how many of them answer.
pub(super) fn expected_and_answering(target: &TargetSnapshot) -> [usize; 2] {
    let expected = target.replicas.iter().filter(|replica| replica.expected_share > 0.0 || replica.is_out());
    let answers = |replica: &&ReplicaSnapshot| replica.reads > 0 && !target.is_silent(replica);
    let answering = expected.clone().filter(answers);
    [expected.count(), answering.count()]
}

impl<'a> Checked<'a> {
    /// `headline` explains the outcome, or why there is none.
    pub fn of(target: &'a TargetSnapshot, outcome: Option<&Outcome>, headline: String, exit_code: u8) -> Self {
        let verdict = match outcome.map(|outcome| outcome.decision) {
            Some(Decision::Balanced) => "balanced",
            Some(Decision::Unbalanced) => "unbalanced",
            Some(Decision::Undecided) | None => "undecided",
        };
        let reason = outcome.map_or_else(|| headline.clone(), |outcome| outcome.finding.to_string());
        let (reason, verdict, headline) = (Some(reason.into()), Some(verdict.into()), Some(headline.into()));
        let target = Target { headline, verdict, reason, ..Target::with_cluster(target, None) };
        Self { target, exit_code, p_value: outcome.map(|outcome| outcome.p_value) }
    }
}

impl<'a> Replica<'a> {
    fn of(replica: &'a ReplicaSnapshot) -> Self {
        let identity = replica.identity.as_deref();
        let optional = |text: Option<&'a String>| text.map(|text| text.as_str().into());
        Self {
            replica: (&*replica.name).into(),
            server_id: identity.map(|identity| identity.server_id),
            server_uuid: optional(identity.and_then(|identity| identity.server_uuid.as_ref())),
            host_name: optional(identity.map(|identity| &identity.host_name)),
            role: replica.role().map(|role| Role::name(role).into()),
            version: optional(identity.map(|identity| &identity.version)),
            reads: replica.reads,
            share: replica.share,
            expected_share: replica.expected_share,
            why: Some(replica.why.to_string().into()),
            share_lower: replica.share_interval.map(|interval| interval.lower),
            share_upper: replica.share_interval.map(|interval| interval.upper),
            lag_seconds: replica.lag.map(|lag| lag.behind.as_secs_f64()),
            lag_resolution_seconds: replica
                .lag
                .and_then(|lag| lag.resolution)
                .map(|resolution| resolution.as_secs_f64()),
            stale_reads: replica.stale_reads,
            pod_probe_up: replica.pod_probe_up,
            clients: replica.clients.as_ref().map(ReplicaClients::of),
            gtid_executed: optional(identity.and_then(|identity| identity.gtid_executed.as_ref())),
            last_answer: replica.last_answer.map(|moment| Time(moment.wall)),
            conditions: replica.conditions.iter().map(Condition::of).collect(),
        }
    }
}

impl<'a> Culprit<'a> {
    fn of(culprit: &'a model::Culprit) -> Self {
        Self {
            replica: (&*culprit.replica).into(),
            kind: culprit.kind.name().into(),
            part: culprit.part,
            share: culprit.share,
            expected_share: culprit.expected,
            reason: culprit.to_string().into(),
        }
    }
}

impl<'a> Anomaly<'a> {
    fn seen(target: &'a TargetSnapshot) -> Vec<Self> {
        let seen = target.anomalies.iter().filter(|seen| seen.reads > 0);
        let anomaly = |seen: &'a model::AnomalySeen| Self {
            kind: seen.kind.into(),
            answers: seen.reads,
            reason: seen.latest.as_deref().map(Into::into),
        };
        seen.map(anomaly).collect()
    }
}

impl Indices {
    fn of(indices: &model::evidence::Indices) -> Self {
        Self {
            misrouted_share: indices.misrouted,
            misrouted_share_noise: indices.misrouted_noise,
            effective_replicas: indices.effective_replicas,
            share_dispersion: indices.dispersion,
            share_ratio_max: indices.ratio_max,
            missing_replicas: indices.missing,
        }
    }
}

impl Clients<'_> {
    fn of(state: &ClientsState) -> Self {
        Self { state: state.name().into(), reason: state.to_string().into() }
    }
}

impl ReplicaClients {
    fn of(clients: &model::ReplicaClients) -> Self {
        let model::ReplicaClients { connections, connection_share, reads_per_second, read_share } = *clients;
        Self { connections, connection_share, reads_per_second, read_share }
    }
}

impl Condition<'_> {
    fn of(condition: &ReplicaCondition) -> Self {
        let ReplicaCondition { kind, since, planned, .. } = *condition;
        Self { kind: kind.name().into(), since: Time(since), text: condition.to_string().into(), planned }
    }
}

impl<'a> Read<'a> {
    pub fn of(read: &'a AnswerSeen) -> Self {
        Self {
            time: Time(read.time),
            replica: (&*read.replica).into(),
            server_id: read.server_id,
            server_time: read.server_time.map(Time),
            duration_seconds: read.duration.as_secs_f64(),
        }
    }
}

impl<'a> Failure<'a> {
    fn of(failure: &'a FailureSeen) -> Self {
        Self {
            time: Time(failure.time.wall),
            reason: failure.reason.name().into(),
            error: failure.text.as_str().into(),
            advice: failure.advice.into(),
            address: failure.address,
            duration_seconds: failure.duration.as_secs_f64(),
        }
    }
}

impl<T: Default> ByPhase<T> {
    fn of(latency: &Latency, value: impl Fn(&Histogram) -> T) -> Self {
        let [resolve, login, query, total] =
            [Phase::Resolve, Phase::Login, Phase::Query, Phase::Total].map(|phase| value(latency.phase(phase)));
        Self { resolve, login, query, total }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn mean(histogram: &Histogram) -> Option<f64> {
    (histogram.count() > 0).then(|| histogram.sum() / histogram.count() as f64)
}

impl Quantiles {
    fn of(histogram: &Histogram) -> Self {
        let [median, ninth_decile, percentile_99] = [0.5, 0.9, 0.99].map(|part| histogram.quantile(part));
        Self { median, ninth_decile, percentile_99 }
    }
}

fn as_map<S: Serializer>(counts: &[(Text<'_>, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(name, count)| (name, count)))
}

fn from_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Text<'static>, u64)>, D::Error> {
    Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
}
