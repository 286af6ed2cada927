//! The scale events of one `StatefulSet`: each change of `spec.replicas`, with the milestones of every ordinal that it
//! adds or removes.

use std::{collections::VecDeque, ops::Range};

use super::{
    milestones::{MilestoneTime, Seen},
    notice::ClusterNotice,
    objects::StatefulSet,
    scaled_replica::{Direction, Request, ScaledReplica, Scene},
    tracked::{CROSSING, TrackedObjects},
    updates::ScaleStep,
};
use crate::model::base::{Moment, ObjectName};

pub(super) const EVENTS_MAX: usize = 20;

/// Limit of the members of one event, and of all events together: `spec.replicas` may be a billion.
const MEMBERS_MAX: usize = 1000;

#[derive(Debug)]
pub(crate) struct ScaleEvents {
    pub(super) name: ObjectName,
    pub(super) set: Option<StatefulSet>,
    /// When the last state of the `StatefulSet` was received.
    received: Option<Moment>,
    /// Oldest first.
    pub(super) events: VecDeque<ScaleEvent>,
}

/// A change of `spec.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleEvent {
    pub from: u32,
    pub to: u32,
    /// When the change was received.
    pub started: MilestoneTime,
    /// When every replica had arrived or gone, or belonged to a later event.
    pub finished: Option<MilestoneTime>,
    /// The ordinals that it adds or removes, ascending.
    pub members: Vec<ScaledReplica>,
    pub(super) request: Request,
    /// When the event was found to be finished, seen live or not.
    over: Option<Moment>,
}

impl ScaleEvents {
    pub(crate) fn new(name: ObjectName) -> Self {
        Self { name, set: None, received: None, events: VecDeque::new() }
    }

    /// The scale event that adds this ordinal and is not finished.
    pub(super) fn adding(&self, ordinal: u32) -> Option<&ScaleEvent> {
        let adds = |member: &ScaledReplica| member.direction == Direction::Up && !member.taken_over;
        let lasts = |event: &&ScaleEvent| event.over.is_none() && event.member(ordinal).is_some_and(adds);
        self.events.iter().rev().find(lasts)
    }

    pub(crate) fn applied(
        &mut self,
        set: StatefulSet,
        tracked: &TrackedObjects,
        seen: Seen,
        now: Moment,
    ) -> Vec<ScaleStep> {
        let before = self.set.replace(set);
        let after = self.ordinals();
        let known = self.received.replace(now);
        // Replicas that exist before the first list were never requested.
        if known.is_none() && seen == Seen::Listed {
            return Vec::new();
        }
        let request = Request::new(date(seen, now), now, known.unwrap_or(now));
        match before {
            None => self.begin(0..0, after, request, tracked),
            // The `StatefulSet` was deleted and created again while the watch was interrupted.
            Some(before) if self.set.as_ref().is_some_and(|set| set.uid != before.uid) => {
                let mut steps = self.begin(before.ordinals(), 0..0, request, tracked);
                steps.extend(self.begin(0..0, after, request, tracked));
                steps
            }
            Some(before) => self.begin(before.ordinals(), after, request, tracked),
        }
    }

    /// The deletion removes every replica.
    pub(crate) fn deleted(&mut self, tracked: &TrackedObjects, seen: Seen, now: Moment) -> Vec<ScaleStep> {
        let known = self.received.replace(now);
        let request = Request::new(date(seen, now), now, known.unwrap_or(now));
        let steps = self.begin(self.ordinals(), 0..0, request, tracked);
        self.set = None;
        steps
    }

    /// Its namespace is no longer watched. A later list is the first one again, and its replicas were not requested.
    pub(crate) fn left(&mut self) {
        (self.set, self.received) = (None, None);
    }

