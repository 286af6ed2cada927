//! The pods and claims that are known, by name, and for a moment those pods that are gone.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{claims::TrackedClaim, milestones::Receipt, objects::Pod, pods::TrackedPod};
use crate::model::base::{Moment, ObjectName};

/// Watches of different kinds are separate streams: of two facts, the later one may be received so long before the
/// earlier one.
pub(super) const CROSSING: Duration = Duration::from_secs(2);

/// The pods and claims that are known.
#[derive(Debug, Default)]
pub(crate) struct TrackedObjects {
    /// Boxed, because a map's nodes are half empty.
    pods: BTreeMap<ObjectName, Box<TrackedPod>>,
    claims: BTreeMap<ObjectName, Box<TrackedClaim>>,
    /// Pods that are gone, as long as other watches may still tell of them.
    departed: BTreeMap<ObjectName, Box<TrackedPod>>,
    /// When they went, oldest first.
    departures: VecDeque<(Moment, ObjectName, Arc<str>)>,
}

impl TrackedObjects {
    /// The pod that has this name now.
    pub(crate) fn pod(&self, name: &ObjectName) -> Option<&TrackedPod> {
        self.pods.get(name).map(Box::as_ref)
    }

    /// The pod that has this name, or else had it a moment ago.
    pub(crate) fn last_pod(&self, name: &ObjectName) -> Option<&TrackedPod> {
        self.pods.get(name).or_else(|| self.departed.get(name)).map(Box::as_ref)
    }

    /// The pod of this name and uid, be it gone since a moment ago.
    pub(crate) fn pod_of(&self, name: &ObjectName, uid: &str) -> Option<&TrackedPod> {
        let lives = [self.pods.get(name), self.departed.get(name)];
        lives.into_iter().flatten().map(Box::as_ref).find(|life| &*life.uid == uid)
    }

    pub(crate) fn pod_of_mut(&mut self, name: &ObjectName, uid: &str) -> Option<&mut TrackedPod> {
        let lives = [self.pods.get_mut(name), self.departed.get_mut(name)];
        lives.into_iter().flatten().map(Box::as_mut).find(|life| &*life.uid == uid)
    }

    /// The pod of this name, if it may have answered a sample that started at `started`.
    pub(crate) fn answering(&mut self, name: &ObjectName, started: Moment) -> Option<&mut TrackedPod> {
        self.pods.get_mut(name).map(Box::as_mut).filter(|life| !life.is_younger_than(started))
    }

    /// Takes in how a pod is now; says whether it was not known before.
    pub(crate) fn pod_applied(&mut self, pod: Pod, receipt: Receipt, now: Moment) -> bool {
        if let Some(life) = self.pods.get_mut(&pod.name) {
            life.changed(pod, receipt, now);
            return false;
        }
        self.pods.insert(pod.name.clone(), Box::new(TrackedPod::begin(pod, receipt, now)));
        true
    }

    /// Takes in that a pod is gone; says whether it was known.
    pub(crate) fn pod_deleted(&mut self, name: &ObjectName, receipt: Receipt, now: Moment) -> bool {
        let Some(mut life) = self.pods.remove(name) else { return false };
        life.gone(receipt, now);
        self.departures.push_back((now, name.clone(), Arc::clone(&life.uid)));
        self.departed.insert(name.clone(), life);
        true
    }

    pub(crate) fn claim(&self, name: &ObjectName) -> Option<&TrackedClaim> {
        self.claims.get(name).map(Box::as_ref)
    }

    pub(crate) fn claim_mut(&mut self, name: &ObjectName) -> Option<&mut TrackedClaim> {
        self.claims.get_mut(name).map(Box::as_mut)
    }

    pub(crate) fn claims(&self) -> impl Iterator<Item = &TrackedClaim> {
        self.claims.values().map(Box::as_ref)
    }

    pub(crate) fn add_claim(&mut self, life: TrackedClaim) {
        self.claims.insert(life.claim.name.clone(), Box::new(life));
    }

    pub(crate) fn remove_claim(&mut self, name: &ObjectName) {
        self.claims.remove(name);
    }

    /// Forgets the pods of which nothing more is to be told.
    pub(crate) fn forget_departed(&mut self, now: Moment) {
        while self.departures.front().is_some_and(|(gone, ..)| now.since(*gone) > CROSSING) {
            let Some((_, name, uid)) = self.departures.pop_front() else { return };
            if self.departed.get(&name).is_some_and(|life| life.uid == uid) {
                self.departed.remove(&name);
            }
        }
    }
}
