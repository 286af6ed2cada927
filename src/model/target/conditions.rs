//! Conditions of a target: failed probes by reason, skipped probes, reads of servers that should get no traffic, and
//! anomalies by kind.

use std::{collections::BTreeMap, sync::Arc};

use super::notice::TargetNotice;
use crate::model::{
    base::{Condition, Moment, NOTICE_EVERY, Progress},
    probe::{Anomaly, AnomalyKind, AnomalySeen, FailureReason, Unrouted},
    verdict::Evaluator,
};

#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// The most serious first.
    open: BTreeMap<Kind, Condition>,
    seen: Seen,
}

/// The most serious first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Anomaly(AnomalyKind),
    Failing(FailureReason),
    /// The condition's text is the name of the latest server.
    Unrouted(Unrouted),
    Skipping,
}

/// Anomalies since the start, by `AnomalyKind as usize`.
#[derive(Debug, Default)]
struct Seen {
    counts: [u64; AnomalyKind::ALL.len()],
    latest: [Option<Anomaly>; AnomalyKind::ALL.len()],
}

impl Conditions {
    pub(crate) fn failed(&mut self, reason: FailureReason, text: &str, now: Moment, notices: &mut Vec<TargetNotice>) {
        self.occurred(Kind::Failing(reason), (1, text), now, notices);
    }

    pub(crate) fn skipped(&mut self, count: u64, now: Moment, notices: &mut Vec<TargetNotice>) {
        self.occurred(Kind::Skipping, (count, ""), now, notices);
    }

    pub(crate) fn unrouted(&mut self, unrouted: Unrouted, name: &str, now: Moment, notices: &mut Vec<TargetNotice>) {
        self.occurred(Kind::Unrouted(unrouted), (1, name), now, notices);
    }

    pub(crate) fn anomaly(&mut self, anomaly: Anomaly, now: Moment, notices: &mut Vec<TargetNotice>) {
        let kind = anomaly.kind();
        self.seen.counts[kind as usize] += 1;
        self.seen.latest[kind as usize] = Some(anomaly);
        self.occurred(Kind::Anomaly(kind), (1, ""), now, notices);
    }

    fn occurred(&mut self, kind: Kind, (count, text): (u64, &str), now: Moment, notices: &mut Vec<TargetNotice>) {
        let is_new = !self.open.contains_key(&kind);
        let condition = self.open.entry(kind).or_insert_with(|| Condition::begin(now));
        condition.occurred(count, text, now);
        if is_new {
            notices.extend(lasting(kind, condition, &self.seen, None));
        }
    }

    pub(crate) fn tick(&mut self, evaluator: &Evaluator, now: Moment, notices: &mut Vec<TargetNotice>) {
        let seen = &self.seen;
        self.open.retain(|kind, condition| match condition.progress(now) {
            Progress::Nothing => true,
            Progress::Continues => {
                notices.extend(lasting(*kind, condition, seen, Some(evaluator)));
                true
            }
            Progress::Cleared => {
                notices.extend(over(*kind, condition));
                false
            }
        });
    }

    /// The most serious first.
    pub(crate) fn notices<'a>(&'a self, evaluator: &'a Evaluator) -> impl Iterator<Item = TargetNotice> + 'a {
        self.open.iter().filter_map(|(kind, condition)| lasting(*kind, condition, &self.seen, Some(evaluator)))
    }

    pub(crate) fn anomalies(&self) -> impl Iterator<Item = AnomalySeen> + '_ {
        AnomalyKind::ALL.into_iter().map(|kind| AnomalySeen {
            kind: kind.name(),
            reads: self.seen.counts[kind as usize],
            latest: self.seen.latest[kind as usize].as_ref().map(ToString::to_string),
        })
    }
}

/// Without an `evaluator`, the condition is new.
fn lasting(kind: Kind, condition: &Condition, seen: &Seen, evaluator: Option<&Evaluator>) -> Option<TargetNotice> {
    let count = condition.count;
    Some(match kind {
        Kind::Anomaly(kind) => TargetNotice::Anomaly { anomaly: seen.latest[kind as usize].clone()?, reads: count },
        Kind::Failing(reason) => {
            let recent = evaluator.map(|evaluator| evaluator.failing_by(reason)).unwrap_or_default();
            TargetNotice::Failing { reason, failed: count, recent, text: condition.text.clone() }
        }
        Kind::Unrouted(unrouted) => {
            TargetNotice::Unrouted { replica: Arc::from(&*condition.text), unrouted, reads: count }
        }
        Kind::Skipping => TargetNotice::Skipping { skipped: count },
    })
}

fn over(kind: Kind, condition: &Condition) -> Option<TargetNotice> {
    let count = condition.count;
    match kind {
        Kind::Anomaly(_) => None,
        Kind::Failing(reason) => Some(TargetNotice::Recovered { reason, failed: count, quiet: NOTICE_EVERY }),
        Kind::Unrouted(unrouted) => Some(TargetNotice::UnroutedCleared { unrouted, reads: count }),
        Kind::Skipping => Some(TargetNotice::OnTime { skipped: count }),
    }
}
