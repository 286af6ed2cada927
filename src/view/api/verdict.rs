//! The inputs of a target's verdict.

use serde::Serialize;

use crate::model::{self, TargetSnapshot, evidence};

#[derive(Debug, Serialize)]
pub(super) struct Culprit<'a> {
    replica: &'a str,
    kind: &'static str,
    /// Fraction of the evidence.
    part: f64,
    share: f64,
    expected_share: f64,
    reason: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Anomaly<'a> {
    kind: &'static str,
    answers: u64,
    reason: Option<&'a str>,
}

/// Distance of recent reads from the expected shares.
#[derive(Debug, Serialize)]
pub(super) struct Indices {
    misrouted_share: f64,
    misrouted_share_noise: f64,
    effective_replicas: f64,
    share_dispersion: f64,
    share_ratio_max: f64,
    missing_replicas: usize,
}

impl<'a> Culprit<'a> {
    pub(super) fn of(culprit: &'a model::Culprit) -> Self {
        Self {
            replica: &culprit.replica,
            kind: culprit.kind.name(),
            part: culprit.part,
            share: culprit.share,
            expected_share: culprit.expected,
            reason: culprit.to_string(),
        }
    }
}

impl<'a> Anomaly<'a> {
    pub(super) fn seen(target: &'a TargetSnapshot) -> Vec<Self> {
        let seen = target.anomalies.iter().filter(|seen| seen.reads > 0);
        seen.map(|seen| Self { kind: seen.kind, answers: seen.reads, reason: seen.latest.as_deref() }).collect()
    }
}

impl Indices {
    pub(super) fn of(indices: &evidence::Indices) -> Self {
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
