//! The metrics of the verdict and its inputs.

use super::{Definition, Kind, each, each_replica, family::Family, namespace};
use crate::model::{Snapshot, UndecidedReason};

pub(super) const METRICS: &[Definition] = &[
    Definition {
        name: "readscope_replica_share_lower",
        kind: Kind::Gauge,
        labels: &["namespace", "target", "replica"],
        help: "Lower bound of the replica's share, from the reads of readscope_replica_share. The bounds hold for \
               95 % of targets.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.share_interval?.lower)),
    },
    Definition {
        name: "readscope_replica_share_upper",
        kind: Kind::Gauge,
        labels: &["namespace", "target", "replica"],
        help: "Upper bound of the replica's share; see readscope_replica_share_lower.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.share_interval?.upper)),
    },
    Definition {
        name: "readscope_unbalanced",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "1 while the reads are unbalanced: they differ from the expected shares by more than chance explains. \
               Otherwise 0. readscope_imbalance_culprit names the replicas.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.verdict.is_unbalanced())),
    },
    Definition {
        name: "readscope_undecided",
        kind: Kind::Gauge,
        labels: &["namespace", "target", "reason"],
        help: "1 while the verdict is undecided for this reason: few_replicas, session_affinity (it pins readscope to \
               one replica), failures (of probes), few_reads, suspicion (more evidence than usual, less than an \
               alarm). Otherwise 0.",
        read: undecided,
    },
    Definition {
        name: "readscope_imbalance_evidence_seconds",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "Evidence that the reads are unbalanced: chance alone produces this much at most once in this many \
               seconds. For an alert of your own, compare it with the acceptable time between false alarms.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.evidence_seconds)),
    },
    Definition {
        name: "readscope_imbalance_threshold_seconds",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "Evidence that raises the alarm: the false-alarm period times the number of targets.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.threshold_seconds)),
    },
    Definition {
        name: "readscope_imbalance_culprit",
        kind: Kind::Gauge,
        labels: &["namespace", "target", "replica", "kind"],
        help: "Part of the evidence that the replica causes, 0 to 1; present only while the reads are unbalanced. \
               kind: dead (no reads), starved (too few), hot (too many).",
        read: culprits,
    },
    Definition {
        name: "readscope_imbalance_alarms_total",
        kind: Kind::Counter,
        labels: &["namespace", "target"],
        help: "Number of times that the reads became unbalanced, including alarms that ended between two scrapes.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.alarms)),
    },
    Definition {
        name: "readscope_imbalance_restarts_total",
        kind: Kind::Counter,
        labels: &["namespace", "target"],
        help: "Number of times that the expected replicas or their weights changed, which restarts part of the \
               evidence.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.restarts)),
    },
    Definition {
        name: "readscope_misrouted_share",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "Share of the reads that went to another replica than the expected shares require, 0 to 1, from the \
               reads of readscope_replica_share; compare it with readscope_misrouted_share_noise.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.misrouted)),
    },
    Definition {
        name: "readscope_misrouted_share_noise",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "Mean of readscope_misrouted_share by chance alone, for the same number of reads.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.misrouted_noise)),
    },
    Definition {
        name: "readscope_effective_replicas",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "Number of replicas with equal shares that would spread the reads as widely.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.effective_replicas)),
    },
    Definition {
        name: "readscope_share_dispersion",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "Unevenness of the recent reads relative to chance: about 1 for random routing, near 0 for round robin, \
               well above 1 for unbalanced reads.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.dispersion)),
    },
    Definition {
        name: "readscope_missing_replicas",
        kind: Kind::Gauge,
        labels: &["namespace", "target"],
        help: "Expected replicas without a read for longer than chance explains.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.missing as u64)),
    },
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
