//! The known pods and PVCs by name, and for a moment the pods that are gone.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{milestones::Seen, objects::Pod, pods::TrackedPod, pvcs::TrackedPvc};
use crate::model::base::{Moment, ObjectName, PodRef, is_host_of};

/// Watches of different kinds are separate streams: a later fact may arrive this long before an earlier one.
pub(super) const CROSSING: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(crate) struct TrackedObjects {
    /// Boxed: the nodes of a map are half empty.
    pods: BTreeMap<ObjectName, Box<TrackedPod>>,
    pvcs: BTreeMap<ObjectName, Box<TrackedPvc>>,
    /// Pods that are gone, while other watches may still deliver events about them.
    departed: BTreeMap<ObjectName, Box<TrackedPod>>,
    /// When the pods went, oldest first.
    departures: VecDeque<(Moment, ObjectName, Arc<str>)>,
}

impl TrackedObjects {
    pub(crate) fn pod(&self, name: &ObjectName) -> Option<&TrackedPod> {
        self.pods.get(name).map(Box::as_ref)
    }

    /// The pod of this namespace that has this host name.
    pub(crate) fn pod_of_host(&self, namespace: &Arc<str>, host: &str) -> Option<PodRef> {
        let whole = |name: &str| ObjectName { namespace: Arc::clone(namespace), name: name.into() };
        let domains = host.match_indices('.').map(|(dot, _)| &host[..dot]);
        // The longest name first: a name may contain dots.
        let exact = std::iter::once(host)
            .chain(domains.collect::<Vec<_>>().into_iter().rev())
            .find_map(|name| self.pods.get_key_value(&whole(name)));
        // Kubernetes cuts the name of a pod to make a host name.
        let longer = || {
            let pods = self.pods.range(whole(host)..);
            let mut pods = pods.take_while(|(pod, _)| pod.name.starts_with(host) && pod.namespace == *namespace);
            pods.find(|(pod, _)| is_host_of(host, &pod.name))
        };
        let found = exact.or_else(|| if host.is_empty() { None } else { longer() });
        found.map(|(name, pod)| PodRef { name: Arc::clone(&name.name), uid: Arc::clone(&pod.uid) })
    }

    /// The pod that has this name, or had it within [`CROSSING`].
    pub(crate) fn last_pod(&self, name: &ObjectName) -> Option<&TrackedPod> {
        self.pods.get(name).or_else(|| self.departed.get(name)).map(Box::as_ref)
    }

    /// Includes a pod that went within [`CROSSING`].
    pub(crate) fn pod_of(&self, name: &ObjectName, uid: &str) -> Option<&TrackedPod> {
        let pods = [self.pods.get(name), self.departed.get(name)];
        pods.into_iter().flatten().map(Box::as_ref).find(|pod| &*pod.uid == uid)
    }

    pub(crate) fn pod_of_mut(&mut self, name: &ObjectName, uid: &str) -> Option<&mut TrackedPod> {
        let pods = [self.pods.get_mut(name), self.departed.get_mut(name)];
        pods.into_iter().flatten().map(Box::as_mut).find(|pod| &*pod.uid == uid)
    }

    /// The pod of this name, if it may have answered a probe that started at `started`.
    pub(crate) fn answering(&mut self, name: &ObjectName, started: Moment) -> Option<&mut TrackedPod> {
        self.pods.get_mut(name).map(Box::as_mut).filter(|pod| !pod.is_younger_than(started))
    }

    /// Returns whether the pod is new.
    pub(crate) fn pod_applied(&mut self, pod: Pod, seen: Seen, now: Moment) -> bool {
        if let Some(known) = self.pods.get_mut(&pod.name) {
            known.update(pod, seen, now);
            return false;
        }
        self.pods.insert(pod.name.clone(), Box::new(TrackedPod::new(pod, seen, now)));
        true
    }

    /// Returns whether the pod was known.
    pub(crate) fn pod_deleted(&mut self, name: &ObjectName, seen: Seen, now: Moment) -> bool {
        let Some(mut pod) = self.pods.remove(name) else { return false };
        pod.gone(seen, now);
        self.departures.push_back((now, name.clone(), Arc::clone(&pod.uid)));
        self.departed.insert(name.clone(), pod);
        true
    }

    pub(crate) fn pvc(&self, name: &ObjectName) -> Option<&TrackedPvc> {
        self.pvcs.get(name).map(Box::as_ref)
    }

    pub(crate) fn pvc_mut(&mut self, name: &ObjectName) -> Option<&mut TrackedPvc> {
        self.pvcs.get_mut(name).map(Box::as_mut)
    }

    pub(crate) fn pvcs(&self) -> impl Iterator<Item = &TrackedPvc> {
        self.pvcs.values().map(Box::as_ref)
    }

    pub(crate) fn add_pvc(&mut self, tracked: TrackedPvc) {
        self.pvcs.insert(tracked.pvc.name.clone(), Box::new(tracked));
    }

    pub(crate) fn remove_pvc(&mut self, name: &ObjectName) {
        self.pvcs.remove(name);
    }

    /// Forgets the pods that went more than [`CROSSING`] ago.
    pub(crate) fn forget_departed(&mut self, now: Moment) {
        while self.departures.front().is_some_and(|(gone, ..)| now.since(*gone) > CROSSING) {
            let Some((_, name, uid)) = self.departures.pop_front() else { return };
            if self.departed.get(&name).is_some_and(|pod| pod.uid == uid) {
                self.departed.remove(&name);
            }
        }
    }
}
