//! One replica in a scale event: which pod and which claims it is, and what of their lives belongs to the event.
//!
//! What has a replica's name is not always what was asked for. The pod from before may still be on its way out, or
//! never go at all; a claim outlives its pod. What an earlier event had, and what was there before the request, is not
//! this one's.

use std::{sync::Arc, time::Duration};

use super::{
    claims::TrackedClaim,
    milestones::{Dated, Milestone, Milestones, ScalePhase},
    objects::StatefulSet,
    pods::TrackedPod,
    scale_step::ScaleStep,
    tracked::{CROSSING, TrackedObjects},
};
use crate::model::base::{Moment, ObjectName};

/// A pod from before the request that still answers so long after it is there to stay: the garbage collector has had
/// its time, when a `StatefulSet` was made anew around its pods.
const SETTLED: Duration = Duration::from_secs(30);

/// One replica in a scale event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaledReplica {
    /// Its place.
    pub ordinal: u32,
    /// Its pod's name.
    pub replica: Arc<str>,
    /// Whether it comes or goes.
    pub direction: Direction,
    /// Whether all its claims were there before the request; absent where it has none, or goes, and until it is known.
    pub claim_reused: Option<bool>,
    /// What it has reached.
    pub milestones: Milestones,
    /// The time to which its first read is known, at the 99th percentile; absent if that was not seen.
    pub first_read_uncertainty: Option<Duration>,
    /// A later event has taken its ordinal over.
    pub taken_over: bool,
    /// The pod that it is; another uid under its name is another pod.
    pub(super) pod: Option<Arc<str>>,
    /// The new claims that its milestones are of.
    pub(super) claims: Vec<Arc<str>>,
    /// The pod and the claims of its place that an earlier event had.
    former: Vec<Arc<str>>,
    /// One bit a phase: already told, so that nothing is counted twice.
    pub(super) measured: u32,
}

/// Whether replicas come or go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// They come.
    Up,
    /// They go.
    Down,
}

/// When an event was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// When it was received.
    pub(super) received: Moment,
    /// The same as a date: not live if a list told it.
    pub(super) date: Dated,
    /// What was there before this moment was not made for it.
    pub(super) since: Moment,
}

/// What a member looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene<'a> {
    pub(super) name: &'a ObjectName,
    pub(super) set: Option<&'a StatefulSet>,
    pub(super) tracked: &'a TrackedObjects,
    /// Whether an added replica has arrived with its first fresh read only.
    pub(super) freshness: bool,
}

impl Direction {
    /// The name in metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl Request {
    /// A request that was received at `received`. Of one that a list told it is only known that it was made after
    /// `known`, when the `StatefulSet` was seen without it.
    pub(super) fn new(date: Dated, received: Moment, known: Moment) -> Self {
        let after = if date.live.is_some() { received } else { known };
        let wall = after.wall.checked_sub(CROSSING).unwrap_or(after.wall);
        let since = Moment { elapsed: after.elapsed.saturating_sub(CROSSING), wall };
        Self { received, date, since }
    }

    /// Whether what was created then may have been created for it.
    fn explains(&self, created: Option<Dated>) -> bool {
        created.is_some_and(|created| match created.live {
            Some(created) => created.elapsed >= self.since.elapsed,
            None => created.wall >= self.since.wall,
        })
    }
}

impl ScaledReplica {
    /// A replica that comes; `earlier` are the members of earlier events at its place.
    pub(super) fn coming(ordinal: u32, request: &Request, earlier: &[&ScaledReplica], scene: Scene<'_>) -> Self {
        let mut member = Self::new(ordinal, Direction::Up, scene);
        // When it was asked for is not known if a list told it.
        if request.date.live.is_some() {
            member.milestones.reach(Milestone::Requested, Some(request.date));
        }
        let pod = scene.tracked.pod(&scene.name.sibling(&member.replica)).map(|life| &life.uid);
        let there = scene.claims(ordinal).flatten().map(|life| &life.claim.uid).chain(pod);
        let had = |uid: &&Arc<str>| earlier.iter().any(|member| member.had(uid));
        member.former = there.filter(had).cloned().collect();
        member
    }

    /// A replica that goes; `earlier` are the members of earlier events at its place.
    pub(super) fn going(ordinal: u32, earlier: &[&ScaledReplica], scene: Scene<'_>) -> Self {
        let mut member = Self::new(ordinal, Direction::Down, scene);
        let Some(life) = scene.tracked.last_pod(&scene.name.sibling(&member.replica)) else { return member };
        // Up and down again before it is gone: what an earlier removal measured of it is not measured once more.
        let going = || earlier.iter().filter(|member| member.direction == Direction::Down && member.had(&life.uid));
        let was_seen_off = life.milestones.has(Milestone::PodGone) && going().next().is_some();
        if !was_seen_off {
            member.pod = Some(Arc::clone(&life.uid));
            member.measured = going().fold(0, |measured, member| measured | member.measured);
        }
        member
    }

