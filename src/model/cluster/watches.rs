//! How the watches of Kubernetes objects fare, since everything known from there is only as good as they are.

use std::{collections::BTreeMap, sync::Arc};

use super::{change::Kind, notice::ClusterNotice};
use crate::model::base::Moment;

/// One watch: a kind of objects in a namespace, or in the whole cluster (an empty one).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchName {
    /// What is watched.
    pub kind: Kind,
    /// Where.
    pub namespace: Arc<str>,
}

/// How one watch fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Its whole list was received at least once.
    pub listed: bool,
    /// Why it does not work now, if it does not.
    pub problem: Option<Problem>,
    /// How often it had to begin anew.
    pub restarts: u64,
    /// When it last told anything.
    pub last_event: Option<Moment>,
}

/// Why a watch does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The permission is missing.
    pub forbidden: bool,
    /// The error.
    pub text: Arc<str>,
}

/// Every watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watches(BTreeMap<WatchName, Watch>);

impl Watches {
    /// From now on there are these; one that was there before goes on.
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

    /// A fact came.
    pub(crate) fn told(&mut self, name: &WatchName, now: Moment) {
        if let Some(watch) = self.0.get_mut(name) {
            watch.last_event = Some(now);
        }
    }

    /// The whole list was received; returns what is new.
    pub(crate) fn listed(&mut self, name: &WatchName, now: Moment) -> Option<ClusterNotice> {
        let watch = self.0.get_mut(name)?;
        if watch.listed {
            watch.restarts += 1;
        }
        watch.listed = true;
        watch.last_event = Some(now);
        let mended = watch.problem.take().is_some();
        mended.then(|| ClusterNotice::WatchMended { kind: name.kind, namespace: Arc::clone(&name.namespace) })
    }

    /// It does not work; returns what is new.
    pub(crate) fn broken(&mut self, name: &WatchName, problem: Problem) -> Option<ClusterNotice> {
        let watch = self.0.get_mut(name)?;
        let known = watch.problem.as_ref().is_some_and(|before| before.forbidden == problem.forbidden);
        watch.problem = Some(problem);
        if known { None } else { notice(name, watch) }
    }

    /// Whether the list of this kind was received in the namespace.
    pub(crate) fn has_listed(&self, kind: Kind, namespace: &Arc<str>) -> bool {
        let name = WatchName { kind, namespace: Arc::clone(namespace) };
        self.0.get(&name).is_some_and(|watch| watch.listed)
    }

    /// What is wrong now.
    pub(crate) fn notices(&self) -> impl Iterator<Item = ClusterNotice> + '_ {
        self.0.iter().filter_map(|(name, watch)| notice(name, watch))
    }
}

impl Watch {
    /// Nothing waits for it any more: its list was received, or it may not be read, which is a missing refinement.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.listed || self.problem.as_ref().is_some_and(|problem| problem.forbidden)
    }
}

fn notice(name: &WatchName, watch: &Watch) -> Option<ClusterNotice> {
    let (kind, namespace) = (name.kind, Arc::clone(&name.namespace));
    let problem = watch.problem.as_ref()?;
    Some(if problem.forbidden {
        ClusterNotice::Forbidden { kind, namespace }
    } else {
        ClusterNotice::WatchBroken { kind, namespace, text: Arc::clone(&problem.text) }
    })
}
