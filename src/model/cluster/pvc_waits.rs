//! PVCs that wait for their volume: why they wait, since when they are bound, and which notices were given.
//!
//! A PVC does not contain these facts. The reason is in Events, which expire after an hour, so the last one is kept
//! while the PVC is pending. A warning is not replaced by a normal Event: provisioners write that they begin before
//! each attempt that fails. The time of binding is in the `PersistentVolume`, whose watch is separate and may deliver
//! it before the PVC.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    milestones::Milestone,
    notice::ClusterNotice,
    objects::{PvcEvent, PvcPhase, PvcReason, Volume},
    pvcs::TrackedPvc,
};
use crate::model::base::{Moment, NOTICE_EVERY, ObjectName};

/// Limit of the kept Events. PVCs and their Events come from different watches, so an Event may precede its PVC.
const UNKNOWN_MAX: usize = 1000;

/// Limit of the kept dates of PVCs that are not known, or not known to be bound.
const WAITING_MAX: usize = 10_000;

/// What is known of a PVC until it is received as bound, with the uid of the PVC.
#[derive(Debug, Default)]
pub(super) struct ByPvc<T>(BTreeMap<ObjectName, (Arc<str>, T)>);

impl<T> ByPvc<T> {
    pub(super) fn forget(&mut self, pvc: &ObjectName) {
        self.0.remove(pvc);
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&ObjectName) -> bool) {
        self.0.retain(|pvc, _| stays(pvc));
    }
}

pub(super) type Reasons = ByPvc<PvcReason>;

impl Reasons {
    /// Keeps the reason of a PVC that is pending or not known yet.
    pub(super) fn applied(&mut self, event: PvcEvent) {
        if self.0.len() >= UNKNOWN_MAX && !self.0.contains_key(&event.pvc) {
            return;
        }
        let PvcEvent { pvc, uid, reason } = event;
        let rank = |reason: &PvcReason| (reason.warning, reason.last);
        if self.of(&pvc, &uid).is_none_or(|known| rank(&reason) >= rank(known)) {
            self.0.insert(pvc, (uid, reason));
        }
    }

    pub(super) fn of(&self, pvc: &ObjectName, uid: &str) -> Option<&PvcReason> {
        self.0.get(pvc).filter(|(of, _)| **of == *uid).map(|(_, reason)| reason)
    }
}

/// Times of binding.
pub(super) type Volumes = ByPvc<Timestamp>;

impl Volumes {
    pub(super) fn applied(&mut self, volume: Volume) {
        let Volume { pvc, pvc_uid, bound } = volume;
        match bound {
            None => self.forget(&pvc),
            Some(bound) if self.0.len() < WAITING_MAX => {
                self.0.insert(pvc, (pvc_uid, bound));
            }
            Some(_) => {}
        }
    }

    /// Since when the PVC is bound; returned once.
    pub(super) fn take(&mut self, pvc: &ObjectName, uid: &str) -> Option<Timestamp> {
        let (of, bound) = self.0.remove(pvc)?;
        (*of == *uid).then_some(bound)
    }
}

/// A PVC that is pending for longer causes a notice.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The pending and lost PVCs for which a notice was given.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<ObjectName, Given>);

#[derive(Debug)]
struct Given {
    uid: Arc<str>,
    when: Moment,
    reason: Option<Arc<str>>,
}

pub(super) fn pending_for(tracked: &TrackedPvc, now: Moment) -> Option<Duration> {
    if !tracked.is_pending() {
        return None;
    }
    let created = tracked.milestones.get(Milestone::PvcCreated)?;
    Some(match created.live {
        Some(created) => now.since(created),
        None => Duration::try_from(now.wall.duration_since(created.wall)).unwrap_or_default(),
    })
}

/// `pod` uses the PVC.
pub(super) fn notice(
    tracked: &TrackedPvc,
    pod: &str,
    reason: Option<&PvcReason>,
    now: Moment,
) -> Option<ClusterNotice> {
    if let Some(lasting) = tracked.lost_for(now) {
        let (pvc, volume) = (tracked.pvc.name.clone(), tracked.pvc.volume.clone());
        return Some(ClusterNotice::PvcLost { pvc, pod: pod.into(), volume, lasting });
    }
    let pending = pending_for(tracked, now).filter(|pending| *pending >= PATIENCE)?;
    Some(ClusterNotice::PvcPending { pvc: tracked.pvc.name.clone(), pending, reason: reason.cloned() })
}

