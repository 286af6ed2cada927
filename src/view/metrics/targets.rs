//! Metrics of targets and their replicas, except the verdict.

use super::{
    Definition,
    Series::{Other, Replicas, Targets},
    counter,
    family::Family,
    gauge, histogram, namespace,
};
use crate::model::{ConditionKind, FailureReason, Phase, PodProbeCounts, ProbePurpose, Snapshot, Status};

pub(super) const METRICS: &[Definition] = &[
    counter(
        "readscope_reads_total",
        "Probes through the read Service that the replica answered.",
        Replicas(|replica| Some(replica.reads.into())),
    ),
    counter(
        "readscope_primary_reads_total",
        "Reads that a server answered which was not read-only at the time.",
        Targets(|target| Some(target.primary_reads.into())),
    ),
    counter(
        "readscope_probes_total",
        "Completed probes, answered or failed.",
        Targets(|target| Some(target.probes.into())),
    ),
    counter(
        "readscope_probe_failures_total",
        "Failed probes by reason.",
        Other(&["namespace", "target", "reason"], probe_failures),
    ),
    counter(
        "readscope_probes_skipped_total",
        "Probes that were due but not started, because too many were in flight or readscope was short of CPU \
         time.",
        Targets(|target| Some(target.skipped.into())),
    ),
    gauge(
        "readscope_probing_paused",
        "1 while probes are paused, because further failures could make a server block the host or lock the \
         account, otherwise 0.",
        Targets(|target| Some(target.pause.is_some().into())),
    ),
    histogram(
        "readscope_probe_duration_seconds",
        "Duration of answered probes by phase: resolve (DNS lookup), login (TCP, TLS and login), query, total.",
        Other(&["namespace", "target", "phase"], probe_duration),
    ),
    gauge(
        "readscope_target_up",
        "1 if at least one of the last 10 probes was answered, otherwise 0.",
        Targets(|target| Some(target.up.into())),
    ),
    gauge(
        "readscope_target_status",
        "1 for the present status, 0 for the others: ok, degraded (a replica does not do its part, see \
         readscope_replica_condition), down (the last 10 probes failed), unknown.",
        Other(&["namespace", "target", "status"], statuses),
    ),
    gauge(
        "readscope_replica_condition",
        "1 while the condition lasts, otherwise 0: missing (should be a ready endpoint and is not), cannot_serve \
         (ready, but its pod probes fail), not_routed (serves, but gets no reads), slow (answers several times \
         more slowly than the others), flapping (its readiness changes often), stale (lags above the limit). Planned steps within their usual time do not count.",
        Other(&["namespace", "target", "replica", "kind"], conditions),
    ),
    gauge(
        "readscope_replica_info",
        "Identity of the replica in its last answer, and its pod, node and StatefulSet if known; always 1.",
        Other(
            &[
                "namespace",
                "target",
                "replica",
                "pod",
                "node",
                "server_id",
                "server_uuid",
                "role",
                "version",
                "statefulset",
            ],
            replica_info,
        ),
    ),
    gauge(
        "readscope_replica_share",
        "Share of the reads that the replica answered, 0 to 1: of the last 1000 reads, or of those since the \
         expected replicas or the alarm last changed or an outage ended.",
        Replicas(|replica| Some(replica.share?.into())),
    ),
    histogram(
        "readscope_replica_read_duration_seconds",
        "Duration of the replica's reads: connection, login and query, without the time to resolve the address.",
        Other(&["namespace", "target", "replica"], |snapshot, family| {
            for target in &snapshot.targets {
                for replica in &target.replicas {
                    family.histogram(&[namespace(target), &target.name, &replica.name], &replica.durations);
                }
            }
        }),
    ),
    gauge(
        "readscope_replica_expected_share",
        "Share of the reads that the replica should answer, 0 to 1.",
        Replicas(|replica| Some(replica.expected_share.into())),
    ),
    gauge(
        "readscope_pod_probe_up",
        "1 if the replica answered the last pod probe, otherwise 0. A pod probe connects to the pod's own \
         address, whether or not the Service routes to it.",
        Replicas(|replica| Some(replica.pod_probe_up?.into())),
    ),
    counter(
        "readscope_pod_probes_total",
        "Completed pod probes by purpose: replica (can the replica serve?), primary (which transactions has the \
         primary committed?). Pod probes are not reads.",
        Other(&["namespace", "target", "purpose"], |snapshot, family| {
            by_purpose(snapshot, family, |counts| counts.taken);
        }),
    ),
    counter(
        "readscope_pod_probe_failures_total",
        "Failed pod probes by purpose.",
        Other(&["namespace", "target", "purpose"], |snapshot, family| {
            by_purpose(snapshot, family, |counts| counts.failed);
        }),
    ),
    gauge(
        "readscope_replica_lag_seconds",
        "Replication lag: age of the oldest transaction committed on the primary and missing on the replica, 0 \
         if none is missing. Absent without GTIDs, and unless exactly one server is not read-only.",
        Replicas(|replica| Some(replica.lag?.behind.as_secs_f64().into())),
    ),
    counter(
        "readscope_stale_reads_total",
        "Reads that lacked a transaction which the primary had committed longer than the maximum lag before. \
         Absent until the transactions of the primary are known.",
        Replicas(|replica| Some(replica.stale_reads?.into())),
    ),
    counter(
        "readscope_anomalies_total",
        "Reads that show a problem, by kind. From a server that should have had no reads for 30 s: no_endpoint, \
         elsewhere, not_ready, terminating. With an ambiguous identity: shared_server_id, \
         shared_server_uuid, changed_server_id, changed_server_uuid. From a server missing in the list of expected replicas: unexpected, primary.",
        Other(&["namespace", "target", "kind"], anomalies),
    ),
    histogram(
        "readscope_probe_delay_seconds",
        "Time between the due time and the start of a probe, over all targets. More than a few milliseconds \
         mean that readscope is short of CPU time.",
        Other(&[], |snapshot, family| family.histogram(&[], snapshot.start_delay.histogram())),
    ),
];

