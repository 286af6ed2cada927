//! How many scale events began, and how long their phases and the binding of PVCs took.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    leadership::{Held, Leadership},
    milestones::ScalePhase,
    notice::ClusterNotice,
    scaled_replica::Direction,
    updates::ScaleStep,
};
use crate::model::base::{Histogram, Moment, ObjectName};

/// In seconds, from a moment to an hour.
const SCALE_BOUNDS: [f64; 14] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// The labels of the histogram of binding times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindLabels {
    pub statefulset: ObjectName,
    /// The class at the time of binding; empty without one.
    pub storage_class: Arc<str>,
    /// `WaitForFirstConsumer`, `Immediate`, or `unknown`.
    pub bind_mode: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Measures {
    /// By `Direction as usize`.
    began: BTreeMap<ObjectName, [u64; 2]>,
    phases: BTreeMap<(ObjectName, ScalePhase), Histogram>,
    binds: BTreeMap<BindLabels, Histogram>,
    held: Held<Measure>,
}

#[derive(Debug)]
enum Measure {
    Began(ObjectName, Direction),
    Phase(ObjectName, ScalePhase, Duration),
    Bind(BindLabels, Duration),
}

impl Measures {
    pub(super) fn record(&mut self, set: &ObjectName, steps: &[ScaleStep], now: Moment) {
        for step in steps {
            match *step {
                ScaleStep::Notice(ClusterNotice::ScaleBegan { from, to }) => {
                    let direction = Direction::of(from, to);
                    self.count(Measure::Began(set.clone(), direction), now);
                }
                ScaleStep::Measured { phase, duration } => {
                    self.count(Measure::Phase(set.clone(), phase, duration), now);
                }
                ScaleStep::Notice(_) | ScaleStep::Settled => {}
            }
        }
    }

    pub(super) fn record_bind(&mut self, labels: BindLabels, bind: Duration, now: Moment) {
        self.count(Measure::Bind(labels, bind), now);
    }

    pub(super) fn lead(&mut self, leadership: Leadership, now: Moment) {
        for measure in self.held.change(leadership, Duration::ZERO, now) {
            self.add(measure);
        }
    }

    pub(super) fn leadership(&self) -> Option<&Leadership> {
        self.held.leadership()
    }

    fn count(&mut self, measure: Measure, now: Moment) {
        if let Some(measure) = self.held.pass(measure, now) {
            self.add(measure);
        }
    }

    fn add(&mut self, measure: Measure) {
        match measure {
            Measure::Began(set, direction) => self.began.entry(set).or_default()[direction as usize] += 1,
            Measure::Phase(set, phase, duration) => {
                self.phases.entry((set, phase)).or_insert_with(empty).record(duration);
            }
            Measure::Bind(labels, bind) => self.binds.entry(labels).or_insert_with(empty).record(bind),
        }
    }

    pub(super) fn forget(&mut self, set: &ObjectName) {
        self.began.remove(set);
        self.phases.retain(|(of, _), _| of != set);
        self.binds.retain(|labels, _| labels.statefulset != *set);
    }

    pub(super) fn began(&self, set: &ObjectName) -> [u64; 2] {
        self.began.get(set).copied().unwrap_or_default()
    }

    pub(super) fn phase(&self, set: &ObjectName, phase: ScalePhase) -> Histogram {
        self.phases.get(&(set.clone(), phase)).cloned().unwrap_or_else(empty)
    }

    /// The binding times. Each `expected` histogram exists before its first value, because Prometheus does not count
    /// the value with which a series begins.
    pub(super) fn binds(
        &self,
        expected: impl Iterator<Item = BindLabels>,
        is_ours: impl Fn(&ObjectName) -> bool,
    ) -> Vec<(BindLabels, Histogram)> {
        let mut binds: BTreeMap<_, _> = expected.map(|labels| (labels, empty())).collect();
        let ours = self.binds.iter().filter(|(labels, _)| is_ours(&labels.statefulset));
        binds.extend(ours.map(|(labels, times)| (labels.clone(), times.clone())));
        binds.into_iter().collect()
    }

    #[cfg(test)]
    pub(super) fn phases(&self) -> &BTreeMap<(ObjectName, ScalePhase), Histogram> {
        &self.phases
    }
}

fn empty() -> Histogram {
    Histogram::new(&SCALE_BOUNDS)
}
