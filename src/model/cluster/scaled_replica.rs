//! One replica in a scale event: which pod and PVCs belong to it, and which of their milestones.
//!
//! A pod with the name of a replica is not always the requested pod. The previous pod may still terminate, or stay
//! forever; a PVC outlives its pod. Pods and PVCs of an earlier event, or from before the request, do not belong to
//! this event.

use std::{sync::Arc, time::Duration};

use super::{
    milestones::{Milestone, MilestoneTime, Milestones, ScalePhase, Subject},
    notice::ClusterNotice,
    objects::StatefulSet,
    pods::TrackedPod,
    pvcs::TrackedPvc,
    tracked::{CROSSING, TrackedObjects},
    updates::ScaleStep,
};
use crate::model::base::{Moment, ObjectName, named_enum};

/// An older pod that still answers this long after the request stays. When a `StatefulSet` is created again around its
/// pods, the garbage collector has finished by then.
const SETTLED: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaledReplica {
    pub ordinal: u32,
    pub replica: Arc<str>,
    pub direction: Direction,
    /// Whether all PVCs existed before the request; absent without PVCs, for a removed replica, and while unknown.
    pub pvc_reused: Option<bool>,
    pub milestones: Milestones,
    /// How late the first read may have been seen, at the 99th percentile; absent if it was not seen.
    pub first_read_uncertainty: Option<Duration>,
    pub taken_over: bool,
    /// The uid: another pod may get the same name later.
    pub(super) pod: Option<Arc<str>>,
    /// The new PVCs whose milestones are recorded.
    pub(super) pvcs: Vec<Arc<str>>,
    /// The uids of the pod and PVCs that belong to an earlier event.
    former: Vec<Arc<str>>,
    /// One bit per phase that was counted, so that no phase is counted twice.
    pub(super) measured: u32,
}

named_enum! {
    pub enum Direction {
        Up = "up",
        Down = "down",
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Time of receipt.
    pub(super) received: Moment,
    /// Time of receipt; not live if a list showed the change.
    pub(super) date: MilestoneTime,
    /// Objects from before this moment were not created for the request.
    pub(super) since: Moment,
}

/// What a member needs to know about the cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) name: &'a ObjectName,
    pub(super) set: Option<&'a StatefulSet>,
    pub(super) tracked: &'a TrackedObjects,
    /// Whether an added replica arrives with its first fresh read.
    pub(super) freshness: bool,
}

impl Direction {
    pub(super) fn of(from: u32, to: u32) -> Self {
        if to >= from { Self::Up } else { Self::Down }
    }
}

impl Request {
    /// If a list showed the change, it happened after `known`, when the `StatefulSet` was last seen without it.
    pub(super) fn new(date: MilestoneTime, received: Moment, known: Moment) -> Self {
        let after = if date.live.is_some() { received } else { known };
        let wall = after.wall.checked_sub(CROSSING).unwrap_or(after.wall);
        let since = Moment { elapsed: after.elapsed.saturating_sub(CROSSING), wall };
        Self { received, date, since }
    }

    /// Whether an object of this age may belong to the request.
    fn explains(&self, created: Option<MilestoneTime>) -> bool {
        created.is_some_and(|created| match created.live {
            Some(created) => created.elapsed >= self.since.elapsed,
            None => created.wall >= self.since.wall,
        })
    }
}

impl ScaledReplica {
    pub(super) fn coming(ordinal: u32, request: &Request, earlier: &[&ScaledReplica], scene: Scene<'_>) -> Self {
        let mut member = Self::new(ordinal, Direction::Up, scene);
        // The time of the request is unknown if a list showed it.
        if request.date.live.is_some() {
            member.milestones.reach(Milestone::Requested, Some(request.date));
        }
        let pod = scene.tracked.pod(&scene.name.sibling(&member.replica)).map(|pod| &pod.uid);
        let there = scene.pvcs(ordinal).flatten().map(|tracked| &tracked.pvc.uid).chain(pod);
        let had = |uid: &&Arc<str>| earlier.iter().any(|member| member.had(uid));
        member.former = there.filter(had).cloned().collect();
        member
    }

    pub(super) fn going(ordinal: u32, earlier: &[&ScaledReplica], scene: Scene<'_>) -> Self {
        let mut member = Self::new(ordinal, Direction::Down, scene);
        let Some(pod) = scene.tracked.last_pod(&scene.name.sibling(&member.replica)) else { return member };
        // The ordinal is removed, added and removed again before the pod is gone. Phases that an earlier removal
        // measured are not measured again.
        let going = || earlier.iter().filter(|member| member.direction == Direction::Down && member.had(&pod.uid));
        let was_seen_off = pod.milestones.has(Milestone::PodGone) && going().next().is_some();
        if !was_seen_off {
            member.pod = Some(Arc::clone(&pod.uid));
            member.measured = going().fold(0, |measured, member| measured | member.measured);
        }
        member
    }

