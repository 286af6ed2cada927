//! How long the phases of scale events and the binding of PVCs took.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{milestones::ScalePhase, scale_step::ScaleStep};
use crate::model::base::{Histogram, ObjectName};

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
