//! Claims that are pending for longer than they should: told once, again when the reason changes or a minute has passed,
//! and when they are bound at last.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    life::TrackedClaim, milestones::Milestone, notice::ClusterNotice, objects::ClaimPhase, reasons::ClaimReason,
};
use crate::model::base::{Moment, ObjectName, TOLD_EVERY};

/// A claim is provisioned within so long, or somebody should know.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The claims about which somebody was told.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<ObjectName, Told>);

#[derive(Debug)]
struct Told {
    uid: Arc<str>,
    when: Moment,
    reason: Option<Arc<str>>,
}

/// For how long a claim has been waiting for its volume; `None` once it has it.
pub(super) fn pending_for(life: &TrackedClaim, now: Moment) -> Option<Duration> {
    if !life.is_pending() {
        return None;
    }
    let created = life.milestones.get(Milestone::ClaimCreated)?;
    Some(match created.live {
        Some(created) => now.since(created),
        None => Duration::try_from(now.wall.duration_since(created.wall)).unwrap_or_default(),
    })
}

/// That a claim has been pending for too long, if it has.
pub(super) fn notice(life: &TrackedClaim, reason: Option<&ClaimReason>, now: Moment) -> Option<ClusterNotice> {
    let pending = pending_for(life, now).filter(|pending| *pending >= PATIENCE)?;
    Some(ClusterNotice::ClaimPending { claim: life.claim.name.clone(), pending, reason: reason.cloned() })
}

impl Pending {
    /// Takes in that time passed over a claim; returns what is new.
    pub(super) fn tick(
        &mut self,
        life: &TrackedClaim,
        reason: Option<&ClaimReason>,
        now: Moment,
    ) -> Option<ClusterNotice> {
        let notice = notice(life, reason, now)?;
        let reason = reason.map(|reason| Arc::clone(&reason.reason));
        let uid = Arc::clone(&life.claim.uid);
        let known = self.0.get(&life.claim.name).filter(|told| told.uid == uid);
        if known.is_some_and(|told| told.reason == reason && now.since(told.when) < TOLD_EVERY) {
            return None;
        }
        self.0.insert(life.claim.name.clone(), Told { uid, when: now, reason });
        Some(notice)
    }

    /// Takes in how the claims of which somebody was told are now; returns those that are bound at last.
    pub(super) fn settle<'a>(
        &mut self,
        claim: impl Fn(&ObjectName) -> Option<&'a TrackedClaim>,
    ) -> Vec<(ObjectName, ClusterNotice)> {
        let mut bound = Vec::new();
        self.0.retain(|name, told| {
            let life = claim(name).filter(|life| life.claim.uid == told.uid);
            if let Some(ClaimPhase::Bound) = life.map(|life| life.claim.phase) {
                bound.push((name.clone(), ClusterNotice::ClaimBound { claim: name.clone() }));
            }
            life.is_some_and(TrackedClaim::is_pending)
        });
        bound
    }
}
