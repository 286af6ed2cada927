//! The metrics of the verdict and of what it rests on.

use std::sync::Arc;

use super::{Definition, Kind, Text, define, each, each_replica};
use crate::model::TargetSnapshot;

pub(super) const SHARE_LOWER: Definition = define(
    "readscope_replica_share_lower",
    Kind::Gauge,
    &["target", "replica"],
    "The least that the replica's part of the answers can be, by all answers since the expected replicas or the alarm \
     last changed; right at all times together for 19 targets of 20.",
);
pub(super) const SHARE_UPPER: Definition = define(
    "readscope_replica_share_upper",
    Kind::Gauge,
    &["target", "replica"],
    "The most that the replica's part of the answers can be, likewise.",
);
pub(super) const UNBALANCED: Definition = define(
    "readscope_unbalanced",
    Kind::Gauge,
    &["target"],
    "1 while reads are spread otherwise than expected and chance does not explain it, otherwise 0; \
     readscope_imbalance_culprit names who gets too few or too many.",
);
pub(super) const UNDECIDED: Definition = define(
    "readscope_undecided",
    Kind::Gauge,
    &["target"],
    "1 while it cannot be told whether reads are balanced, because samples fail, a client is pinned, or there are too few \
     answers or replicas; /api/v1/targets says which. Otherwise 0.",
);
pub(super) const EVIDENCE: Definition = define(
    "readscope_imbalance_evidence_seconds",
    Kind::Gauge,
    &["target"],
    "Evidence of unbalanced reads: chance alone brings this much about at most once in so many seconds. For an alarm of \
     your own, compare it with how rare false alarms should be.",
);
pub(super) const THRESHOLD: Definition = define(
    "readscope_imbalance_threshold_seconds",
    Kind::Gauge,
    &["target"],
    "The evidence at which reads are called unbalanced: the false-alarm period times the number of targets.",
);
pub(super) const CULPRIT: Definition = define(
    "readscope_imbalance_culprit",
    Kind::Gauge,
    &["target", "replica", "kind"],
    "The replica's part of the evidence, 0 to 1, only while reads are unbalanced. kind: dead (it gets no reads), starved \
     (too few), hot (too many).",
);
pub(super) const ALARMS: Definition = define(
    "readscope_imbalance_alarms_total",
    Kind::Counter,
    &["target"],
    "How often reads became unbalanced; it also counts alarms that are over before a scrape sees them.",
);
pub(super) const RESTARTS: Definition = define(
    "readscope_imbalance_restarts_total",
    Kind::Counter,
    &["target"],
    "How often the expected replicas or their weights changed, so that a part of the evidence began anew.",
);
pub(super) const MISROUTED: Definition = define(
    "readscope_misrouted_share",
    Kind::Gauge,
    &["target"],
    "The part of the recent reads that went to another replica than expected, 0 to 1; compare it with \
     readscope_misrouted_share_noise.",
);
pub(super) const MISROUTED_NOISE: Definition = define(
    "readscope_misrouted_share_noise",
    Kind::Gauge,
    &["target"],
    "What chance alone makes of readscope_misrouted_share on average, with as many answers.",
);
pub(super) const EFFECTIVE_REPLICAS: Definition = define(
    "readscope_effective_replicas",
    Kind::Gauge,
    &["target"],
    "So many replicas with equal shares would spread the reads as far as they are spread now.",
);
pub(super) const DISPERSION: Definition = define(
    "readscope_share_dispersion",
    Kind::Gauge,
    &["target"],
    "How unevenly recent reads divide, against chance: about 1 for random choices, near 0 for taking turns, far above 1 \
     for unbalanced reads.",
);
pub(super) const MISSING: Definition = define(
    "readscope_missing_replicas",
    Kind::Gauge,
    &["target"],
    "How many expected replicas have given no answer for longer than chance explains.",
);

/// Writes everything of the verdict on these targets.
#[expect(clippy::cast_precision_loss, reason = "replicas are few")]
pub(super) fn write(text: &mut Text<'_>, targets: &[Arc<TargetSnapshot>]) {
    each_replica(text, SHARE_LOWER, targets, |replica| Some(replica.share_interval?.lower));
    each_replica(text, SHARE_UPPER, targets, |replica| Some(replica.share_interval?.upper));
    each(text, UNBALANCED, targets, |target| Some(target.verdict.is_unbalanced()));
    each(text, UNDECIDED, targets, |target| Some(target.verdict.is_undecided()));
    each(text, EVIDENCE, targets, |target| Some(target.evidence_seconds));
    each(text, THRESHOLD, targets, |target| Some(target.threshold_seconds));
    let mut family = text.family(CULPRIT);
    for target in targets {
        for culprit in target.verdict.culprits() {
            family.series(&[&target.name, &culprit.replica, culprit.kind.name()], culprit.part);
        }
    }
    each(text, ALARMS, targets, |target| Some(target.alarms));
    each(text, RESTARTS, targets, |target| Some(target.restarts));
    each(text, MISROUTED, targets, |target| Some(target.indices.as_ref()?.misrouted));
    each(text, MISROUTED_NOISE, targets, |target| Some(target.indices.as_ref()?.misrouted_noise));
    each(text, EFFECTIVE_REPLICAS, targets, |target| Some(target.indices.as_ref()?.effective_replicas));
    each(text, DISPERSION, targets, |target| Some(target.indices.as_ref()?.dispersion));
    each(text, MISSING, targets, |target| Some(target.indices.as_ref()?.missing as f64));
}
