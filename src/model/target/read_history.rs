//! The latest reads and failures of a target, and its trend.

use std::{collections::VecDeque, sync::Arc};

use super::{
    read_counters::ReadCounters,
    snapshot::{AnswerSeen, FailureSeen},
    trend::Trend,
};
use crate::model::base::Moment;

const TAPE_MAX: usize = 50;

/// Failures that are kept, apart from the reads: reads never displace them.
const FAILURES_MAX: usize = 20;

/// Snapshots share the trend and the tape. A change copies them only while a view still renders.
#[derive(Debug, Default)]
pub(crate) struct ReadHistory {
    trend: Arc<Trend>,
    /// Newest first, at most [`TAPE_MAX`].
    tape: Arc<VecDeque<AnswerSeen>>,
    /// Newest last, at most [`FAILURES_MAX`].
    failures: VecDeque<FailureSeen>,
}

impl ReadHistory {
    pub(crate) fn answered(&mut self, answer: AnswerSeen) {
        let tape = Arc::make_mut(&mut self.tape);
        tape.truncate(TAPE_MAX - 1);
        tape.push_front(answer);
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

    pub(crate) fn trend(&self) -> Arc<Trend> {
        Arc::clone(&self.trend)
    }

    pub(crate) fn last_reads(&self) -> Arc<VecDeque<AnswerSeen>> {
        Arc::clone(&self.tape)
    }

    /// Newest first.
    pub(crate) fn last_failures(&self) -> Vec<FailureSeen> {
        self.failures().cloned().collect()
    }
}
