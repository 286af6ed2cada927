//! The snapshot as Prometheus metrics. Everything is read from the snapshot when it is scraped, so the series of what
//! is gone end by themselves.

mod cluster;
mod configuration;
mod family;
mod process;
mod verdict;

use prometheus::{
    TextEncoder,
    proto::{Metric, MetricFamily},
};

use self::{
    family::{counter, family, gauge, histogram},
    process::Process,
};
use crate::model::{
    AnomalySeen, DirectCounts, FailureReason, Phase, Purpose, ReplicaSnapshot, Snapshot, TargetSnapshot,
    cluster::ClusterSnapshot,
};

/// The content type of [`Exposition::render`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// A metric as it is documented.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its whole name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels, all of them bounded: by configured targets, by [`REPLICAS_MAX`](crate::model::REPLICAS_MAX), by
    /// closed sets.
    pub labels: &'static [&'static str],
    /// What it says, for a person on call.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Counts by duration.
    Histogram,
}

/// Renders snapshots for scrapes.
#[derive(Debug)]
pub struct Exposition {
    process: Process,
    build_info: MetricFamily,
}

/// The encoder refused a family, which means a mistake in this file.
#[derive(Debug, thiserror::Error)]
#[error("cannot render the metrics: {0}")]
pub struct RenderError(#[from] prometheus::Error);

const fn define(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Definition {
    Definition { name, kind, labels, help }
}

const READS: Definition = define(
    "readscope_reads_total",
    Kind::Counter,
    &["target", "replica"],
    "Answers that a replica gave to fresh connections through the read Service.",
);
const PRIMARY_READS: Definition = define(
    "readscope_primary_reads_total",
    Kind::Counter,
    &["target"],
    "Answers that came from a server that was not read-only at that moment.",
);
const PROBES: Definition =
    define("readscope_probes_total", Kind::Counter, &["target"], "Samples that are over, answered or failed.");
const PROBE_FAILURES: Definition = define(
    "readscope_probe_failures_total",
    Kind::Counter,
    &["target", "reason"],
    "Samples that got no answer, by reason.",
);
const PROBES_SKIPPED: Definition = define(
    "readscope_probes_skipped_total",
    Kind::Counter,
    &["target"],
    "Samples that were due and not taken, because too many were under way or readscope came late.",
);
const PROBE_DURATION: Definition = define(
    "readscope_probe_duration_seconds",
    Kind::Histogram,
    &["target", "phase"],
    "How long answered samples took, by phase: resolve (the name), login (TCP, TLS, login), query, total.",
);
const PROBE_DELAY: Definition = define(
    "readscope_probe_delay_seconds",
    Kind::Histogram,
    &[],
    "How long after their time samples started, of all targets. More than some milliseconds mean that readscope does not \
     get the processor time that it needs.",
);
const TARGET_UP: Definition = define(
    "readscope_target_up",
    Kind::Gauge,
    &["target"],
    "1 if any of the last 10 samples got an answer, otherwise 0.",
);
const REPLICA_INFO: Definition = define(
    "readscope_replica_info",
    Kind::Gauge,
    &["target", "replica", "server_id", "server_uuid", "role", "version", "statefulset"],
    "What a replica last said of itself, and the StatefulSet of its pod where Kubernetes tells; always 1.",
);
const REPLICA_SHARE: Definition = define(
    "readscope_replica_share",
    Kind::Gauge,
    &["target", "replica"],
    "The replica's part of the recent answers, 0 to 1; an answer weighs half after 5 minutes.",
);
const REPLICA_EXPECTED_SHARE: Definition = define(
    "readscope_replica_expected_share",
    Kind::Gauge,
    &["target", "replica"],
    "The part of the answers that the replica should give, 0 to 1.",
);
const ANOMALIES: Definition = define(
    "readscope_anomalies_total",
    Kind::Counter,
    &["target", "kind"],
    "Answers that show something wrong, by kind: no_endpoint, elsewhere, not_ready, terminating (nothing should have been \
     routed there for 30 s); shared_server_id, changed_server_id, changed_server_uuid (servers that replication or \
     readscope may confuse); unexpected, primary (a replica or the primary that --expect leaves out).",
);
const DIRECT_UP: Definition = define(
    "readscope_direct_up",
    Kind::Gauge,
    &["target", "replica"],
    "1 if the replica answered the last connection to its pod's own address, whether or not it is routed to; otherwise 0.",
);
const DIRECT_PROBES: Definition = define(
    "readscope_direct_probes_total",
    Kind::Counter,
    &["target", "purpose"],
    "Connections to pods' own addresses that are over; none of them is a read. purpose: replica (can it serve?), \
     primary (what do the others lack?).",
);
const DIRECT_PROBE_FAILURES: Definition = define(
    "readscope_direct_probe_failures_total",
    Kind::Counter,
    &["target", "purpose"],
    "Connections to pods' own addresses that got no answer, by purpose.",
);
const REPLICA_LAG: Definition = define(
    "readscope_replica_lag_seconds",
    Kind::Gauge,
    &["target", "replica"],
    "Since when the primary has had the oldest transaction that the replica lacked in its last answer; 0 if it lacked \
     none. Absent while there is no, or more than one, server that is not read-only, or no GTID.",
);
const STALE_READS: Definition = define(
    "readscope_stale_reads_total",
    Kind::Counter,
    &["target", "replica"],
    "Answers through the read Service that lacked what the primary had --freshness.max-lag before; absent as long as \
     that was never known.",
);
const BUILD_INFO: Definition =
    define("readscope_build_info", Kind::Gauge, &["version"], "The version of readscope; always 1.");

/// Every metric of readscope's own, in the order in which they are exposed.
pub const METRICS: [Definition; 46] = [
    READS,
    PRIMARY_READS,
    PROBES,
    PROBE_FAILURES,
    PROBES_SKIPPED,
    PROBE_DURATION,
    PROBE_DELAY,
    TARGET_UP,
    REPLICA_INFO,
    REPLICA_SHARE,
    REPLICA_EXPECTED_SHARE,
    DIRECT_UP,
    DIRECT_PROBES,
    DIRECT_PROBE_FAILURES,
    REPLICA_LAG,
    STALE_READS,
    verdict::SHARE_LOWER,
    verdict::SHARE_UPPER,
    verdict::UNBALANCED,
    verdict::UNDECIDED,
    verdict::EVIDENCE,
    verdict::THRESHOLD,
    verdict::CULPRIT,
    verdict::ALARMS,
    verdict::RESTARTS,
    verdict::MISROUTED,
    verdict::MISROUTED_NOISE,
    verdict::EFFECTIVE_REPLICAS,
    verdict::DISPERSION,
    verdict::MISSING,
    ANOMALIES,
    cluster::WATCH_UP,
    cluster::WATCH_RESTARTS,
    cluster::LAST_EVENT,
    cluster::CLAIM_BIND,
    cluster::CLAIM_PENDING,
    cluster::SCALE_PHASE,
    cluster::MILESTONE,
    cluster::FIRST_READ_UNCERTAINTY,
    cluster::SCALE_EVENTS,
    cluster::SCALE_IN_PROGRESS,
    cluster::LAST_SCALE,
    cluster::REPLICAS,
    configuration::SUCCESSFUL,
    configuration::SUCCESS_TIME,
    BUILD_INFO,
];

impl Exposition {
    /// An exposition of this process.
    #[must_use]
    pub fn new() -> Self {
        let version = gauge(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        Self { process: Process::this(), build_info: family(BUILD_INFO, vec![version]) }
    }

    /// The text form, 0.0.4, of everything.
    ///
    /// # Errors
    /// When the encoder refuses a family.
    pub fn render(&self, snapshot: &Snapshot) -> Result<String, RenderError> {
        let mut families = of_targets(&snapshot.targets, snapshot.cluster.as_deref());
        families.push(family(PROBE_DELAY, vec![histogram(&[], snapshot.lateness.histogram())]));
        families.extend(verdict::families(&snapshot.targets));
        families.extend(snapshot.cluster.iter().flat_map(|told| cluster::families(told)));
        families.extend(snapshot.configured.iter().flat_map(configuration::families));
        families.push(self.build_info.clone());
        families.extend(self.process.families());
        // The encoder refuses a family without metrics.
        families.retain(|family| !family.get_metric().is_empty());
        Ok(TextEncoder::new().encode_to_string(&families)?)
    }
}

impl Default for Exposition {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind {
    /// As Prometheus writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

fn of_targets<T: AsRef<TargetSnapshot>>(targets: &[T], cluster: Option<&ClusterSnapshot>) -> Vec<MetricFamily> {
    let each = |definition, metric: &dyn Fn(&TargetSnapshot) -> Metric| {
        family(definition, targets.iter().map(|target| metric(target.as_ref())).collect())
    };
    let each_replica = |definition, metric: &dyn Fn(&str, &ReplicaSnapshot) -> Option<Metric>| {
        let of_target = |target: &'_ T| -> Vec<Metric> {
            let target = target.as_ref();
            target.replicas.iter().filter_map(|replica| metric(&target.name, replica)).collect()
        };
        family(definition, targets.iter().flat_map(of_target).collect())
    };
    vec![
        each_replica(READS, &|target, replica| {
            Some(counter(&[("target", target), ("replica", &replica.name)], replica.reads))
        }),
        each(PRIMARY_READS, &|target| counter(&[("target", &target.name)], target.primary_reads)),
        each(PROBES, &|target| counter(&[("target", &target.name)], target.samples)),
        family(PROBE_FAILURES, targets.iter().flat_map(|target| failures(target.as_ref())).collect()),
        each(PROBES_SKIPPED, &|target| counter(&[("target", &target.name)], target.skipped)),
        family(PROBE_DURATION, targets.iter().flat_map(|target| durations(target.as_ref())).collect()),
        each(TARGET_UP, &|target| gauge(&[("target", &target.name)], f64::from(u8::from(target.up)))),
        family(REPLICA_INFO, targets.iter().flat_map(|target| infos(target.as_ref(), cluster)).collect()),
        each_replica(REPLICA_SHARE, &|target, replica| {
            Some(gauge(&[("target", target), ("replica", &replica.name)], replica.share?))
        }),
        each_replica(REPLICA_EXPECTED_SHARE, &|target, replica| {
            Some(gauge(&[("target", target), ("replica", &replica.name)], replica.expected_share))
        }),
        each_replica(DIRECT_UP, &|target, replica| {
            let up = f64::from(u8::from(replica.direct_up?));
            Some(gauge(&[("target", target), ("replica", &replica.name)], up))
        }),
        family(
            DIRECT_PROBES,
            targets.iter().flat_map(|target| direct(target.as_ref(), |counts| counts.taken)).collect(),
        ),
        family(
            DIRECT_PROBE_FAILURES,
            targets.iter().flat_map(|target| direct(target.as_ref(), |counts| counts.failed)).collect(),
        ),
        each_replica(REPLICA_LAG, &|target, replica| {
            let behind = replica.lag?.behind.as_secs_f64();
            Some(gauge(&[("target", target), ("replica", &replica.name)], behind))
        }),
        each_replica(STALE_READS, &|target, replica| {
            Some(counter(&[("target", target), ("replica", &replica.name)], replica.stale_reads?))
        }),
        family(ANOMALIES, targets.iter().flat_map(|target| anomalies(target.as_ref())).collect()),
    ]
}

fn failures(target: &TargetSnapshot) -> Vec<Metric> {
    let metric =
        |(reason, count): (FailureReason, u64)| counter(&[("target", &target.name), ("reason", reason.name())], count);
    FailureReason::ALL.into_iter().zip(target.failures).map(metric).collect()
}

fn durations(target: &TargetSnapshot) -> Vec<Metric> {
    let metric =
        |phase: Phase| histogram(&[("target", &target.name), ("phase", phase.name())], target.latency.phase(phase));
    Phase::ALL.into_iter().map(metric).collect()
}

fn anomalies(target: &TargetSnapshot) -> Vec<Metric> {
    let metric = |seen: &AnomalySeen| counter(&[("target", &target.name), ("kind", seen.kind)], seen.answers);
    target.anomalies.iter().map(metric).collect()
}

/// One of the two counts of direct samples, by purpose.
fn direct(target: &TargetSnapshot, count: fn(DirectCounts) -> [u64; 2]) -> Vec<Metric> {
    let counts = target.direct.map(|counts| Purpose::ALL.into_iter().zip(count(counts)));
    let metric =
        |(purpose, count): (Purpose, u64)| counter(&[("target", &target.name), ("purpose", purpose.name())], count);
    counts.into_iter().flatten().map(metric).collect()
}

fn infos(target: &TargetSnapshot, cluster: Option<&ClusterSnapshot>) -> Vec<Metric> {
    let info = |replica: &ReplicaSnapshot| {
        let identity = replica.identity.as_ref()?;
        let pod = target.service.as_ref().map(|service| service.sibling(&replica.name));
        let set = pod.zip(cluster).and_then(|(pod, cluster)| cluster.statefulset_of(&pod));
        let labels = [
            ("target", &*target.name),
            ("replica", &*replica.name),
            ("server_id", &identity.server_id.to_string()),
            ("server_uuid", identity.server_uuid.as_deref().unwrap_or_default()),
            ("role", replica.role()?.name()),
            ("version", &identity.version),
            ("statefulset", &set.map(ToString::to_string).unwrap_or_default()),
        ];
        Some(gauge(&labels, 1.0))
    };
    target.replicas.iter().filter_map(info).collect()
}