fn probe_failures(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for (reason, count) in FailureReason::ALL.into_iter().zip(target.failures) {
            family.series(&[namespace(target), &target.name, reason.name()], count);
        }
    }
}

fn probe_duration(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for phase in Phase::ALL {
            family.histogram(&[namespace(target), &target.name, phase.name()], target.latency.phase(phase));
        }
    }
}

fn replica_info(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for replica in &target.replicas {
            let Some((identity, role)) = replica.identity.as_ref().zip(replica.role()) else { continue };
            let name = target.service.as_ref().map(|service| service.sibling(&replica.name));
            let set = name.zip(snapshot.cluster.as_ref()).and_then(|(name, cluster)| cluster.statefulset_of(&name));
            // Empty values stay in the text: a scrape would otherwise fill in the pod and node of readscope.
            let labels = [
                namespace(target),
                &target.name,
                &replica.name,
                if replica.is_pod || set.is_some() { &replica.name } else { "" },
                replica.node.as_deref().unwrap_or_default(),
                &identity.server_id.to_string(),
                identity.server_uuid.as_deref().unwrap_or_default(),
                role.name(),
                &identity.version,
                set.map_or("", |set| &set.name),
            ];
            family.series(&labels, true);
        }
    }
}

fn statuses(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for status in Status::ALL {
            family.series(&[namespace(target), &target.name, status.name()], target.status == status);
        }
    }
}

fn conditions(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for replica in &target.replicas {
            for kind in ConditionKind::ALL {
                let lasts = replica.conditions.iter().any(|condition| condition.kind == kind && !condition.planned);
                family.series(&[namespace(target), &target.name, &replica.name, kind.name()], lasts);
            }
        }
    }
}

fn by_purpose(snapshot: &Snapshot, family: &mut Family, count: fn(PodProbeCounts) -> [u64; 2]) {
    for target in &snapshot.targets {
        let counts = target.pod_probes.map(|counts| ProbePurpose::ALL.into_iter().zip(count(counts)));
        for (purpose, count) in counts.into_iter().flatten() {
            family.series(&[namespace(target), &target.name, purpose.name()], count);
        }
    }
}

fn anomalies(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for anomaly in &target.anomalies {
            family.series(&[namespace(target), &target.name, anomaly.kind], anomaly.reads);
        }
    }
}
