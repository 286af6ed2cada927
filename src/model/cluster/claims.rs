//! What was seen of one claim since it is known, whether or not anybody scaled.
//!
//! As with pods, a claim that is first seen with something done already is not dated as if that had just happened.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    milestones::{Dated, Milestone, Milestones, Receipt},
    objects::{Claim, ClaimPhase, StorageClass},
};
use crate::model::base::Moment;

/// One claim, told by its uid.
#[derive(Clone, Debug)]
pub(crate) struct TrackedClaim {
    pub(crate) claim: Claim,
    pub(crate) milestones: Milestones,
    /// How long it took to bind, until somebody counts it.
    bind: Option<Duration>,
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
