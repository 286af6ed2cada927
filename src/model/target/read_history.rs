//! The latest reads and failures of a target, and its trend.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    read_counters::ReadCounters,
    snapshot::{AnswerSeen, FailureSeen},
};
use crate::model::base::Moment;

const READS_MAX: usize = 50;

const POINTS_MAX: usize = 120;

/// Between two points of a trend.
const STEP: Duration = Duration::from_secs(5);

/// Failures that are kept, apart from the reads: reads never displace them.
const FAILURES_MAX: usize = 20;

/// Snapshots share the trend and the latest reads. A change copies them only while a view still renders.
#[derive(Debug, Default)]
pub(crate) struct ReadHistory {
    pub(crate) trend: Arc<Trend>,
    /// Newest first, at most [`READS_MAX`].
    pub(crate) last_reads: Arc<VecDeque<AnswerSeen>>,
    /// Newest last, at most [`FAILURES_MAX`].
    failures: VecDeque<FailureSeen>,
}

impl ReadHistory {
    pub(crate) fn answered(&mut self, answer: AnswerSeen) {
        let reads = Arc::make_mut(&mut self.last_reads);
        reads.truncate(READS_MAX - 1);
        reads.push_front(answer);
    }

    pub(crate) fn failed(&mut self, failure: FailureSeen) {
        if self.failures.len() == FAILURES_MAX {
            self.failures.pop_front();
        }
        self.failures.push_back(failure);
    }

    pub(crate) fn tick(&mut self, evidence_seconds: f64, counters: &ReadCounters, now: Moment) {
        if self.trend.is_due(now) {
            let failures = counters.failures.iter().sum();
            Arc::make_mut(&mut self.trend).take(evidence_seconds, counters.probes, failures, now);
        }
    }

    /// Newest first.
    pub(crate) fn failures(&self) -> impl Iterator<Item = &FailureSeen> {
        self.failures.iter().rev()
    }
}

/// The trend of a target over the last ten minutes: its evidence and the failed part of its probes.
#[derive(Clone, Debug, Default)]
pub struct Trend {
    /// Newest last, at most [`POINTS_MAX`].
    points: VecDeque<TrendPoint>,
    /// Time of the last point, and the numbers of ended and failed probes then.
    last: Option<(Moment, u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrendPoint {
    pub time: Timestamp,
    pub evidence_seconds: f64,
    /// Failed part of the step's probes, 0 to 1; absent if none ended.
    pub failing: Option<f64>,
}

impl Trend {
    /// Newest last.
    pub fn points(&self) -> impl DoubleEndedIterator<Item = &TrendPoint> + ExactSizeIterator {
        self.points.iter()
    }

    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.last.is_none_or(|(last, ..)| now.since(last) >= STEP)
    }

    pub(crate) fn take(&mut self, evidence_seconds: f64, probes: u64, failures: u64, now: Moment) {
        let (probes_then, failures_then) = self.last.map_or((0, 0), |(_, probes, failures)| (probes, failures));
        let (new, failed) = (probes.saturating_sub(probes_then), failures.saturating_sub(failures_then));
        #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
        let failing = (new > 0).then(|| failed as f64 / new as f64);
        if self.points.len() == POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back(TrendPoint { time: now.wall, evidence_seconds, failing });
        self.last = Some((now, probes, failures));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_covers_its_own_step() {
        let mut trend = Trend::default();
        assert!(trend.is_due(Moment::at(0.0)));
        trend.take(1.0, 10, 5, Moment::at(0.0));
        assert!(!trend.is_due(Moment::at(4.9)) && trend.is_due(Moment::at(5.0)));
        trend.take(2.0, 10, 5, Moment::at(5.0));
        trend.take(3.0, 14, 6, Moment::at(10.0));
        let points: Vec<_> = trend.points().map(|point| (point.evidence_seconds, point.failing)).collect();
        assert_eq!(points, [(1.0, Some(0.5)), (2.0, None), (3.0, Some(0.25))]);
    }

    #[test]
    fn the_oldest_points_go() {
        let mut trend = Trend::default();
        for step in 0..500_u32 {
            trend.take(f64::from(step), 0, 0, Moment::at(f64::from(step)));
        }
        assert_eq!(trend.points().len(), POINTS_MAX);
        assert!(trend.points().next().is_some_and(|oldest| oldest.evidence_seconds > 379.0));
    }
}
