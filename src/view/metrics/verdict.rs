//! The metrics of the verdict and its inputs.

use super::{
    Definition,
    Series::{Other, Replicas, Targets},
    counter,
    family::Family,
    gauge, namespace,
};
use crate::model::{Snapshot, UndecidedReason};

pub(super) const METRICS: &[Definition] = &[
    gauge(
        "readscope_replica_share_lower",
        "Lower bound of the replica's share, from the reads of readscope_replica_share. The bounds hold for \
         95 % of targets.",
        Replicas(|replica| Some(replica.share_interval?.lower.into())),
    ),
    gauge(
        "readscope_replica_share_upper",
        "Upper bound of the replica's share; see readscope_replica_share_lower.",
        Replicas(|replica| Some(replica.share_interval?.upper.into())),
    ),
    gauge(
        "readscope_unbalanced",
        "1 while the reads are unbalanced: they differ from the expected shares by more than chance explains. \
         Otherwise 0. readscope_imbalance_culprit names the replicas.",
        Targets(|target| Some(target.verdict.is_unbalanced().into())),
    ),
    gauge(
        "readscope_undecided",
        "1 while the verdict is undecided for this reason: few_replicas, session_affinity (it pins readscope to \
         one replica), failures (of probes), few_reads, suspicion (more evidence than usual, less than an \
         alarm). Otherwise 0.",
        Other(&["namespace", "target", "reason"], undecided),
    ),
    gauge(
        "readscope_imbalance_evidence_seconds",
        "Evidence that the reads are unbalanced: chance alone produces this much at most once in this many \
         seconds. For an alert of your own, compare it with the acceptable time between false alarms.",
        Targets(|target| Some(target.evidence_seconds.into())),
    ),
    gauge(
        "readscope_imbalance_threshold_seconds",
        "Evidence that raises the alarm: the false-alarm period times the number of targets.",
        Targets(|target| Some(target.threshold_seconds.into())),
    ),
    gauge(
        "readscope_imbalance_culprit",
        "Part of the evidence that the replica causes, 0 to 1; present only while the reads are unbalanced. \
         kind: dead (no reads), starved (too few), hot (too many).",
        Other(&["namespace", "target", "replica", "kind"], culprits),
    ),
    counter(
        "readscope_imbalance_alarms_total",
        "Number of times that the reads became unbalanced, including alarms that ended between two scrapes.",
        Targets(|target| Some(target.alarms.into())),
    ),
    counter(
        "readscope_imbalance_restarts_total",
        "Number of times that the expected replicas or their weights changed, which restarts part of the \
         evidence.",
        Targets(|target| Some(target.restarts.into())),
    ),
    gauge(
        "readscope_misrouted_share",
        "Share of the reads that went to another replica than the expected shares require, 0 to 1, from the \
         reads of readscope_replica_share; compare it with readscope_misrouted_share_noise.",
        Targets(|target| Some(target.indices.as_ref()?.misrouted.into())),
    ),
    gauge(
        "readscope_misrouted_share_noise",
        "Mean of readscope_misrouted_share by chance alone, for the same number of reads.",
        Targets(|target| Some(target.indices.as_ref()?.misrouted_noise.into())),
    ),
    gauge(
        "readscope_effective_replicas",
        "Number of replicas with equal shares that would spread the reads as widely.",
        Targets(|target| Some(target.indices.as_ref()?.effective_replicas.into())),
    ),
    gauge(
        "readscope_share_dispersion",
        "Unevenness of the recent reads relative to chance: about 1 for random routing, near 0 for round robin, \
         well above 1 for unbalanced reads.",
        Targets(|target| Some(target.indices.as_ref()?.dispersion.into())),
    ),
    gauge(
        "readscope_missing_replicas",
        "Expected replicas without a read for longer than chance explains.",
        Targets(|target| Some((target.indices.as_ref()?.missing as u64).into())),
    ),
];

fn undecided(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        let now = target.verdict.undecided();
        for reason in UndecidedReason::ALL {
            family.series(&[namespace(target), &target.name, reason.name()], now == Some(reason));
        }
    }
}

fn culprits(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for culprit in target.verdict.culprits() {
            family.series(&[namespace(target), &target.name, &culprit.replica, culprit.kind.name()], culprit.part);
        }
    }
}