    fn new(ordinal: u32, direction: Direction, scene: Scene<'_>) -> Self {
        Self {
            ordinal,
            replica: format!("{}-{ordinal}", scene.name.name).into(),
            direction,
            claim_reused: None,
            milestones: Milestones::default(),
            first_read_uncertainty: None,
            taken_over: false,
            pod: None,
            claims: Vec::new(),
            former: Vec::new(),
            measured: 0,
        }
    }

    /// Whether a pod or a claim is or was its own.
    fn had(&self, uid: &Arc<str>) -> bool {
        self.pod.as_ref() == Some(uid) || self.claims.contains(uid)
    }

    /// Whether it has answered, so that another pod of its name is one that took its place.
    pub(super) fn has_arrived(&self) -> bool {
        self.arrived(false)
    }

    /// Whether the pod with this uid is its own.
    pub(super) fn has_pod(&self, uid: &Arc<str>) -> bool {
        self.pod.as_ref() == Some(uid)
    }

    /// Whether it has nothing more to reach.
    pub(super) fn arrived(&self, freshness: bool) -> bool {
        self.was_gone() || self.milestones.has(self.arrival(freshness))
    }

    /// Whether that was seen as it happened.
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

    /// A replica that was gone before its removal was seen has nothing to reach at all.
    fn was_gone(&self) -> bool {
        self.direction == Direction::Down && self.pod.is_none()
    }