    fn new(ordinal: u32, direction: Direction, scene: Scene<'_>) -> Self {
        Self {
            ordinal,
            replica: format!("{}-{ordinal}", scene.name.name).into(),
            direction,
            pvc_reused: None,
            milestones: Milestones::default(),
            first_read_uncertainty: None,
            taken_over: false,
            pod: None,
            pvcs: Vec::new(),
            former: Vec::new(),
            measured: 0,
        }
    }

    fn had(&self, uid: &Arc<str>) -> bool {
        self.pod.as_ref() == Some(uid) || self.pvcs.contains(uid)
    }

    pub(super) fn has_pod(&self, uid: &Arc<str>) -> bool {
        self.pod.as_ref() == Some(uid)
    }

    pub(super) fn arrived(&self, freshness: bool) -> bool {
        self.was_gone() || self.milestones.has(self.arrival(freshness))
    }

    /// Whether the arrival was seen live.
    pub(super) fn seen_arriving(&self, freshness: bool) -> bool {
        let date = self.milestones.get(self.arrival(freshness));
        self.was_gone() || date.is_some_and(|date| date.live.is_some())
    }

    fn arrival(&self, freshness: bool) -> Milestone {
        match self.direction {
            Direction::Up if freshness => Milestone::FreshRead,
            Direction::Up => Milestone::FirstRead,
            Direction::Down => Milestone::PodGone,
        }
    }

    /// A replica that was gone before its removal was seen has no milestones to reach.
    fn was_gone(&self) -> bool {
        self.direction == Direction::Down && self.pod.is_none()
    }

    pub(super) fn sync(&mut self, request: &Request, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        match self.direction {
            Direction::Up => {
                self.sync_pvcs(request, scene, steps);
                self.rise(request, scene, steps);
            }
            Direction::Down => self.fall(scene, steps),
        }
        self.measure(steps);
    }

    /// Clients may come long after the event is over.
    pub(super) fn meet_clients(&mut self, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        let pod = scene.tracked.pod(&scene.name.sibling(&self.replica));
        let own = |pod: &&TrackedPod| self.direction == Direction::Up && self.has_pod(&pod.uid);
        let Some(pod) = pod.filter(own).filter(|_| !self.taken_over) else { return };
        for milestone in [Milestone::FirstClient, Milestone::ClientShare] {
            if pod.milestones.has(milestone) {
                self.reach(milestone, pod.milestones.get(milestone), steps);
            }
        }
        self.measure(steps);
    }

    fn measure(&mut self, steps: &mut Vec<ScaleStep>) {
        for phase in ScalePhase::ALL {
            // The last read changes until the pod is gone.
            if phase == ScalePhase::Drain && !self.milestones.has(Milestone::PodGone) {
                continue;
            }
            let bit = 1 << phase as u32;
            if let (true, Some(duration)) = (self.measured & bit == 0, self.milestones.measured(phase)) {
                self.measured |= bit;
                steps.push(ScaleStep::Measured { phase, duration });
            }
        }
    }

    fn rise(&mut self, request: &Request, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        let pod = scene.tracked.pod(&scene.name.sibling(&self.replica));
        let Some(pod) = pod.filter(|pod| scene.owns(pod)) else { return };
        if self.pod.as_ref() != Some(&pod.uid) {
            // An arrived replica is done, and a terminating pod is not the requested one.
            if self.arrived(scene.freshness) || pod.terminating() {
                return;
            }
            let created = pod.milestones.get(Milestone::PodCreated);
            if !request.explains(created) || self.former.contains(&pod.uid) {
                if pod.answered.is_some_and(|answered| answered.since(request.received) >= SETTLED) {
                    let first = self.milestones.reach(Milestone::FirstRead, None);
                    let fresh = self.milestones.reach(Milestone::FreshRead, None);
                    steps.extend((first || fresh).then_some(ScaleStep::Settled));
                }
                return;
            }
            // The milestones of a previous pod do not count for the new one.
            self.milestones.forget(Subject::StartingPod);
            self.pod = Some(Arc::clone(&pod.uid));
        }
        self.first_read_uncertainty = pod.first_read_uncertainty;
        for milestone in Milestone::ALL {
            if milestone.subject() == Subject::StartingPod && pod.milestones.has(milestone) {
                self.reach(milestone, pod.milestones.get(milestone), steps);
            }
        }
    }

    fn fall(&mut self, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        let Some(uid) = &self.pod else { return };
        let Some(pod) = scene.tracked.pod_of(&scene.name.sibling(&self.replica), uid) else { return };
        let last = pod.milestones.get(Milestone::LastRead);
        if let Some(date) = last {
            self.milestones.renew(Milestone::LastRead, date);
        }
        let stopping =
            |milestone: &Milestone| milestone.subject() == Subject::StoppingPod && *milestone != Milestone::LastRead;
        for milestone in Milestone::ALL.into_iter().filter(stopping) {
            if !pod.milestones.has(milestone) {
                continue;
            }
            // The last read is final once the pod is gone.
            if let (Milestone::PodGone, false, Some(date)) = (milestone, self.milestones.has(milestone), last) {
                steps.push(self.reached(Milestone::LastRead, date));
            }
            self.reach(milestone, pod.milestones.get(milestone), steps);
        }
        // A pod that its StatefulSet has released stays, but is not a replica any more.
        if !scene.owns(pod) {
            self.milestones.reach(Milestone::PodGone, None);
        }
    }

