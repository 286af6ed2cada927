//! What was seen of one PVC, with or without a scale event.
//!
//! A PVC that has progressed before readscope sees it first is dated from the API, not by the moment of receipt, as
//! with pods.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    milestones::{Milestone, MilestoneTime, Milestones, Seen},
    objects::{Pvc, PvcPhase, StorageClass},
};
use crate::model::base::Moment;

#[derive(Clone, Debug)]
pub(crate) struct TrackedPvc {
    pub(crate) pvc: Pvc,
    pub(crate) milestones: Milestones,
    /// From creation to binding, if both were seen live, until it is counted.
    pub(crate) bind_time: Option<Duration>,
    /// When readscope first saw that the volume is gone, by the monotonic clock.
    lost: Option<Duration>,
}

impl TrackedPvc {
    pub(crate) fn new(pvc: Pvc, class: Option<&StorageClass>, seen: Seen, now: Moment) -> Self {
        let bare = pvc.phase == PvcPhase::Pending && !pvc.node_selected;
        let seen = if bare { seen } else { Seen::Listed };
        let mut milestones = Milestones::default();
        milestones.reach(Milestone::PvcCreated, seen.date(pvc.created, now));
        let mut tracked = Self { pvc: pvc.clone(), milestones, bind_time: None, lost: None };
        tracked.update(pvc, class, seen, now);
        tracked
    }

    pub(crate) fn update(&mut self, pvc: Pvc, class: Option<&StorageClass>, seen: Seen, now: Moment) {
        let binds = pvc.phase != PvcPhase::Pending && !self.milestones.has(Milestone::PvcBound);
        if pvc.node_selected {
            // Selection and binding arrive together, so the moment of the selection is unknown.
            let selected = if binds { None } else { seen.date(None, now) };
            self.milestones.reach(Milestone::PvcProvisioning, selected);
        } else if binds || class.is_some_and(|class| !class.waits_for_consumer) {
            // Provisioning started at creation: the class does not wait for a consumer, or the node of the consumer was
            // fixed. While the class is unknown, only the binding shows this.
            self.milestones.reach(Milestone::PvcProvisioning, self.milestones.get(Milestone::PvcCreated));
        }
        if binds {
            self.milestones.reach(Milestone::PvcBound, seen.date(None, now));
            let live = |milestone| self.milestones.get(milestone).and_then(|date| date.live);
            self.bind_time = live(Milestone::PvcCreated).map(|created| now.since(created));
            self.bind_time = self.bind_time.filter(|_| live(Milestone::PvcBound).is_some());
        }
        self.lost = (pvc.phase == PvcPhase::Lost).then(|| self.lost.unwrap_or(now.elapsed));
        self.pvc = pvc;
    }

    /// Dates the binding by the volume; returns whether the date was missing.
    pub(crate) fn date_binding(&mut self, since: Timestamp) -> bool {
        self.milestones.backfill(Milestone::PvcBound, MilestoneTime::written(since))
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.pvc.phase == PvcPhase::Pending
    }

    /// At least how long the volume has been gone.
    pub(crate) fn lost_for(&self, now: Moment) -> Option<Duration> {
        self.lost.map(|lost| now.elapsed.saturating_sub(lost))
    }
}
