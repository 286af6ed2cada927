//! The snapshot as Prometheus metrics. Everything is read from the snapshot when it is scraped, so the series of what
//! is gone end by themselves.

mod cluster;
mod configuration;
mod process;
mod text;
mod verdict;

use std::sync::Arc;

use self::{
    process::Process,
    text::{Text, Value},
};
use crate::model::{
    DirectCounts, FailureReason, Phase, Purpose, ReplicaSnapshot, Snapshot, TargetSnapshot, cluster::ClusterSnapshot,
};

/// The content type of [`Exposition::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";

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
}

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
        Self { process: Process::this() }
    }

    /// The text form, 0.0.4, of everything.
    #[must_use]
    pub fn render(&self, snapshot: &Snapshot) -> String {
        let mut text = String::new();
        self.write(snapshot, &mut |piece| text.push_str(&piece));
        text
    }

    /// Hands the text form to `done` piece by piece.
    pub fn write(&self, snapshot: &Snapshot, done: &mut dyn FnMut(String)) {
        let mut text = Text::new(done);
        of_targets(&mut text, &snapshot.targets, snapshot.cluster.as_deref());
        text.family(PROBE_DELAY).histogram(&[], snapshot.lateness.histogram());
        verdict::write(&mut text, &snapshot.targets);
        if let Some(told) = &snapshot.cluster {
            cluster::write(&mut text, told);
        }
        if let Some(configured) = &snapshot.configured {
            configuration::write(&mut text, configured);
        }
        text.family(BUILD_INFO).series(&[env!("CARGO_PKG_VERSION")], true);
        self.process.write(&mut text);
        text.finish();
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

/// A time as Prometheus has it: seconds since the epoch.
fn seconds(wall: jiff::Timestamp) -> f64 {
    wall.as_duration().as_secs_f64()
}

/// Writes a series of each target that has a value.
fn each<V: Into<Value>>(
    text: &mut Text<'_>,
    definition: Definition,
    targets: &[Arc<TargetSnapshot>],
    value: impl Fn(&TargetSnapshot) -> Option<V>,
) {
    let mut family = text.family(definition);
    for target in targets {
        if let Some(value) = value(target) {
            family.series(&[&target.name], value);
        }
    }
}

/// Writes a series of each replica that has a value.
fn each_replica<V: Into<Value>>(
    text: &mut Text<'_>,
    definition: Definition,
    targets: &[Arc<TargetSnapshot>],
    value: impl Fn(&ReplicaSnapshot) -> Option<V>,
) {
    let mut family = text.family(definition);
    for target in targets {
        for replica in &target.replicas {
            if let Some(value) = value(replica) {
                family.series(&[&target.name, &replica.name], value);
            }
        }
    }
}

fn of_targets(text: &mut Text<'_>, targets: &[Arc<TargetSnapshot>], cluster: Option<&ClusterSnapshot>) {
    each_replica(text, READS, targets, |replica| Some(replica.reads));
    each(text, PRIMARY_READS, targets, |target| Some(target.primary_reads));
    each(text, PROBES, targets, |target| Some(target.samples));
    let mut family = text.family(PROBE_FAILURES);
    for target in targets {
        for (reason, count) in FailureReason::ALL.into_iter().zip(target.failures) {
            family.series(&[&target.name, reason.name()], count);
        }
    }
    each(text, PROBES_SKIPPED, targets, |target| Some(target.skipped));
    let mut family = text.family(PROBE_DURATION);
    for target in targets {
        for phase in Phase::ALL {
            family.histogram(&[&target.name, phase.name()], target.latency.phase(phase));
        }
    }
    each(text, TARGET_UP, targets, |target| Some(target.up));
    infos(text, targets, cluster);
    each_replica(text, REPLICA_SHARE, targets, |replica| replica.share);
    each_replica(text, REPLICA_EXPECTED_SHARE, targets, |replica| Some(replica.expected_share));
    each_replica(text, DIRECT_UP, targets, |replica| replica.direct_up);
    direct(text, DIRECT_PROBES, targets, |counts| counts.taken);
    direct(text, DIRECT_PROBE_FAILURES, targets, |counts| counts.failed);
    each_replica(text, REPLICA_LAG, targets, |replica| Some(replica.lag?.behind.as_secs_f64()));
    each_replica(text, STALE_READS, targets, |replica| replica.stale_reads);
    let mut family = text.family(ANOMALIES);
    for target in targets {
        for anomaly in &target.anomalies {
            family.series(&[&target.name, anomaly.kind], anomaly.answers);
        }
    }
}

/// One of the two counts of direct samples, by purpose.
fn direct(
    text: &mut Text<'_>,
    definition: Definition,
    targets: &[Arc<TargetSnapshot>],
    count: fn(DirectCounts) -> [u64; 2],
) {
    let mut family = text.family(definition);
    for target in targets {
        let counts = target.direct.map(|counts| Purpose::ALL.into_iter().zip(count(counts)));
        for (purpose, count) in counts.into_iter().flatten() {
            family.series(&[&target.name, purpose.name()], count);
        }
    }
}

fn infos(text: &mut Text<'_>, targets: &[Arc<TargetSnapshot>], cluster: Option<&ClusterSnapshot>) {
    let mut family = text.family(REPLICA_INFO);
    for target in targets {
        for replica in &target.replicas {
            let Some((identity, role)) = replica.identity.as_ref().zip(replica.role()) else { continue };
            let pod = target.service.as_ref().map(|service| service.sibling(&replica.name));
            let set = pod.zip(cluster).and_then(|(pod, cluster)| cluster.statefulset_of(&pod));
            let labels = [
                &*target.name,
                &*replica.name,
                &identity.server_id.to_string(),
                identity.server_uuid.as_deref().unwrap_or_default(),
                role.name(),
                &identity.version,
                &set.map(ToString::to_string).unwrap_or_default(),
            ];
            family.series(&labels, true);
        }
    }
}
