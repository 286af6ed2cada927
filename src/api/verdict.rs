//! The inputs of a target's verdict.

use serde::{Deserialize, Serialize};

use super::Text;
use crate::model::{self, TargetSnapshot, evidence};

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

impl<'a> Culprit<'a> {
    pub(super) fn of(culprit: &'a model::Culprit) -> Self {
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
    pub(super) fn seen(target: &'a TargetSnapshot) -> Vec<Self> {
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
