//! The state of the watches, which decides whether the cluster state can be trusted.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    change::{Kind, Problem, WatchName},
    notice::ClusterNotice,
};
use crate::model::base::Moment;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The full list was received at least once.
    pub listed: bool,
    /// Present while the watch fails.
    pub problem: Option<Problem>,
    /// How often the watch started again with a full list.
    pub restarts: u64,
    pub last_event: Option<Moment>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watches(BTreeMap<WatchName, Watch>);

impl Watches {
    /// Replaces the watches; known ones keep their state.
    pub(crate) fn keep(&mut self, names: impl IntoIterator<Item = WatchName>) {
        let mut before = std::mem::take(&mut self.0);
        let kept = names.into_iter().map(|name| {
            let watch = before.remove(&name).unwrap_or_default();
            (name, watch)
        });
        self.0 = kept.collect();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&WatchName, &Watch)> {
        self.0.iter()
    }

    pub(crate) fn received(&mut self, name: &WatchName, now: Moment) {
        if let Some(watch) = self.0.get_mut(name) {
            watch.last_event = Some(now);
        }
    }

    /// Records a full list and returns a notice if the watch had failed.
    pub(crate) fn listed(&mut self, name: &WatchName, now: Moment) -> Option<ClusterNotice> {
        let watch = self.0.get_mut(name)?;
        if watch.listed {
            watch.restarts += 1;
        }
        watch.listed = true;
        watch.last_event = Some(now);
        let recovered = watch.problem.take().is_some();
        recovered.then(|| ClusterNotice::WatchRecovered { watch: name.clone() })
    }

    /// Records a failure and returns a notice if it is new or of another kind.
    pub(crate) fn broken(&mut self, name: &WatchName, problem: Problem) -> Option<ClusterNotice> {
        let watch = self.0.get_mut(name)?;
        let known = watch.problem.as_ref().is_some_and(|before| before.forbidden == problem.forbidden);
        watch.problem = Some(problem);
        if known { None } else { notice(name, watch.problem.as_ref()) }
    }

    pub(crate) fn keep_open(&self, kind: Kind, namespace: &Arc<str>) -> bool {
        self.0.contains_key(&WatchName { kind, namespace: Arc::clone(namespace) })
    }

    pub(crate) fn has_listed(&self, kind: Kind, namespace: &Arc<str>) -> bool {
        let name = WatchName { kind, namespace: Arc::clone(namespace) };
        self.0.get(&name).is_some_and(|watch| watch.listed)
    }

    pub(crate) fn notices(&self) -> impl Iterator<Item = ClusterNotice> + '_ {
        self.0.iter().filter_map(|(name, watch)| notice(name, watch.problem.as_ref()))
    }
}

impl Watch {
    /// Whether the list was received, or may not be read. Data that may not be read is optional, so nothing waits for
    /// it.
    pub fn settled(&self) -> bool {
        self.listed || self.problem.as_ref().is_some_and(|problem| problem.forbidden)
    }
}

fn notice(name: &WatchName, problem: Option<&Problem>) -> Option<ClusterNotice> {
    let watch = name.clone();
    let Problem { forbidden, text } = problem?.clone();
    Some(if forbidden { ClusterNotice::Forbidden { watch } } else { ClusterNotice::WatchBroken { watch, text } })
}
