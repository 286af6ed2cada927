//! The metrics of the verdict and its inputs.

use super::{Definition, Kind, each, each_replica, family::Family};
use crate::model::Snapshot;

pub(super) const METRICS: &[Definition] = &[
    Definition {
        name: "readscope_replica_share_lower",
        kind: Kind::Gauge,
        labels: &["target", "replica"],
        help: "The least that the replica's part of the answers can be, by all answers since the expected replicas or \
               the alarm last changed; right at all times together for 19 targets of 20.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.share_interval?.lower)),
    },
    Definition {
        name: "readscope_replica_share_upper",
        kind: Kind::Gauge,
        labels: &["target", "replica"],
        help: "The most that the replica's part of the answers can be, likewise.",
        read: |snapshot, family| each_replica(snapshot, family, |replica| Some(replica.share_interval?.upper)),
    },
    Definition {
        name: "readscope_unbalanced",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "1 while reads are spread otherwise than expected and chance does not explain it, otherwise 0; \
               readscope_imbalance_culprit names who gets too few or too many.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.verdict.is_unbalanced())),
    },
    Definition {
        name: "readscope_undecided",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "1 while it cannot be told whether reads are balanced, because probes fail, a client is pinned, or \
               there are too few answers or replicas; /api/v1/targets says which. Otherwise 0.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.verdict.is_undecided())),
    },
    Definition {
        name: "readscope_imbalance_evidence_seconds",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "Evidence of unbalanced reads: chance alone brings this much about at most once in so many seconds. For \
               an alarm of your own, compare it with how rare false alarms should be.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.evidence_seconds)),
    },
    Definition {
        name: "readscope_imbalance_threshold_seconds",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "The evidence at which reads are called unbalanced: the false-alarm period times the number of targets.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.threshold_seconds)),
    },
    Definition {
        name: "readscope_imbalance_culprit",
        kind: Kind::Gauge,
        labels: &["target", "replica", "kind"],
        help: "The replica's part of the evidence, 0 to 1, only while reads are unbalanced. kind: dead (it gets no \
               reads), starved (too few), hot (too many).",
        read: culprits,
    },
    Definition {
        name: "readscope_imbalance_alarms_total",
        kind: Kind::Counter,
        labels: &["target"],
        help: "How often reads became unbalanced; it also counts alarms that are over before a scrape sees them.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.alarms)),
    },
    Definition {
        name: "readscope_imbalance_restarts_total",
        kind: Kind::Counter,
        labels: &["target"],
        help: "How often the expected replicas or their weights changed, so that a part of the evidence began anew.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.restarts)),
    },
    Definition {
        name: "readscope_misrouted_share",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "The part of the recent reads that went to another replica than expected, 0 to 1; compare it with \
               readscope_misrouted_share_noise.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.misrouted)),
    },
    Definition {
        name: "readscope_misrouted_share_noise",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "What chance alone makes of readscope_misrouted_share on average, with as many answers.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.misrouted_noise)),
    },
    Definition {
        name: "readscope_effective_replicas",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "So many replicas with equal shares would spread the reads as far as they are spread now.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.effective_replicas)),
    },
    Definition {
        name: "readscope_share_dispersion",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "How unevenly recent reads divide, against chance: about 1 for random choices, near 0 for taking turns, \
               far above 1 for unbalanced reads.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.dispersion)),
    },
    Definition {
        name: "readscope_missing_replicas",
        kind: Kind::Gauge,
        labels: &["target"],
        help: "How many expected replicas have given no answer for longer than chance explains.",
        read: |snapshot, family| each(snapshot, family, |target| Some(target.indices.as_ref()?.missing as u64)),
    },
];

fn culprits(snapshot: &Snapshot, family: &mut Family) {
    for target in &snapshot.targets {
        for culprit in target.verdict.culprits() {
            family.series(&[&target.name, &culprit.replica, culprit.kind.name()], culprit.part);
        }
    }
}
