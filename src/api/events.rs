//! The events of `/api/v1/events`: one target in full, new reads, or a summary of every target.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Read, Target, Text, Time, announcement, target::expected_and_answering};
use crate::model::{Snapshot, TargetSnapshot, TrendPoint};

/// The event `snapshot`: one target in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotEvent<'a> {
    pub taken: Time,
    /// As in `/api/v1/targets`; always one.
    pub targets: [Target<'a>; 1],
    /// The current step of the demo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announcement: Option<Text<'a>>,
    /// The last minutes, oldest first; only in the first event of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend: Option<Vec<Point>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub time: Time,
    pub evidence_seconds: f64,
    pub failing_share: Option<f64>,
}

/// The event `answers`: the reads since the previous event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswersEvent<'a> {
    pub target: Text<'a>,
    /// Newest first.
    pub answers: Vec<Read<'a>>,
}

/// The event `overview`: a summary of every target, or only of the changed ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverviewEvent<'a> {
    pub taken: Time,
    /// Whether this list is complete, so that other targets are gone.
    pub whole: bool,
    pub targets: Vec<TargetSummary<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetSummary<'a> {
    pub target: Text<'a>,
    pub up: bool,
    pub status: Option<Text<'a>>,
    pub headline: Option<Text<'a>>,
    pub verdict: Option<Text<'a>>,
    pub reason: Option<Text<'a>>,
    pub probes: u64,
    pub failures: u64,
    #[serde(default)]
    pub recent_probes: usize,
    #[serde(default)]
    pub recent_failures: usize,
    pub evidence_seconds: Option<f64>,
    pub threshold_seconds: Option<f64>,
    pub replicas_expected: usize,
    pub replicas_answering: usize,
    pub notices: usize,
    /// Fraction of failed probes in each of the last steps of 5 s, oldest first; only in the first event of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_shares: Option<Vec<Option<f64>>>,
}

const STEPS: usize = 40;

impl<'a> SnapshotEvent<'a> {
    pub fn whole(snapshot: &'a Snapshot, target: &'a TargetSnapshot) -> Self {
        Self {
            taken: Time(snapshot.taken.wall),
            targets: [Target::of(snapshot, target)],
            announcement: announcement(snapshot),
            trend: Some(target.trend.points().map(Point::of).collect()),
        }
    }

    /// For a reader that receives each read by [`AnswersEvent`].
    pub fn without_reads(snapshot: &'a Snapshot, target: &'a TargetSnapshot) -> Self {
        let mut event = Self { trend: None, ..Self::whole(snapshot, target) };
        event.targets[0].last_reads = None;
        event
    }
}

impl Point {
    fn of(point: &TrendPoint) -> Self {
        Self { time: Time(point.time), evidence_seconds: point.evidence_seconds, failing_share: point.failing }
    }
}

impl<'a> AnswersEvent<'a> {
    /// The reads in `after` that `before` lacks, limited by the length of the tape. `None` without any.
    pub fn between(before: &TargetSnapshot, after: &'a TargetSnapshot) -> Option<Self> {
        let reads = |target: &TargetSnapshot| target.probes - target.failed();
        let new = reads(after).saturating_sub(reads(before));
        let new = usize::try_from(new).unwrap_or(usize::MAX);
        let answers = after.last_reads.iter().take(new).map(Read::of).collect();
        (new > 0).then_some(Self { target: (&*after.name).into(), answers })
    }
}

impl<'a> OverviewEvent<'a> {
    pub fn whole(snapshot: &'a Snapshot) -> Self {
        let with_trend = |target: &'a Arc<TargetSnapshot>| {
            let points = target.trend.points();
            let skipped = points.len().saturating_sub(STEPS);
            TargetSummary {
                failing_shares: Some(points.skip(skipped).map(|point| point.failing).collect()),
                ..TargetSummary::of(target)
            }
        };
        let targets = snapshot.targets.iter().map(with_trend).collect();
        Self { taken: Time(snapshot.taken.wall), whole: true, targets }
    }

    /// The changed targets, or every target if the list or its order changed.
    pub fn between(before: &Snapshot, after: &'a Snapshot) -> Self {
        let same_names = before.targets.len() == after.targets.len()
            && before.targets.iter().zip(&after.targets).all(|(before, after)| before.name == after.name);
        if !same_names {
            return Self::whole(after);
        }
        let both = before.targets.iter().zip(&after.targets);
        let changed = both.filter(|(before, after)| !Arc::ptr_eq(before, after));
        let targets = changed.map(|(_, after)| TargetSummary::of(after)).collect();
        Self { taken: Time(after.taken.wall), whole: false, targets }
    }
}

impl<'a> TargetSummary<'a> {
    pub fn of(target: &'a TargetSnapshot) -> Self {
        let [replicas_expected, replicas_answering] = expected_and_answering(target);
        Self {
            target: (&*target.name).into(),
            up: target.up,
            status: Some(target.status.name().into()),
            headline: Some(target.headline.as_str().into()),
            verdict: Some(target.verdict.name().into()),
            reason: Some(target.verdict.to_string().into()),
            probes: target.probes,
            failures: target.failed(),
            recent_probes: target.failing.1,
            recent_failures: target.failing.0,
            evidence_seconds: Some(target.evidence_seconds),
            threshold_seconds: Some(target.threshold_seconds),
            replicas_expected,
            replicas_answering,
            notices: target.notices.len(),
            failing_shares: None,
        }
    }
}

impl<'a> From<&Target<'a>> for TargetSummary<'a> {
    fn from(target: &Target<'a>) -> Self {
        Self {
            target: target.target.clone(),
            up: target.up,
            status: target.status.clone(),
            headline: target.headline.clone(),
            verdict: target.verdict.clone(),
            reason: target.reason.clone(),
            probes: target.probes,
            failures: target.failures,
            recent_probes: target.recent_probes,
            recent_failures: target.recent_failures,
            evidence_seconds: target.evidence_seconds,
            threshold_seconds: target.threshold_seconds,
            replicas_expected: target.replicas_expected,
            replicas_answering: target.replicas_answering,
            notices: target.notices.len(),
            failing_shares: None,
        }
    }
}
