//! What was seen of one pod since it is known, whether or not anybody scaled.
//!
//! A watch tells of a new object first when it is created, bare of everything. One that is first seen with something
//! done already was not watched from its start, so what is over by then is not dated as if it had just happened.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    milestones::{Dated, Milestone, Milestones, Receipt},
    objects::{Pod, PodConditions},
};
use crate::model::base::Moment;

/// One pod, told by its uid.
#[derive(Clone, Debug)]
pub(crate) struct TrackedPod {
    pub(crate) uid: Arc<str>,
    /// The `StatefulSet` that controls it.
    pub(crate) statefulset: Option<Arc<str>>,
    /// Its addresses, once it has some.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) milestones: Milestones,
    endpoint: Endpoint,
    /// When its last answer through a read Service was there.
    answered: Option<Moment>,
    /// The time to which its first read is known.
    uncertainty: Option<Duration>,
}

/// Whether a read Service has a pod as a ready endpoint.
#[derive(Clone, Copy, Debug)]
enum Endpoint {
    NotYet,
    Ready,
    /// Since when, if that was seen.
    NoMore(Option<Dated>),
}

impl TrackedPod {
    /// The life of a pod that was not known before.
    pub(crate) fn begin(pod: Pod, receipt: Receipt, now: Moment) -> Self {
        let bare = pod.conditions == PodConditions::default() && pod.deleted.is_none();
        let receipt = if bare { receipt } else { Receipt::Listed };
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::PodCreated, receipt.date(pod.created, now));
        let mut life = Self {
            uid: Arc::clone(&pod.uid),
            statefulset: None,
            addresses: Vec::new(),
            milestones,
            endpoint: Endpoint::NotYet,
            answered: None,
            uncertainty: None,
        };
        life.changed(pod, receipt, now);
        life
    }

    /// Takes in how the pod is now.
    pub(crate) fn changed(&mut self, pod: Pod, receipt: Receipt, now: Moment) {
        let conditions = pod.conditions;
        for (milestone, since) in [
            (Milestone::PodScheduled, conditions.scheduled),
            (Milestone::SandboxReady, conditions.sandbox),
            (Milestone::Initialized, conditions.initialized),
            (Milestone::PodReady, conditions.ready),
        ] {
            if since.is_some() {
                self.milestones.reach(milestone, receipt.date(since, now));
            }
        }
        if pod.deleted.is_some() {
            self.terminates(receipt.date(pod.deleted, now));
        }
        self.statefulset = pod.statefulset;
        self.addresses = pod.addresses;
    }

    /// Takes in that its endpoint is ready, or is so no more.
    pub(crate) fn endpoint(&mut self, ready: bool, date: Option<Dated>) {
        if ready {
            self.endpoint = Endpoint::Ready;
            self.milestones.reach(Milestone::EndpointReady, date);
        } else {
            self.endpoint = Endpoint::NoMore(date);
            if self.terminating() {
                self.milestones.reach(Milestone::EndpointGone, date);
            }
        }
    }

    /// Takes in an answer through the read Service; the moment of the first one is known to `uncertainty`.
    pub(crate) fn read(&mut self, finished: Moment, uncertainty: Duration) {
        // Of a pod that was there before anybody looked, the first read is not known.
        let first = [Milestone::PodCreated, Milestone::EndpointReady, Milestone::PodReady]
            .into_iter()
            .any(|milestone| self.seen(milestone));
        if self.milestones.reach(Milestone::FirstRead, first.then(|| Dated::live(finished))) && first {
            self.uncertainty = Some(uncertainty);
        }
        self.answered = self.answered.max(Some(finished));
        if self.terminating() {
            self.date_last_read();
        }
    }

    /// Takes in an answer through the read Service that was not stale.
    pub(crate) fn fresh_read(&mut self, finished: Moment, uncertainty: Duration) {
        self.read(finished, uncertainty);
        let first = self.seen(Milestone::FirstRead);
        self.milestones.reach(Milestone::FreshRead, first.then(|| Dated::live(finished)));
    }

    /// Takes in an answer to a connection to its own address.
    pub(crate) fn direct_read(&mut self, finished: Moment) {
        let first = self.seen(Milestone::PodCreated) || self.seen(Milestone::SandboxReady);
        self.milestones.reach(Milestone::DirectRead, first.then(|| Dated::live(finished)));
    }

    pub(crate) fn gone(&mut self, receipt: Receipt, now: Moment) {
        self.terminates(receipt.date(None, now));
        self.milestones.reach(Milestone::PodGone, receipt.date(Some(now.wall), now));
    }

    pub(crate) fn terminating(&self) -> bool {
        self.milestones.has(Milestone::Terminating)
    }

    /// Whether a sample that started then cannot have been answered by it: the pod that had the name before did.
    pub(crate) fn is_younger_than(&self, started: Moment) -> bool {
        match self.milestones.get(Milestone::PodCreated) {
            Some(Dated { live: Some(created), .. }) => started < created,
            Some(Dated { wall, live: None }) => started.wall < wall,
            None => false,
        }
    }

    /// When its last answer through a read Service was there.
    pub(crate) fn answered(&self) -> Option<Moment> {
        self.answered
    }

    /// The time to which its first read is known, if that was seen.
    pub(crate) fn first_read_uncertainty(&self) -> Option<Duration> {
        self.uncertainty
    }

    fn terminates(&mut self, date: Option<Dated>) {
        if !self.milestones.reach(Milestone::Terminating, date) {
            return;
        }
        // The endpoint may go before its pod is seen to terminate, and so may the last read.
        if let Endpoint::NoMore(date) = self.endpoint {
            self.milestones.reach(Milestone::EndpointGone, date);
        }
        self.date_last_read();
    }

    fn date_last_read(&mut self) {
        if let Some(answered) = self.answered {
            self.milestones.renew(Milestone::LastRead, Dated::live(answered));
        }
    }

    fn seen(&self, milestone: Milestone) -> bool {
        self.milestones.get(milestone).is_some_and(|date| date.live.is_some())
    }
}
