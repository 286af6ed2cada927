//! What was seen of one pod and of one claim since it is known, whether or not anybody scaled.
//!
//! A watch tells of a new object first when it is created, bare of everything. One that is first seen with something
//! done already was not watched from its start, so what is over by then is not dated as if it had just happened.

use std::{net::IpAddr, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    milestones::{Dated, Milestone, Milestones},
    objects::{Claim, ClaimPhase, Pod, PodConditions, StorageClass},
};
use crate::model::base::Moment;

/// Whether a fact was seen as it happened, or told by a list that was asked for afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// A watch told it.
    Live,
    /// A list told it: at the start, or after a watch was interrupted.
    Listed,
}

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

/// One claim, told by its uid.
#[derive(Clone, Debug)]
pub(crate) struct TrackedClaim {
    pub(crate) claim: Claim,
    pub(crate) milestones: Milestones,
    /// How long it took to bind, until somebody counts it.
    bind: Option<Duration>,
}

impl Receipt {
    /// The date of what was just received: the moment itself if it was seen live, else what the API server wrote, if
    /// anything.
    pub(crate) fn date(self, written: Option<Timestamp>, now: Moment) -> Option<Dated> {
        match self {
            Self::Live => Some(Dated::live(now)),
            Self::Listed => written.map(Dated::told),
        }
    }
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

impl TrackedClaim {
    /// The life of a claim that was not known before; `class` is its storage class, if that is known.
    pub(crate) fn begin(claim: Claim, class: Option<&StorageClass>, receipt: Receipt, now: Moment) -> Self {
        let bare = claim.phase == ClaimPhase::Pending && !claim.node_selected;
        let receipt = if bare { receipt } else { Receipt::Listed };
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::ClaimCreated, receipt.date(claim.created, now));
        let mut life = Self { claim: claim.clone(), milestones, bind: None };
        life.changed(claim, class, receipt, now);
        life
    }

    /// Takes in how the claim is now.
    pub(crate) fn changed(&mut self, claim: Claim, class: Option<&StorageClass>, receipt: Receipt, now: Moment) {
        let binds = claim.phase != ClaimPhase::Pending && !self.milestones.has(Milestone::ClaimBound);
        if claim.node_selected {
            // Both at once: the selection was missed.
            let selected = if binds { None } else { receipt.date(None, now) };
            self.milestones.reach(Milestone::ClaimProvisioning, selected);
        } else if binds || class.is_some_and(|class| !class.waits_for_consumer) {
            // No consumer was waited for: not by the class, or because the consumer's node was fixed. As long as the
            // class is not known, only the binding shows it.
            self.milestones.reach(Milestone::ClaimProvisioning, self.milestones.get(Milestone::ClaimCreated));
        }
        if binds {
            self.milestones.reach(Milestone::ClaimBound, receipt.date(None, now));
            let seen = |milestone| self.milestones.get(milestone).and_then(|date| date.live);
            self.bind = seen(Milestone::ClaimCreated).map(|created| now.since(created));
            self.bind = self.bind.filter(|_| seen(Milestone::ClaimBound).is_some());
        }
        self.claim = claim;
    }

    /// Takes in since when it is bound, as its volume tells it; says whether nothing was known of that.
    pub(crate) fn bound_since(&mut self, since: Timestamp) -> bool {
        self.milestones.backfill(Milestone::ClaimBound, Dated::told(since))
    }

    /// How long it took to bind, if both its creation and its binding were seen; said once.
    pub(crate) fn take_bind(&mut self) -> Option<Duration> {
        self.bind.take()
    }

    /// It waits for its volume.
    pub(crate) fn is_pending(&self) -> bool {
        self.claim.phase == ClaimPhase::Pending
    }

    /// The storage class as it is known now.
    pub(crate) fn class(&self) -> Option<&Arc<str>> {
        self.claim.storage_class.as_ref()
    }
}
