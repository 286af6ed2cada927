//! Claims that wait for their volume: since when they have it, why they do not, and who was told of it.
//!
//! A claim says nothing of that itself. Why it waits stands in Events, which are gone after an hour: the last one is kept
//! as long as the claim is pending, and a warning is not displaced by what is merely going on, as provisioners write that
//! they begin before each attempt that fails. Since when it is bound stands in its volume, which belongs to the whole
//! cluster and comes by a watch of its own, perhaps before the claim.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    claims::TrackedClaim,
    milestones::Milestone,
    notice::ClusterNotice,
    objects::{ClaimEvent, ClaimPhase, ClaimReason, Volume},
};
use crate::model::base::{Moment, ObjectName, TOLD_EVERY};

/// Events of so many claims that are not known are kept: claims and their Events come from different watches.
const UNKNOWN_MAX: usize = 1000;

/// Why claims are pending, as far as Events tell.
#[derive(Debug, Default)]
pub(super) struct Reasons(BTreeMap<ObjectName, (Arc<str>, ClaimReason)>);

impl Reasons {
    /// Takes in what is said of a claim that is pending, or not known yet.
    pub(super) fn applied(&mut self, event: ClaimEvent) {
        if self.0.len() >= UNKNOWN_MAX && !self.0.contains_key(&event.claim) {
            return;
        }
        let ClaimEvent { claim, uid, reason } = event;
        let known = self.0.get(&claim).filter(|(of, _)| *of == uid).map(|(_, known)| known);
        let rank = |reason: &ClaimReason| (reason.warning, reason.last);
        if known.is_none_or(|known| rank(&reason) >= rank(known)) {
            self.0.insert(claim, (uid, reason));
        }
    }

    /// Why the claim of this name and uid is pending.
    pub(super) fn of(&self, claim: &ObjectName, uid: &str) -> Option<&ClaimReason> {
        self.0.get(claim).filter(|(of, _)| **of == *uid).map(|(_, reason)| reason)
    }

    /// The claim is not pending any more.
    pub(super) fn forget(&mut self, claim: &ObjectName) {
        self.0.remove(claim);
    }

    /// Keeps what is said of these claims alone.
    pub(super) fn retain(&mut self, is_pending: impl Fn(&ObjectName) -> bool) {
        self.0.retain(|claim, _| is_pending(claim));
    }
}

/// Dates of so many claims that are not known, or not known to be bound, are kept.
const WAITING_MAX: usize = 10_000;

/// Dates that wait for their claim to be received, or to be received as bound.
#[derive(Debug, Default)]
pub(super) struct Volumes(BTreeMap<ObjectName, (Arc<str>, Timestamp)>);

impl Volumes {
    /// Takes in what a volume says of a claim that is not known to be bound.
    pub(super) fn applied(&mut self, volume: Volume) {
        let Volume { claim, claim_uid, bound } = volume;
        match bound {
            None => self.forget(&claim),
            Some(bound) if self.0.len() < WAITING_MAX => {
                self.0.insert(claim, (claim_uid, bound));
            }
            Some(_) => {}
        }
    }

    /// Since when the claim of this name and uid is bound, if its volume told; said once.
    pub(super) fn take(&mut self, claim: &ObjectName, uid: &str) -> Option<Timestamp> {
        let (of, bound) = self.0.remove(claim)?;
        (*of == *uid).then_some(bound)
    }

    /// The claim is gone, or has no volume any more.
    pub(super) fn forget(&mut self, claim: &ObjectName) {
        self.0.remove(claim);
    }

    /// Keeps what is said of these claims alone.
    pub(super) fn retain(&mut self, is_awaited: impl Fn(&ObjectName) -> bool) {
        self.0.retain(|claim, _| is_awaited(claim));
    }
}

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
    pub(super) fn settle<'a>(&mut self, claim: impl Fn(&ObjectName) -> Option<&'a TrackedClaim>) -> Vec<ClusterNotice> {
        let mut bound = Vec::new();
        self.0.retain(|name, told| {
            let life = claim(name).filter(|life| life.claim.uid == told.uid);
            if let Some(ClaimPhase::Bound) = life.map(|life| life.claim.phase) {
                bound.push(ClusterNotice::ClaimBound { claim: name.clone() });
            }
            life.is_some_and(TrackedClaim::is_pending)
        });
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(claim: &str, reason: &str, warning: bool, second: i64) -> ClaimEvent {
        ClaimEvent {
            claim: ObjectName::new("mysql", claim),
            uid: "a".into(),
            reason: ClaimReason {
                reason: reason.into(),
                message: "words".into(),
                warning,
                last: Timestamp::from_second(second).ok(),
            },
        }
    }

    fn said(reasons: &Reasons) -> Option<String> {
        Some(reasons.of(&ObjectName::new("mysql", "data-mysql-3"), "a")?.reason.to_string())
    }

    #[test]
    fn the_latest_counts_and_a_warning_counts_more() {
        let mut reasons = Reasons::default();
        reasons.applied(event("data-mysql-3", "WaitForFirstConsumer", false, 10));
        reasons.applied(event("data-mysql-3", "Provisioning", false, 12));
        reasons.applied(event("data-mysql-3", "WaitForFirstConsumer", false, 11));
        assert_eq!(said(&reasons).as_deref(), Some("Provisioning"));
        reasons.applied(event("data-mysql-3", "ProvisioningFailed", true, 13));
        reasons.applied(event("data-mysql-3", "Provisioning", false, 20));
        assert_eq!(said(&reasons).as_deref(), Some("ProvisioningFailed"));
    }

    #[test]
    fn a_claim_made_anew_does_not_inherit_the_reason() {
        let mut reasons = Reasons::default();
        reasons.applied(event("data-mysql-3", "ProvisioningFailed", true, 13));
        assert_eq!(reasons.of(&ObjectName::new("mysql", "data-mysql-3"), "b"), None);
        reasons.applied(ClaimEvent { uid: "b".into(), ..event("data-mysql-3", "Provisioning", false, 1) });
        assert_eq!(said(&reasons), None, "it is the new one's");
    }

    #[test]
    fn events_of_countless_claims_take_no_room() {
        let mut reasons = Reasons::default();
        for number in 0..3000 {
            reasons.applied(event(&format!("data-{number}"), "Provisioning", false, 10));
        }
        assert_eq!(reasons.0.len(), UNKNOWN_MAX);
        reasons.retain(|claim| &*claim.name == "data-7");
        assert_eq!(reasons.0.len(), 1);
    }
}
