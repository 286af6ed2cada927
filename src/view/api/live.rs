//! The events of `/api/v1/events`: one target in full, new reads, or every target in short.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Answer, Target, time};
use crate::model::{Latency, Phase, Snapshot, TargetSnapshot, TrendPoint};

/// The event `snapshot`: one target in full.
#[derive(Debug, Serialize)]
pub struct Picture<'a> {
    #[serde(serialize_with = "time")]
    taken: Timestamp,
    /// As in `/api/v1/targets`; always one.
    targets: [Target<'a>; 1],
    /// The current step of the demo.
    #[serde(skip_serializing_if = "Option::is_none")]
    announcement: Option<String>,
    /// The last minutes, oldest first; only in the first event of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    trend: Option<Vec<Point>>,
}

#[derive(Debug, Serialize)]
struct Point {
    #[serde(serialize_with = "time")]
    time: Timestamp,
    evidence_seconds: f64,
    failing_share: Option<f64>,
}

/// The event `answers`: the reads since the previous event.
#[derive(Debug, Serialize)]
pub struct NewAnswers<'a> {
    target: &'a str,
    /// Newest first.
    answers: Vec<Answer<'a>>,
}

/// The event `overview`: every target in short, or only the changed ones.
#[derive(Debug, Serialize)]
pub struct Overview<'a> {
    #[serde(serialize_with = "time")]
    taken: Timestamp,
    /// Whether this list is complete, so that other targets are gone.
    whole: bool,
    targets: Vec<Short<'a>>,
}

#[derive(Debug, Serialize)]
struct Short<'a> {
    target: &'a str,
    up: bool,
    verdict: Option<&'static str>,
    reason: Option<String>,
    probes: u64,
    failures: u64,
    evidence_seconds: Option<f64>,
    threshold_seconds: Option<f64>,
    replicas_expected: usize,
    replicas_answering: usize,
    notices: usize,
    /// Fraction of failed probes in each of the last steps of 5 s, oldest first; only in the first event of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_shares: Option<Vec<Option<f64>>>,
}

const STEPS: usize = 40;

#[derive(Debug)]
pub(super) struct Quantiles<'a>(pub(super) &'a Latency);

#[derive(Debug, Serialize)]
struct QuantilesOfPhase {
    #[serde(rename = "0.5")]
    half: Option<f64>,
    #[serde(rename = "0.9")]
    most: Option<f64>,
    #[serde(rename = "0.99")]
    nearly_all: Option<f64>,
}

impl Serialize for Quantiles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |phase: Phase| {
            let of_phase = self.0.phase(phase);
            let [half, most, nearly_all] = [0.5, 0.9, 0.99].map(|part| of_phase.quantile(part));
            (phase.name(), QuantilesOfPhase { half, most, nearly_all })
        };
        serializer.collect_map(Phase::ALL.map(of))
    }
}

impl<'a> Picture<'a> {
    #[must_use]
    pub fn whole(snapshot: &'a Snapshot, target: &'a TargetSnapshot) -> Self {
        Self {
            taken: snapshot.taken.wall,
            targets: [Target::of(target, snapshot.cluster.as_deref()).warned(snapshot)],
            announcement: snapshot.caption.as_ref().map(ToString::to_string),
            trend: Some(target.trend.points().map(Point::of).collect()),
        }
    }

    /// For a reader that receives each read by [`NewAnswers`].
    #[must_use]
    pub fn without_answers(snapshot: &'a Snapshot, target: &'a TargetSnapshot) -> Self {
        let mut picture = Self::whole(snapshot, target);
        picture.targets[0].last_reads = None;
        picture.trend = None;
        picture
    }
}

impl Point {
    fn of(point: &TrendPoint) -> Self {
        Self { time: point.time, evidence_seconds: point.evidence_seconds, failing_share: point.failing }
    }
}

impl<'a> NewAnswers<'a> {
    /// The reads in `after` that `before` lacks, limited by the length of the tape. `None` without any.
    #[must_use]
    pub fn between(before: &TargetSnapshot, after: &'a TargetSnapshot) -> Option<Self> {
        let answers = |target: &TargetSnapshot| target.probes - target.failed();
        let new = answers(after).saturating_sub(answers(before));
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        let answers = after.last_reads.iter().take(new).map(Answer::of).collect();
        (new > 0).then_some(Self { target: &after.name, answers })
    }
}

impl<'a> Overview<'a> {
    #[must_use]
    pub fn whole(snapshot: &'a Snapshot) -> Self {
        let with_trend = |target: &'a Arc<TargetSnapshot>| {
            let points = target.trend.points();
            let skipped = points.len().saturating_sub(STEPS);
            Short {
                failing_shares: Some(points.skip(skipped).map(|point| point.failing).collect()),
                ..Short::of(target)
            }
        };
        let targets = snapshot.targets.iter().map(with_trend).collect();
        Self { taken: snapshot.taken.wall, whole: true, targets }
    }

    /// The changed targets, or every target if the list or its order changed.
    #[must_use]
    pub fn between(before: &Snapshot, after: &'a Snapshot) -> Self {
        let same_names = before.targets.len() == after.targets.len()
            && before.targets.iter().zip(&after.targets).all(|(before, after)| before.name == after.name);
        if !same_names {
            return Self::whole(after);
        }
        let both = before.targets.iter().zip(&after.targets);
        let changed = both.filter(|(before, after)| !Arc::ptr_eq(before, after));
        Self { taken: after.taken.wall, whole: false, targets: changed.map(|(_, after)| Short::of(after)).collect() }
    }
}

impl<'a> Short<'a> {
    fn of(target: &'a TargetSnapshot) -> Self {
        let Target {
            verdict, reason, evidence_seconds, threshold_seconds, replicas_expected, replicas_answering, ..
        } = Target::of(target, None);
        Self {
            target: &target.name,
            up: target.up,
            verdict,
            reason,
            probes: target.probes,
            failures: target.failed(),
            evidence_seconds,
            threshold_seconds,
            replicas_expected,
            replicas_answering,
            notices: target.notices.len(),
            failing_shares: None,
        }
    }
}
