//! How long after their time samples started: what tells of a program that does not get the processor that it needs.

use std::time::Duration;

use crate::model::base::Histogram;

/// Upper bounds in seconds. Timers have a resolution of a millisecond.
const BUCKET_BOUNDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// The delays of the samples of all targets.
#[derive(Clone, Debug)]
pub struct Lateness(Histogram);

impl Lateness {
    /// Counts one sample.
    pub(crate) fn record(&mut self, late: Duration) {
        self.0.record(late);
    }

    /// By duration.
    #[must_use]
    pub fn histogram(&self) -> &Histogram {
        &self.0
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self(Histogram::new(&BUCKET_BOUNDS))
    }
}