    /// Takes in that something may have changed in the lives of its pod and its claims.
    pub(super) fn sync(&mut self, request: &Request, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        match self.direction {
            Direction::Up => {
                self.sync_claims(request, scene, steps);
                self.rise(request, scene, steps);
            }
            Direction::Down => self.fall(scene, steps),
        }
        for phase in ScalePhase::ALL {
            // The last read is renewed until the pod is gone; only then is it the last.
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
        let life = scene.tracked.pod(&scene.name.sibling(&self.replica));
        let Some(life) = life.filter(|life| scene.owns(life)) else { return };
        if self.pod.as_ref() != Some(&life.uid) {
            // A replica that has arrived is done; a pod on its way out is not the one that was asked for.
            if self.arrived(scene.freshness) || life.terminating() {
                return;
            }
            let created = life.milestones.get(Milestone::PodCreated);
            if !request.explains(created) || self.former.contains(&life.uid) {
                if life.answered().is_some_and(|answered| answered.since(request.received) >= SETTLED) {
                    let first = self.milestones.reach(Milestone::FirstRead, None);
                    let fresh = self.milestones.reach(Milestone::FreshRead, None);
                    steps.extend((first || fresh).then_some(ScaleStep::Settled));
                }
                return;
            }
            // Another pod than before, if there was one: what that one reached is not this one's.
            self.milestones.forget(&RISING);
            self.pod = Some(Arc::clone(&life.uid));
        }
        self.first_read_uncertainty = life.first_read_uncertainty();
        for milestone in RISING {
            if life.milestones.has(milestone) {
                self.take(milestone, life.milestones.get(milestone), steps);
            }
        }
    }

    fn fall(&mut self, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        let Some(uid) = &self.pod else { return };
        let Some(life) = scene.tracked.pod_of(&scene.name.sibling(&self.replica), uid) else { return };
        let last = life.milestones.get(Milestone::LastRead);
        if let Some(date) = last {
            self.milestones.renew(Milestone::LastRead, date);
        }
        for milestone in [Milestone::Terminating, Milestone::EndpointGone, Milestone::PodGone] {
            if !life.milestones.has(milestone) {
                continue;
            }
            // Only now the last read is the last.
            if let (Milestone::PodGone, false, Some(date)) = (milestone, self.milestones.has(milestone), last) {
                steps.push(self.told(Milestone::LastRead, date));
            }
            self.take(milestone, life.milestones.get(milestone), steps);
        }
        // A pod that its StatefulSet has let go stays, and is nobody's replica any more.
        if !scene.owns(life) {
            self.milestones.reach(Milestone::PodGone, None);
        }
    }

    fn sync_claims(&mut self, request: &Request, scene: Scene<'_>, steps: &mut Vec<ScaleStep>) {
        if self.milestones.has(Milestone::ClaimBound) {
            self.date_binding(scene);
            return;
        }
        let claims: Vec<_> = scene.claims(self.ordinal).collect();
        if claims.is_empty() {
            return;
        }
        let is_new = |life: &&TrackedClaim| {
            request.explains(life.milestones.get(Milestone::ClaimCreated)) && !self.former.contains(&life.claim.uid)
        };
        let new: Vec<_> = claims.iter().copied().flatten().filter(is_new).collect();
        if !new.is_empty() {
            self.claim_reused = Some(false);
        } else if claims.iter().all(Option::is_some) {
            self.claim_reused = Some(true);
        }
        if self.claims.iter().any(|uid| new.iter().all(|life| life.claim.uid != *uid)) {
            // One was made anew: what the one before reached is not this one's.
            self.milestones.forget(&[Milestone::ClaimCreated, Milestone::ClaimProvisioning]);
        }
        self.claims = new.iter().map(|life| Arc::clone(&life.claim.uid)).collect();
        for milestone in [Milestone::ClaimCreated, Milestone::ClaimProvisioning] {
            let reached: Vec<_> = new.iter().copied().filter(|life| life.milestones.has(milestone)).collect();
            if !reached.is_empty() {
                let first = dates(&reached, milestone).and_then(|dates| dates.first().copied());
                self.take(milestone, first, steps);
            }
        }
        let is_bound = |life: &&TrackedClaim| life.milestones.has(Milestone::ClaimBound);
        if !new.is_empty() && claims.iter().all(|life| life.as_ref().is_some_and(is_bound)) {
            let last = dates(&new, Milestone::ClaimBound).and_then(|dates| dates.last().copied());
            self.take(Milestone::ClaimBound, last, steps);
        }
    }

    /// Nobody saw when its claims were bound, but their volumes may have told it since.
    fn date_binding(&mut self, scene: Scene<'_>) {
        if self.milestones.get(Milestone::ClaimBound).is_some() {
            return;
        }
        let is_own = |life: &&TrackedClaim| self.claims.contains(&life.claim.uid);
        let own: Vec<_> = scene.claims(self.ordinal).flatten().filter(is_own).collect();
        let last = dates(&own, Milestone::ClaimBound).and_then(|dates| dates.last().copied());
        // A claim that is listed again after it seemed to be gone may be seen to bind, which it did before.
        if let Some(last) = last.filter(|last| own.len() == self.claims.len() && last.live.is_none()) {
            self.milestones.backfill(Milestone::ClaimBound, last);
        }
    }

    fn take(&mut self, milestone: Milestone, date: Option<Dated>, steps: &mut Vec<ScaleStep>) {
        if let (true, Some(date)) = (self.milestones.reach(milestone, date), date) {
            steps.push(self.told(milestone, date));
        }
    }

    fn told(&self, milestone: Milestone, date: Dated) -> ScaleStep {
        let asked = self.milestones.get(Milestone::Requested).and_then(|asked| asked.live);
        let since_request = asked.and_then(|asked| Some(date.live?.since(asked)));
        let known_to = self.first_read_uncertainty.filter(|_| milestone == Milestone::FirstRead);
        ScaleStep::Reached { replica: Arc::clone(&self.replica), milestone, since_request, known_to }
    }
}

impl<'a> Scene<'a> {
    fn owns(self, life: &TrackedPod) -> bool {
        life.statefulset.as_ref() == Some(&self.name.name)
    }

    /// The claims of an ordinal as far as they are known, one a template.
    fn claims(self, ordinal: u32) -> impl Iterator<Item = Option<&'a TrackedClaim>> {
        let names = self.set.into_iter().flat_map(move |set| set.claim_names(ordinal));
        names.map(move |name| self.tracked.claim(&self.name.sibling(&name)))
    }
}

/// The milestones of a pod on its way up.
const RISING: [Milestone; 9] = [
    Milestone::PodCreated,
    Milestone::PodScheduled,
    Milestone::SandboxReady,
    Milestone::Initialized,
    Milestone::PodReady,
    Milestone::EndpointReady,
    Milestone::DirectRead,
    Milestone::FirstRead,
    Milestone::FreshRead,
];

/// When each of the claims reached a milestone, ascending, unless one did nobody knows when: it may have been the first
/// or the last.
fn dates(claims: &[&TrackedClaim], milestone: Milestone) -> Option<Vec<Dated>> {
    let mut dates: Vec<_> = claims.iter().map(|life| life.milestones.get(milestone)).collect::<Option<_>>()?;
    // What a list told was there before what is seen live, whatever the clocks on the walls say.
    dates.sort_by_key(|date| (date.live.map(|live| live.elapsed), date.wall));
    Some(dates)
}
