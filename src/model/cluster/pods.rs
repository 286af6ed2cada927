//! What was seen of one pod, with or without a scale event.
//!
//! A watch delivers a new pod without any condition. A pod that has progressed before readscope sees it first was not
//! watched from its start, so its earlier milestones are not dated by the moment of receipt.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    milestones::{Milestone, MilestoneTime, Milestones, Seen},
    objects::{Pod, PodConditions, PodTrouble},
};
use crate::model::{
    base::Moment,
    probe::{PodClients, PodRead},
};

#[derive(Clone, Debug)]
pub(crate) struct TrackedPod {
    pub(crate) uid: Arc<str>,
    pub(crate) statefulset: Option<Arc<str>>,
    pub(crate) other_owner: Option<Arc<str>>,
    pub(crate) restarts: u32,
    pub(crate) addresses: Box<[IpAddr]>,
    pub(crate) ready: bool,
    pub(crate) trouble: Option<Box<PodTrouble>>,
    pub(crate) milestones: Milestones,
    endpoint: Endpoint,
    /// Time of the last read through a Service.
    pub(crate) answered: Option<Moment>,
    /// How late the first read may have been seen; absent if it was not seen.
    pub(crate) first_read_uncertainty: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Endpoint {
    NotYet,
    Ready,
    /// Absent if the change was not seen.
    NoMore(Option<MilestoneTime>),
}

impl TrackedPod {
    pub(crate) fn new(pod: Pod, seen: Seen, now: Moment) -> Self {
        let bare = pod.conditions == PodConditions::default() && pod.deleted.is_none();
        let seen = if bare { seen } else { Seen::Listed };
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::PodCreated, seen.date(pod.created, now));
        let mut tracked = Self {
            uid: Arc::clone(&pod.uid),
            statefulset: None,
            other_owner: None,
            restarts: 0,
            addresses: Box::default(),
            ready: false,
            trouble: None,
            milestones,
            endpoint: Endpoint::NotYet,
            answered: None,
            first_read_uncertainty: None,
        };
        tracked.update(pod, seen, now);
        tracked
    }

    pub(crate) fn update(&mut self, pod: Pod, seen: Seen, now: Moment) {
        let conditions = pod.conditions;
        for (milestone, since) in [
            (Milestone::PodScheduled, conditions.scheduled),
            (Milestone::SandboxReady, conditions.sandbox),
            (Milestone::Initialized, conditions.initialized),
            (Milestone::PodReady, conditions.ready),
        ] {
            if since.is_some() {
                self.milestones.reach(milestone, seen.date(since, now));
            }
        }
        if pod.deleted.is_some() {
            self.terminates(seen.date(pod.deleted, now));
        }
        self.statefulset = pod.statefulset;
        self.other_owner = pod.other_owner;
        self.restarts = pod.restarts;
        self.addresses = pod.addresses.into();
        self.ready = conditions.ready.is_some();
        self.trouble = pod.trouble;
    }

    pub(crate) fn endpoint(&mut self, ready: bool, date: Option<MilestoneTime>) {
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

    pub(crate) fn read(&mut self, read: &PodRead, finished: Moment) {
        // The first read of a pod that is older than its watch is unknown.
        let first = [Milestone::PodCreated, Milestone::EndpointReady, Milestone::PodReady]
            .into_iter()
            .any(|milestone| self.seen(milestone));
        if self.milestones.reach(Milestone::FirstRead, first.then(|| MilestoneTime::live(finished))) && first {
            self.first_read_uncertainty = Some(read.uncertainty);
        }
        self.answered = self.answered.max(Some(finished));
        if self.terminating() {
            self.date_last_read();
        }
        if read.fresh {
            let first = self.seen(Milestone::FirstRead);
            self.milestones.reach(Milestone::FreshRead, first.then(|| MilestoneTime::live(finished)));
        }
    }

    pub(crate) fn direct_read(&mut self, finished: Moment) {
        let first = self.seen(Milestone::PodCreated) || self.seen(Milestone::SandboxReady);
        self.milestones.reach(Milestone::DirectRead, first.then(|| MilestoneTime::live(finished)));
    }

    /// Clients count from the first read through the Service.
    pub(crate) fn met_clients(&mut self, met: &PodClients) {
        if !self.milestones.has(Milestone::FirstRead) {
            return;
        }
        let date = self.seen(Milestone::FirstRead).then(|| MilestoneTime::live(met.at));
        self.milestones.reach(Milestone::FirstClient, date);
        if met.has_share {
            self.milestones.reach(Milestone::ClientShare, date);
        }
    }

    pub(crate) fn gone(&mut self, seen: Seen, now: Moment) {
        self.terminates(seen.date(None, now));
        self.milestones.reach(Milestone::PodGone, seen.date(Some(now.wall), now));
    }

    pub(crate) fn terminating(&self) -> bool {
        self.milestones.has(Milestone::Terminating)
    }

    /// A probe that started before the pod existed was answered by the previous pod of this name.
    pub(crate) fn is_younger_than(&self, started: Moment) -> bool {
        match self.milestones.get(Milestone::PodCreated) {
            Some(MilestoneTime { live: Some(created), .. }) => started < created,
            Some(MilestoneTime { wall, live: None }) => started.wall < wall,
            None => false,
        }
    }

    fn terminates(&mut self, date: Option<MilestoneTime>) {
        if !self.milestones.reach(Milestone::Terminating, date) {
            return;
        }
        // The endpoint and the last read may precede the watch event of the termination.
        if let Endpoint::NoMore(date) = self.endpoint {
            self.milestones.reach(Milestone::EndpointGone, date);
        }
        self.date_last_read();
    }

    fn date_last_read(&mut self) {
        if let Some(answered) = self.answered {
            self.milestones.renew(Milestone::LastRead, MilestoneTime::live(answered));
        }
    }

    fn seen(&self, milestone: Milestone) -> bool {
        self.milestones.get(milestone).is_some_and(|date| date.live.is_some())
    }
}
