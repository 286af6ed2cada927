//! The trend of a target over the last ten minutes: its evidence and the failed part of its probes.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use crate::model::base::Moment;

const STEP: Duration = Duration::from_secs(5);

const POINTS_MAX: usize = 120;

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
    #[must_use]
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