    /// Updates the replica at `place`, or all replicas, from `tracked`. With `freshness`, an added replica arrives with
    /// its first fresh read, otherwise with its first read.
    pub(crate) fn sync(
        &mut self,
        place: Option<u32>,
        tracked: &TrackedObjects,
        freshness: bool,
        seen: Seen,
        now: Moment,
    ) -> Vec<ScaleStep> {
        let mut steps = Vec::new();
        if self.received.is_none() {
            return steps;
        }
        let scene = Scene { name: &self.name, set: self.set.as_ref(), tracked, freshness };
        for event in &mut self.events {
            // The last watch events may arrive after the one that finished the event.
            let request = event.request;
            if event.over.is_some_and(|over| now.since(over) > CROSSING) {
                event.at(place).iter_mut().for_each(|member| member.meet_clients(scene, &mut steps));
                continue;
            }
            for member in event.at(place).iter_mut().filter(|member| !member.taken_over) {
                member.sync(&request, scene, &mut steps);
            }
            let arrived = |member: &ScaledReplica| member.arrived(freshness);
            if event.over.is_none() && event.members.iter().all(|member| member.taken_over || arrived(member)) {
                let finished = date(seen, now);
                event.finished = Some(finished);
                event.over = Some(now);
                let lasted = finished.live.and_then(|finished| Some(finished.since(event.started.live?)));
                let lasted = lasted.filter(|_| event.members.iter().all(|member| member.seen_arriving(freshness)));
                let (from, to) = (event.from, event.to);
                steps.push(ScaleStep::Notice(ClusterNotice::ScaleOver { from, to, lasted }));
            }
        }
        steps
    }

    fn ordinals(&self) -> Range<u32> {
        self.set.as_ref().map_or(0..0, StatefulSet::ordinals)
    }

    fn begin(
        &mut self,
        before: Range<u32>,
        after: Range<u32>,
        request: Request,
        tracked: &TrackedObjects,
    ) -> Vec<ScaleStep> {
        // Freshness does not matter for the choice of the members.
        let scene = Scene { name: &self.name, set: self.set.as_ref(), tracked, freshness: false };
        let earlier = |ordinal| self.events.iter().filter_map(|event| event.member(ordinal)).collect::<Vec<_>>();
        let going = only_in(&before, &after).map(|ordinal| ScaledReplica::going(ordinal, &earlier(ordinal), scene));
        let coming =
            only_in(&after, &before).map(|ordinal| ScaledReplica::coming(ordinal, &request, &earlier(ordinal), scene));
        let mut members: Vec<ScaledReplica> = going.chain(coming).collect();
        if members.is_empty() {
            return Vec::new();
        }
        members.sort_by_key(|member| member.ordinal);
        for earlier in &mut self.events {
            for member in &members {
                if let Some(member) = earlier.at(Some(member.ordinal)).first_mut() {
                    member.taken_over = true;
                }
            }
        }
        let (from, to) = (length(&before), length(&after));
        let started = request.date;
        self.events.push_back(ScaleEvent { from, to, started, finished: None, members, request, over: None });
        self.forget_oldest();
        vec![ScaleStep::Notice(ClusterNotice::ScaleBegan { from, to })]
    }

    fn forget_oldest(&mut self) {
        let too_many = |events: &VecDeque<ScaleEvent>| {
            let members: usize = events.iter().map(|event| event.members.len()).sum();
            events.len() > EVENTS_MAX || (events.len() > 1 && members > MEMBERS_MAX)
        };
        while too_many(&self.events) {
            let finished = self.events.iter().position(|event| event.over.is_some());
            self.events.remove(finished.unwrap_or_default());
        }
    }
}

impl ScaleEvent {
    pub fn direction(&self) -> Direction {
        Direction::of(self.from, self.to)
    }

    fn member(&self, ordinal: u32) -> Option<&ScaledReplica> {
        self.members.binary_search_by_key(&ordinal, |member| member.ordinal).ok().map(|at| &self.members[at])
    }

    fn at(&mut self, place: Option<u32>) -> &mut [ScaledReplica] {
        let Some(ordinal) = place else { return &mut self.members };
        match self.members.binary_search_by_key(&ordinal, |member| member.ordinal) {
            Ok(at) => &mut self.members[at..=at],
            Err(_) => &mut [],
        }
    }
}

fn date(seen: Seen, now: Moment) -> MilestoneTime {
    match seen {
        Seen::Live => MilestoneTime::live(now),
        Seen::Listed => MilestoneTime::written(now.wall),
    }
}

/// The ordinals of `these` that are not in `others`, at most [`MEMBERS_MAX`].
fn only_in(these: &Range<u32>, others: &Range<u32>) -> impl Iterator<Item = u32> + use<> {
    let below = these.start..these.end.min(others.start);
    let above = these.start.max(others.end)..these.end;
    below.chain(above).take(MEMBERS_MAX)
}

fn length(range: &Range<u32>) -> u32 {
    range.end.saturating_sub(range.start)
}
