//! The scale events of one `StatefulSet`: each change of its replicas, with the milestones of every ordinal that it adds
//! or removes.

use std::{collections::VecDeque, ops::Range};

use super::{
    milestones::{Dated, Receipt},
    objects::StatefulSet,
    scale_step::ScaleStep,
    scaled_replica::{Direction, Request, ScaledReplica, Scene},
    tracked::{CROSSING, TrackedObjects},
};
use crate::model::base::{Moment, ObjectName};

/// How many of the last scale events are kept.
pub(super) const EVENTS_MAX: usize = 20;

/// How many members one event has at most, and how many all have together: somebody may ask for a billion replicas.
const MEMBERS_MAX: usize = 1000;

/// The scale events of one `StatefulSet`.
#[derive(Debug)]
pub(crate) struct ScaleEvents {
    name: ObjectName,
    set: Option<StatefulSet>,
    /// When it was last told how the set is.
    told: Option<Moment>,
    /// Oldest first.
    events: VecDeque<ScaleEvent>,
}

/// A change of a `StatefulSet`'s replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleEvent {
    /// How many replicas it had.
    pub from: u32,
    /// How many it should have.
    pub to: u32,
    /// When the change was received.
    pub started: Dated,
    /// When every replica had arrived or gone, or belonged to a later event.
    pub finished: Option<Dated>,
    /// The ordinals that it adds or removes, ascending.
    pub members: Vec<ScaledReplica>,
    pub(super) request: Request,
    /// When it was found to be finished.
    over: Option<Moment>,
}

impl ScaleEvents {
    pub(crate) fn new(name: ObjectName) -> Self {
        Self { name, set: None, told: None, events: VecDeque::new() }
    }

    pub(crate) fn name(&self) -> &ObjectName {
        &self.name
    }

    pub(crate) fn set(&self) -> Option<&StatefulSet> {
        self.set.as_ref()
    }

    /// Oldest first.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &ScaleEvent> {
        self.events.iter()
    }

    /// Takes in how the `StatefulSet` is now.
    pub(crate) fn applied(
        &mut self,
        set: StatefulSet,
        tracked: &TrackedObjects,
        receipt: Receipt,
        now: Moment,
    ) -> Vec<ScaleStep> {
        let before = self.set.replace(set);
        let after = self.ordinals();
        let known = self.told.replace(now);
        // What was there before anybody looked was never requested.
        if known.is_none() && receipt == Receipt::Listed {
            return Vec::new();
        }
        let request = Request::new(date(receipt, now), now, known.unwrap_or(now));
        match before {
            None => self.begin(0..0, after, request, tracked),
            // Deleted and made anew while nobody looked.
            Some(before) if self.set.as_ref().is_some_and(|set| set.uid != before.uid) => {
                let mut steps = self.begin(before.ordinals(), 0..0, request, tracked);
                steps.extend(self.begin(0..0, after, request, tracked));
                steps
            }
            Some(before) => self.begin(before.ordinals(), after, request, tracked),
        }
    }

    /// Takes in that the `StatefulSet` was deleted, which takes every replica away.
    pub(crate) fn deleted(&mut self, tracked: &TrackedObjects, receipt: Receipt, now: Moment) -> Vec<ScaleStep> {
        let known = self.told.replace(now);
        let request = Request::new(date(receipt, now), now, known.unwrap_or(now));
        let steps = self.begin(self.ordinals(), 0..0, request, tracked);
        self.set = None;
        steps
    }

    /// Takes in that something may have changed in `tracked`: of the replica at `place`, or of any. With `freshness`, an
    /// added replica has arrived with its first fresh read, otherwise with its first read.
    pub(crate) fn sync(
        &mut self,
        place: Option<u32>,
        tracked: &TrackedObjects,
        freshness: bool,
        receipt: Receipt,
        now: Moment,
    ) -> Vec<ScaleStep> {
        let mut steps = Vec::new();
        let scene = Scene { name: &self.name, set: self.set.as_ref(), tracked, freshness };
        for event in &mut self.events {
            // The last facts may be received after the one that finished it.
            if event.over.is_some_and(|over| now.since(over) > CROSSING) {
                continue;
            }
            let request = event.request;
            for member in event.at(place).iter_mut().filter(|member| !member.taken_over) {
                member.sync(&request, scene, &mut steps);
            }
            let arrived = |member: &ScaledReplica| member.arrived(freshness);
            if event.over.is_none() && event.members.iter().all(|member| member.taken_over || arrived(member)) {
                let finished = date(receipt, now);
                event.finished = Some(finished);
                event.over = Some(now);
                let lasted = finished.live.and_then(|finished| Some(finished.since(event.started.live?)));
                let lasted = lasted.filter(|_| event.members.iter().all(|member| member.seen_arriving(freshness)));
                steps.push(ScaleStep::Finished { from: event.from, to: event.to, lasted });
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
        // Arrival plays no part in who the members are.
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
        vec![ScaleStep::Began { from, to }]
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
    /// Whether replicas come or go, on the whole.
    #[must_use]
    pub fn direction(&self) -> Direction {
        if self.to >= self.from { Direction::Up } else { Direction::Down }
    }

    fn member(&self, ordinal: u32) -> Option<&ScaledReplica> {
        self.members.binary_search_by_key(&ordinal, |member| member.ordinal).ok().map(|at| &self.members[at])
    }

    /// The member at `place`, or all of them.
    fn at(&mut self, place: Option<u32>) -> &mut [ScaledReplica] {
        let Some(ordinal) = place else { return &mut self.members };
        match self.members.binary_search_by_key(&ordinal, |member| member.ordinal) {
            Ok(at) => &mut self.members[at..=at],
            Err(_) => &mut [],
        }
    }
}

fn date(receipt: Receipt, now: Moment) -> Dated {
    match receipt {
        Receipt::Live => Dated::live(now),
        Receipt::Listed => Dated::told(now.wall),
    }
}

/// The first of these ordinals that are not among others.
fn only_in(these: &Range<u32>, others: &Range<u32>) -> impl Iterator<Item = u32> + use<> {
    let below = these.start..these.end.min(others.start);
    let above = these.start.max(others.end)..these.end;
    below.chain(above).take(MEMBERS_MAX)
}

fn length(range: &Range<u32>) -> u32 {
    range.end.saturating_sub(range.start)
}
