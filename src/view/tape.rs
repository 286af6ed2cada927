//! The tape of reads as plain lines, in the format of the lab's loop: time, `server_id`, replica.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::terminal::Documents;
use crate::model::Snapshot;

/// Reads are lost if more arrive between two calls than the tape of a target holds.
#[derive(Debug, Default)]
pub struct Tape {
    /// Number of reads of each target that were printed.
    looked_at: BTreeMap<String, u64>,
}

impl Tape {
    /// Oldest first, without line breaks. With several targets, each line ends with the name of the target.
    pub fn lines(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let several = snapshot.targets.len() > 1;
        let mut lines = Vec::new();
        for target in &snapshot.targets {
            let new = self.new_answers(&target.name, target.probes - target.failed());
            let answers = target.last_reads.iter().take(new).rev();
            let of = several.then_some(&*target.name);
            lines.extend(answers.map(|answer| line(answer.time, answer.server_id, &answer.replica, of)));
        }
        lines
    }

    pub fn lines_of(&mut self, documents: &Documents) -> Vec<String> {
        let several = documents.targets().len() > 1;
        let mut lines = Vec::new();
        for target in documents.targets() {
            let name = target.target.as_str();
            let new = self.new_answers(name, target.probes.saturating_sub(target.failures));
            let answers = target.last_reads.iter().take(new).rev();
            let of = several.then_some(name);
            lines.extend(answers.map(|answer| line(answer.time, answer.server_id, answer.replica.as_str(), of)));
        }
        lines
    }

    fn new_answers(&mut self, target: &str, answers: u64) -> usize {
        let before = self.looked_at.insert(target.to_owned(), answers).unwrap_or(0);
        usize::try_from(answers.saturating_sub(before)).unwrap_or(usize::MAX)
    }
}

fn line(time: Timestamp, server_id: u32, replica: &str, target: Option<&str>) -> String {
    let target = target.map(|target| format!("  {target}")).unwrap_or_default();
    format!("{time:.3}  {server_id:>5}  {replica}{target}")
}
