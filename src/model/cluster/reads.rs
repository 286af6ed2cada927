//! What the answers of pods mean for the milestones of replicas.

use std::time::Duration;

use super::{
    index::{Effect, Index},
    life::{Receipt, TrackedPod},
};
use crate::model::base::{Moment, ObjectName};

impl Index {
    /// Takes in that a pod answered a connection through the read Service, to a sample that started at `started`; if it
    /// is the first time, that is known to `uncertainty`.
    pub(crate) fn read(
        &mut self,
        pod: &ObjectName,
        started: Moment,
        finished: Moment,
        uncertainty: Duration,
    ) -> Vec<Effect> {
        self.answered(pod, started, finished, |life| life.read(finished, uncertainty))
    }

    /// The same of an answer that is known not to be stale.
    pub(crate) fn fresh_read(
        &mut self,
        pod: &ObjectName,
        started: Moment,
        finished: Moment,
        uncertainty: Duration,
    ) -> Vec<Effect> {
        self.answered(pod, started, finished, |life| life.fresh_read(finished, uncertainty))
    }

    /// Takes in that a pod answered a connection to its own address.
    pub(crate) fn direct_read(
        &mut self,
        pod: &ObjectName,
        uid: &str,
        started: Moment,
        finished: Moment,
    ) -> Vec<Effect> {
        if self.lives.pod(pod).is_none_or(|life| *life.uid != *uid) {
            return Vec::new();
        }
        self.answered(pod, started, finished, |life| life.direct_read(finished))
    }

    /// Takes in whether it is known which answers of a `StatefulSet`'s replicas are fresh. While it is, one has arrived
    /// with its first fresh one, otherwise with its first.
    pub(crate) fn know_freshness(&mut self, set: &ObjectName, known: bool, now: Moment) -> Vec<Effect> {
        let new = if known { self.freshness.insert(set.clone()) } else { self.freshness.remove(set) };
        if new { self.sync(set, None, Receipt::Listed, now) } else { Vec::new() }
    }

    fn answered(
        &mut self,
        pod: &ObjectName,
        started: Moment,
        finished: Moment,
        take_in: impl FnOnce(&mut TrackedPod),
    ) -> Vec<Effect> {
        let Some(life) = self.lives.answering(pod, started) else { return Vec::new() };
        let before = life.milestones.clone();
        take_in(life);
        let reached = life.milestones != before;
        let mut effects = self.sync_replica(pod, Receipt::Live, finished);
        effects.extend(reached.then_some(Effect::Reached));
        effects
    }
}
