//! Counts of a target's probes by outcome.

use crate::model::probe::{FailureReason, Role, Unrouted};

/// Failures in a row after which a target is down.
pub(crate) const DOWN_AFTER: u64 = 10;

#[derive(Clone, Debug, Default)]
pub(crate) struct ReadCounters {
    pub(crate) probes: u64,
    /// By `FailureReason as usize`.
    pub(crate) failures: [u64; FailureReason::ALL.len()],
    failures_in_a_row: u64,
    pub(crate) skipped: u64,
    pub(crate) primary_reads: u64,
    /// By `Unrouted as usize`.
    pub(crate) unrouted: [u64; Unrouted::ALL.len()],
}

impl ReadCounters {
    pub(crate) fn answered(&mut self, role: Role) {
        self.probes += 1;
        self.failures_in_a_row = 0;
        self.primary_reads += u64::from(role == Role::Primary);
    }

    pub(crate) fn failed(&mut self, reason: FailureReason) {
        self.probes += 1;
        self.failures[reason as usize] += 1;
        self.failures_in_a_row += 1;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.failures_in_a_row < self.probes.min(DOWN_AFTER)
    }
}