impl Pending {
    /// Returns the notice if it is the first one, has a new reason, or is due again.
    pub(super) fn tick(
        &mut self,
        tracked: &TrackedPvc,
        pod: &str,
        reason: Option<&PvcReason>,
        now: Moment,
    ) -> Option<ClusterNotice> {
        let notice = notice(tracked, pod, reason, now)?;
        let lost = tracked.lost_for(now).map(|_| Arc::from("lost"));
        let reason = lost.or_else(|| reason.map(|reason| Arc::clone(&reason.reason)));
        let uid = Arc::clone(&tracked.pvc.uid);
        let known = self.0.get(&tracked.pvc.name).filter(|given| given.uid == uid);
        if known.is_some_and(|given| given.reason == reason && now.since(given.when) < NOTICE_EVERY) {
            return None;
        }
        self.0.insert(tracked.pvc.name.clone(), Given { uid, when: now, reason });
        Some(notice)
    }

    /// Forgets the PVCs that are bound or gone and returns the notices of those that were bound.
    pub(super) fn settle<'a>(&mut self, pvc: impl Fn(&ObjectName) -> Option<&'a TrackedPvc>) -> Vec<ClusterNotice> {
        let mut bound = Vec::new();
        self.0.retain(|name, given| {
            let tracked = pvc(name).filter(|tracked| tracked.pvc.uid == given.uid);
            if let Some(PvcPhase::Bound) = tracked.map(|tracked| tracked.pvc.phase) {
                bound.push(ClusterNotice::PvcBound { pvc: name.clone() });
            }
            tracked.is_some_and(|tracked| tracked.pvc.phase != PvcPhase::Bound)
        });
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(pvc: &str, reason: &str, warning: bool, second: i64) -> PvcEvent {
        PvcEvent {
            pvc: ObjectName::new("mysql", pvc),
            uid: "a".into(),
            reason: PvcReason {
                reason: reason.into(),
                message: "words".into(),
                warning,
                last: Timestamp::from_second(second).ok(),
            },
        }
    }

    fn kept(reasons: &Reasons) -> Option<String> {
        Some(reasons.of(&ObjectName::new("mysql", "data-mysql-3"), "a")?.reason.to_string())
    }

    #[test]
    fn the_latest_reason_stays_unless_it_replaces_a_warning() {
        let mut reasons = Reasons::default();
        reasons.applied(event("data-mysql-3", "WaitForFirstConsumer", false, 10));
        reasons.applied(event("data-mysql-3", "Provisioning", false, 12));
        reasons.applied(event("data-mysql-3", "WaitForFirstConsumer", false, 11));
        assert_eq!(kept(&reasons).as_deref(), Some("Provisioning"));
        reasons.applied(event("data-mysql-3", "ProvisioningFailed", true, 13));
        reasons.applied(event("data-mysql-3", "Provisioning", false, 20));
        assert_eq!(kept(&reasons).as_deref(), Some("ProvisioningFailed"));
    }

    #[test]
    fn a_recreated_pvc_does_not_inherit_the_reason() {
        let mut reasons = Reasons::default();
        reasons.applied(event("data-mysql-3", "ProvisioningFailed", true, 13));
        assert_eq!(reasons.of(&ObjectName::new("mysql", "data-mysql-3"), "b"), None);
        reasons.applied(PvcEvent { uid: "b".into(), ..event("data-mysql-3", "Provisioning", false, 1) });
        assert_eq!(kept(&reasons), None, "another PVC with the same name");
    }

    #[test]
    fn events_of_unknown_pvcs_are_limited() {
        let mut reasons = Reasons::default();
        for number in 0..3000 {
            reasons.applied(event(&format!("data-{number}"), "Provisioning", false, 10));
        }
        assert_eq!(reasons.0.len(), UNKNOWN_MAX);
        reasons.retain(|pvc| &*pvc.name == "data-7");
        assert_eq!(reasons.0.len(), 1);
    }
}
