//! The one state of the program: facts in, snapshots out. Its owner is its only writer.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    moment::Moment,
    notice::Notice,
    sample::Sample,
    snapshot::{Snapshot, TargetSnapshot},
    target::{Target, TargetId, TargetSpec},
};

/// A fact.
#[derive(Debug)]
pub enum Event {
    /// A sample is over.
    Sampled {
        /// Whose.
        target: TargetId,
        /// What came of it.
        sample: Box<Sample>,
    },
    /// Samples were due and not taken.
    Skipped {
        /// Whose.
        target: TargetId,
        /// How many.
        count: u64,
    },
    /// Time passed; to be told about once a second.
    Tick,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct State {
    targets: BTreeMap<TargetId, Entry>,
}

#[derive(Debug)]
struct Entry {
    target: Target,
    /// The target's snapshot since it last changed.
    shown: Option<Arc<TargetSnapshot>>,
}

impl State {
    /// A state that knows these targets and nothing about them.
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = (TargetId, TargetSpec)>) -> Self {
        let entry = |spec| Entry { target: Target::new(spec), shown: None };
        Self { targets: targets.into_iter().map(|(id, spec)| (id, entry(spec))).collect() }
    }

    /// Takes one fact in, and returns what is new to people about which target. A fact about a target that does not
    /// exist (any more) is ignored.
    pub fn apply(&mut self, event: Event, now: Moment) -> Vec<(Arc<str>, Notice)> {
        match event {
            Event::Sampled { target, sample } => self.change(target, |target| target.sampled(*sample, now)),
            Event::Skipped { target, count } => {
                self.change(target, |target| target.skipped(count, now).into_iter().collect())
            }
            Event::Tick => {
                let ids: Vec<_> = self.targets.keys().copied().collect();
                ids.into_iter().flat_map(|id| self.change(id, |target| target.tick(now))).collect()
            }
        }
    }

    /// The picture of this moment.
    pub fn snapshot(&mut self, now: Moment) -> Snapshot {
        let show = |entry: &mut Entry| Arc::clone(entry.shown.get_or_insert_with(|| Arc::new(entry.target.snapshot())));
        Snapshot { taken: now, targets: self.targets.values_mut().map(show).collect() }
    }

    fn change(&mut self, id: TargetId, change: impl FnOnce(&mut Target) -> Vec<Notice>) -> Vec<(Arc<str>, Notice)> {
        let Some(entry) = self.targets.get_mut(&id) else { return Vec::new() };
        entry.shown = None;
        let news = change(&mut entry.target);
        news.into_iter().map(|notice| (Arc::clone(entry.target.name()), notice)).collect()
    }
}
