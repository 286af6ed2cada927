//! What was seen of one PVC, with or without a scale event.
//!
//! A PVC that has progressed before readscope sees it first is dated from the API, not by the moment of receipt, as
//! with pods.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    milestones::{Dated, Milestone, Milestones, Receipt},
    objects::{Claim, ClaimPhase, StorageClass},
};
use crate::model::base::Moment;

#[derive(Clone, Debug)]
pub(crate) struct TrackedClaim {
    pub(crate) claim: Claim,
    pub(crate) milestones: Milestones,
    /// From creation to binding, until [`Self::take_bind`] returns it.
    bind: Option<Duration>,
}

impl TrackedClaim {
    pub(crate) fn begin(claim: Claim, class: Option<&StorageClass>, receipt: Receipt, now: Moment) -> Self {
        let bare = claim.phase == ClaimPhase::Pending && !claim.node_selected;
        let receipt = if bare { receipt } else { Receipt::Listed };
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::ClaimCreated, receipt.date(claim.created, now));
        let mut life = Self { claim: claim.clone(), milestones, bind: None };
        life.changed(claim, class, receipt, now);
        life
    }

    pub(crate) fn changed(&mut self, claim: Claim, class: Option<&StorageClass>, receipt: Receipt, now: Moment) {
        let binds = claim.phase != ClaimPhase::Pending && !self.milestones.has(Milestone::ClaimBound);
        if claim.node_selected {
            // Selection and binding arrive together, so the moment of the selection is unknown.
            let selected = if binds { None } else { receipt.date(None, now) };
            self.milestones.reach(Milestone::ClaimProvisioning, selected);
        } else if binds || class.is_some_and(|class| !class.waits_for_consumer) {
            // Provisioning started at creation: the class does not wait for a consumer, or the node of the consumer was
            // fixed. While the class is unknown, only the binding shows this.
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

    /// Dates the binding by the volume; returns whether the date was missing.
    pub(crate) fn bound_since(&mut self, since: Timestamp) -> bool {
        self.milestones.backfill(Milestone::ClaimBound, Dated::told(since))
    }

    /// How long binding took, if creation and binding were both seen live; returned once.
    pub(crate) fn take_bind(&mut self) -> Option<Duration> {
        self.bind.take()
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.claim.phase == ClaimPhase::Pending
    }

    pub(crate) fn class(&self) -> Option<&Arc<str>> {
        self.claim.storage_class.as_ref()
    }
}
