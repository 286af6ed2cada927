//! The tape of reads as plain lines, in the format of the lab's loop: time, `server_id`, replica.

use std::collections::BTreeMap;

use super::terminal::escaped;
use crate::{
    api::{Read, Targets},
    model::Snapshot,
};

/// Reads are lost if more arrive between two calls than the tape of a target holds.
#[derive(Debug, Default)]
pub struct Tape {
    /// Number of reads of each target that were printed.
    printed: BTreeMap<String, u64>,
}

impl Tape {
    /// Oldest first, without line breaks. With several targets, each line ends with the name of the target.
    pub fn lines(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let several = snapshot.targets.len() > 1;
        let mut lines = Vec::new();
        for target in &snapshot.targets {
            let new = self.count_new(&target.name, target.probes - target.failed());
            let reads = target.last_reads.iter().take(new).rev().map(Read::of);
            lines.extend(reads.map(|read| line(&read, several.then_some(&target.name))));
        }
        lines
    }

    pub fn lines_of(&mut self, targets: &Targets<'_>) -> Vec<String> {
        let several = targets.targets.len() > 1;
        let mut lines = Vec::new();
        for target in &targets.targets {
            let new = self.count_new(&target.target, target.probes.saturating_sub(target.failures));
            let reads = target.last_reads.as_deref().unwrap_or_default();
            lines.extend(reads.iter().take(new).rev().map(|read| line(read, several.then_some(&target.target))));
        }
        lines
    }

    fn count_new(&mut self, target: &str, reads: u64) -> usize {
        let before = self.printed.insert(target.to_owned(), reads).unwrap_or(0);
        usize::try_from(reads.saturating_sub(before)).unwrap_or(usize::MAX)
    }
}

fn line(read: &Read<'_>, target: Option<&str>) -> String {
    let target = target.map(|target| format!("  {}", escaped(target))).unwrap_or_default();
    format!("{:.3}  {:>5}  {}{target}", read.time.0, read.server_id, escaped(&read.replica))
}
