//! The tape of answers as plain lines, in the form of the lab's loop: time, `server_id`, replica.

use crate::model::{AnswerSeen, Snapshot};

/// One line an answer, oldest first, without a line break at its end.
#[must_use]
pub fn line(answer: &AnswerSeen) -> String {
    format!("{:.3}  {:>5}  {}", answer.time, answer.server_id, answer.replica)
}

/// The answers of the first target that `shown` has not counted yet, oldest first. More than the tape holds since
/// the last look are lost to it, so look often.
pub fn unseen<'a>(snapshot: &'a Snapshot, shown: &mut u64) -> impl Iterator<Item = &'a AnswerSeen> {
    let target = snapshot.targets.first();
    let answers = target.map_or(0, |target| target.samples - target.failed());
    let unseen = usize::try_from(answers.saturating_sub(*shown)).unwrap_or(usize::MAX);
    *shown = answers;
    target.into_iter().flat_map(move |target| target.last_answers.iter().take(unseen).rev())
}
