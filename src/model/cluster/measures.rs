//! How long the phases of scale events and the binding of claims took.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{milestones::ScalePhase, scale_step::ScaleStep};
use crate::model::base::{Histogram, ObjectName};

/// Upper bounds in seconds for what takes from a moment to an hour.
const SCALE_BOUNDS: [f64; 14] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// How long claims took to bind, by what they are labelled with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindLabels {
    /// The `StatefulSet`.
    pub statefulset: ObjectName,
    /// The class as it was when the claim was bound; empty without one.
    pub storage_class: Arc<str>,
    /// `WaitForFirstConsumer`, `Immediate`, or `unknown`.
    pub bind_mode: &'static str,
}

/// What was measured of every `StatefulSet`.
#[derive(Debug, Default)]
pub(crate) struct Measures {
    phases: BTreeMap<(ObjectName, ScalePhase), Histogram>,
    binds: BTreeMap<BindLabels, Histogram>,
}

impl Measures {
    pub(super) fn record(&mut self, set: &ObjectName, steps: &[ScaleStep]) {
        for step in steps {
            if let ScaleStep::Measured { phase, duration } = step {
                self.phases.entry((set.clone(), *phase)).or_insert_with(empty).record(*duration);
            }
        }
    }

    pub(super) fn record_bind(&mut self, labels: BindLabels, bind: Duration) {
        self.binds.entry(labels).or_insert_with(empty).record(bind);
    }

    pub(super) fn forget(&mut self, set: &ObjectName) {
        self.phases.retain(|(of, _), _| of != set);
        self.binds.retain(|labels, _| labels.statefulset != *set);
    }

    /// How long a phase took; empty before the first time.
    pub(super) fn phase(&self, set: &ObjectName, phase: ScalePhase) -> Histogram {
        self.phases.get(&(set.clone(), phase)).cloned().unwrap_or_else(empty)
    }

    /// How long claims took to bind. A histogram that is to grow, by `expected`, is there before it does, empty:
    /// Prometheus does not count what a series begins with.
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