    fn sync_pvcs(&mut self, request: &Request, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        if self.milestones.has(Milestone::PvcBound) {
            self.date_binding(scene);
            return;
        }
        let pvcs: Vec<_> = scene.pvcs(self.ordinal).collect();
        if pvcs.is_empty() {
            return;
        }
        let is_new = |tracked: &&TrackedPvc| {
            request.explains(tracked.milestones.get(Milestone::PvcCreated)) && !self.former.contains(&tracked.pvc.uid)
        };
        let new: Vec<_> = pvcs.iter().copied().flatten().filter(is_new).collect();
        if !new.is_empty() {
            self.pvc_reused = Some(false);
        } else if pvcs.iter().all(Option::is_some) {
            self.pvc_reused = Some(true);
        }
        if self.pvcs.iter().any(|uid| new.iter().all(|tracked| tracked.pvc.uid != *uid)) {
            // A PVC was deleted and created again: the milestones of the old one do not count.
            self.milestones.forget(Subject::Pvc);
        }
        self.pvcs = new.iter().map(|tracked| Arc::clone(&tracked.pvc.uid)).collect();
        for milestone in [Milestone::PvcCreated, Milestone::PvcProvisioning] {
            let reached: Vec<_> = new.iter().copied().filter(|tracked| tracked.milestones.has(milestone)).collect();
            if !reached.is_empty() {
                let first = dates(&reached, milestone).and_then(|dates| dates.first().copied());
                self.reach(milestone, first, steps);
            }
        }
        let is_bound = |tracked: &&TrackedPvc| tracked.milestones.has(Milestone::PvcBound);
        if !new.is_empty() && pvcs.iter().all(|tracked| tracked.as_ref().is_some_and(is_bound)) {
            let last = dates(&new, Milestone::PvcBound).and_then(|dates| dates.last().copied());
            self.reach(Milestone::PvcBound, last, steps);
        }
    }

    /// Dates an unseen binding from the volumes, which may arrive later.
    fn date_binding(&mut self, scene: Scene<'_>) {
        if self.milestones.get(Milestone::PvcBound).is_some() {
            return;
        }
        let is_own = |tracked: &&TrackedPvc| self.pvcs.contains(&tracked.pvc.uid);
        let own: Vec<_> = scene.pvcs(self.ordinal).flatten().filter(is_own).collect();
        let last = dates(&own, Milestone::PvcBound).and_then(|dates| dates.last().copied());
        // A PVC that is listed again after a false deletion may be seen to bind, but it was bound before.
        if let Some(last) = last.filter(|last| own.len() == self.pvcs.len() && last.live.is_none()) {
            self.milestones.backfill(Milestone::PvcBound, last);
        }
    }

    fn reach(&mut self, milestone: Milestone, date: Option<MilestoneTime>, steps: &mut Vec<ScaleStep>) {
        if let (true, Some(date)) = (self.milestones.reach(milestone, date), date) {
            steps.push(self.reached(milestone, date));
        }
    }

    fn reached(&self, milestone: Milestone, date: MilestoneTime) -> ScaleStep {
        let requested = self.milestones.get(Milestone::Requested).and_then(|date| date.live);
        let since_request = requested.and_then(|requested| Some(date.live?.since(requested)));
        let uncertainty = self.first_read_uncertainty.filter(|_| milestone == Milestone::FirstRead);
        let replica = Arc::clone(&self.replica);
        ScaleStep::Notice(ClusterNotice::Reached { replica, milestone, since_request, uncertainty })
    }
}

impl<'a> Scene<'a> {
    fn owns(self, pod: &TrackedPod) -> bool {
        pod.statefulset.as_ref() == Some(&self.name.name)
    }

    /// One per PVC template; `None` if not known.
    fn pvcs(self, ordinal: u32) -> impl Iterator<Item = Option<&'a TrackedPvc>> {
        let names = self.set.into_iter().flat_map(move |set| set.pvc_names(ordinal));
        names.map(move |name| self.tracked.pvc(&self.name.sibling(&name)))
    }
}

/// The dates of a milestone, ascending. `None` if one date is unknown, because it may be the first or the last.
fn dates(pvcs: &[&TrackedPvc], milestone: Milestone) -> Option<Vec<MilestoneTime>> {
    let mut dates: Vec<_> = pvcs.iter().map(|tracked| tracked.milestones.get(milestone)).collect::<Option<_>>()?;
    // Dates from lists precede live dates, whatever the clocks say.
    dates.sort_by_key(|date| (date.live.map(|live| live.elapsed), date.wall));
    Some(dates)
}
