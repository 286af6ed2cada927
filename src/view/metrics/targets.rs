//! Metrics of targets and their replicas, except the verdict.

use super::{Definition, Kind, each, each_replica, family::Family};
use crate::model::{FailureReason, Phase, PodProbeCounts, ProbePurpose, Snapshot};

pub(super) const METRICS: &[Definition] = &[
    Definition {
        name: "readscope_reads_total",
        kind: Kind::Counter,
        labels: &["target", "replica"],
        help: "Answers that a replica gave to fresh connections through the read Service.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.reads)),
    },
    Definition {
        name: "readscope_primary_reads_total",
        kind: Kind::Counter,
        labels: &["target"],
        help: "Answers that came from a server that was not read-only at that moment.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.primary_reads)),
    },
    Definition {
        name: "readscope_probes_total",
        kind: Kind::Counter,
        labels: &["target"],
        help: "Probes that are over, answered or failed.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.probes)),
    },
    Definition {
        name: "readscope_probe_failures_total",
        kind: Kind::Counter,
        labels: &["target", "reason"],
        help: "Probes that got no answer, by reason.",
        read: probe_failures,
    },
    Definition {
        name: "readscope_probes_skipped_total",
        kind: Kind::Counter,
        labels: &["target"],
        help: "Probes that were due and not taken, because too many were under way or readscope came late.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.skipped)),
    },
    Definition {
        name: "readscope_probe_duration_seconds",
        kind: Kind::Histogram,
        labels: &["target", "phase"],
        help: "How long answered probes took, by phase: resolve (the name), login (TCP, TLS, login), query, total.",
        read: probe_duration,
    },
    Definition {
        name: "readscope_target_up",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "1 if any of the last 10 probes got an answer, otherwise 0.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.up)),
    },
    Definition {
        name: "readscope_replica_info",
        kind: Kind::Gauge,
        labels: &["target", "replica", "server_id", "server_uuid", "role", "version", "statefulset"],
        help: "What a replica last said of itself, and the StatefulSet of its pod where Kubernetes tells; always 1.",
        read: replica_info,
    },
    Definition {
        name: "readscope_replica_share",
        kind: Kind::Gauge,
        labels: &["target", "replica"],
        help: "The replica's part of the recent answers, 0 to 1; an answer weighs half after 5 minutes.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| replica.share),
    },
    Definition {
        name: "readscope_replica_expected_share",
        kind: Kind::Gauge,
        labels: &["target", "replica"],
        help: "The part of the answers that the replica should give, 0 to 1.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.expected_share)),
    },
    Definition {
        name: "readscope_pod_probe_up",
        kind: Kind::Gauge,
        labels: &["target", "replica"],
        help: "1 if the replica answered the last connection to its pod's own address, whether or not it is routed to; \
               otherwise 0.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| replica.pod_probe_up),
    },
    Definition {
        name: "readscope_pod_probes_total",
        kind: Kind::Counter,
        labels: &["target", "purpose"],
        help: "Connections to pods' own addresses that are over; none of them is a read. purpose: replica (can it \
               serve?), primary (what do the others lack?).",
        read: |snapshot, family| by_purpose(snapshot, family, |counts| counts.taken),
    },
    Definition {
        name: "readscope_pod_probe_failures_total",
        kind: Kind::Counter,
        labels: &["target", "purpose"],
        help: "Connections to pods' own addresses that got no answer, by purpose.",
        read: |snapshot, family| by_purpose(snapshot, family, |counts| counts.failed),
    },
    Definition {
        name: "readscope_replica_lag_seconds",
        kind: Kind::Gauge,
        labels: &["target", "replica"],
        help: "Since when the primary has had the oldest transaction that the replica lacked in its last answer; 0 if \
               it lacked none. Absent while there is no, or more than one, server that is not read-only, or no GTID.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.lag?.behind.as_secs_f64())),
    },
    Definition {
        name: "readscope_stale_reads_total",
        kind: Kind::Counter,
        labels: &["target", "replica"],
        help: "Answers through the read Service that lacked what the primary had --freshness.max-lag before; absent as \
               long as that was never known.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| replica.stale_reads),
    },
    Definition {
        name: "readscope_anomalies_total",
        kind: Kind::Counter,
        labels: &["target", "kind"],
        help: "Answers that show something wrong, by kind: no_endpoint, elsewhere, not_ready, terminating (nothing \
               should have been routed there for 30 s); shared_server_id, changed_server_id, changed_server_uuid \
               (servers that replication or readscope may confuse); unexpected, primary (a replica or the primary that \
               --expect leaves out).",
        read: anomalies,
    },
    Definition {
        name: "readscope_probe_delay_seconds",
        kind: Kind::Histogram,
        labels: &[],
        help: "How long after their time probes started, of all targets. More than some milliseconds mean that \
               readscope does not get the processor time that it needs.",
        read: |snapshot, family| family.histogram(&[], snapshot.lateness.histogram()),
    },
];

fn probe_failures(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for (reason, count) in FailureReason::ALL.into_iter().zip(target.failures) {
            family.series(&[&target.name, reason.name()], count);
        }
    }
}

fn probe_duration(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for phase in Phase::ALL {
            family.histogram(&[&target.name, phase.name()], target.latency.phase(phase));
        }
    }
}

fn replica_info(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for replica in &target.replicas {
            let Some((identity, role)) = replica.identity.as_ref().zip(replica.role()) else { continue };
            let pod = target.service.as_ref().map(|service| service.sibling(&replica.name));
            let set = pod.zip(snapshot.cluster.as_ref()).and_then(|(pod, cluster)| cluster.statefulset_of(&pod));
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

fn by_purpose(snapshot: &Snapshot, family: &mut Family, count: fn(PodProbeCounts) -> [u64; 2]) {
    for target in &snapshot.targets {
        let counts = target.pod_probes.map(|counts| ProbePurpose::ALL.into_iter().zip(count(counts)));
        for (purpose, count) in counts.into_iter().flatten() {
            family.series(&[&target.name, purpose.name()], count);
        }
    }
}

fn anomalies(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for anomaly in &target.anomalies {
            family.series(&[&target.name, anomaly.kind], anomaly.reads);
        }
    }
}
