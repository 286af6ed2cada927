//! What a cluster does when a `StatefulSet` is scaled, deleted and created again: every event with its moment. Watches
//! may deliver the events late, twice, in another order or not at all.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::cluster::{
    change::{Change, Kind, Object},
    milestones::Seen,
    objects::{Pod, Pvc, Slice, StatefulSet, Volume},
    tests::{
        builders::{Fact, name, pod, pvc, set, slice},
        volumes::volume,
    },
};

/// Limit of the ordinals.
pub(super) const PLACES: u32 = 6;

/// In seconds.
pub(super) const BEGIN: f64 = 6000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Replicas(u32),
    Deleted,
}

#[derive(Clone, Debug)]
pub(super) enum Happening {
    Set(Fact<StatefulSet>),
    SetGone,
    Pvc(Fact<Pvc>),
    PvcGone(String),
    Volume(Fact<Volume>),
    Pod(Fact<Pod>),
    PodGone(String),
    Endpoints(Fact<Slice>),
    Read(String),
}

/// The events by moment.
#[derive(Debug, Default)]
pub(super) struct Simulation {
    pub(super) facts: Vec<(f64, Happening)>,
    /// Endpoint changes: when, name, uid (absent on removal).
    turns: Vec<(f64, String, Option<String>)>,
    habits: Habits,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    pub(super) pvcs_go: bool,
    /// A new pod is evicted once, this many seconds after its creation, and created again.
    pub(super) evicts_after: Option<f64>,
    /// The controller does not notice a removal shorter than this, in seconds.
    pub(super) overlooks: f64,
}

impl Happening {
    /// The kind of the watch; `None` for a read.
    pub(super) fn kind(&self) -> Option<Kind> {
        match self {
            Self::Set(_) | Self::SetGone => Some(Kind::StatefulSet),
            Self::Pvc(_) | Self::PvcGone(_) => Some(Kind::Pvc),
            Self::Volume(_) => Some(Kind::Volume),
            Self::Pod(_) | Self::PodGone(_) => Some(Kind::Pod),
            Self::Endpoints(_) => Some(Kind::Slice),
            Self::Read(_) => None,
        }
    }

    pub(super) fn change(&self, seen: Seen) -> Option<Change> {
        let object: Object = match self.clone() {
            Self::Set(fact) => fact.into(),
            Self::Pvc(fact) => fact.into(),
            Self::Volume(fact) => fact.into(),
            Self::Pod(fact) => fact.into(),
            Self::Endpoints(fact) => fact.into(),
            Self::SetGone => return Some(Change::Deleted(Kind::StatefulSet, name("mysql"), seen)),
            Self::PvcGone(of) => return Some(Change::Deleted(Kind::Pvc, name(&of), seen)),
            Self::PodGone(of) => return Some(Change::Deleted(Kind::Pod, name(&of), seen)),
            Self::Read(_) => return None,
        };
        Some(Change::Applied(object, seen))
    }

    /// The name of the object, and whether it is gone.
    pub(super) fn object(&self) -> (String, bool) {
        match self {
            Self::Set(_) => ("mysql".to_owned(), false),
            Self::SetGone => ("mysql".to_owned(), true),
            Self::Pvc(fact) => (fact.0.name.name.to_string(), false),
            Self::Volume(fact) => (fact.0.pvc.name.to_string(), false),
            Self::Pod(fact) => (fact.0.name.name.to_string(), false),
            Self::PvcGone(of) | Self::PodGone(of) => (of.clone(), true),
            Self::Endpoints(fact) => (fact.0.name.name.to_string(), false),
            Self::Read(of) => (of.clone(), false),
        }
    }
}

impl Simulation {
    /// Begins with three replicas; `wishes` are ascending by moment.
    pub(super) fn new(wishes: &[(f64, Wish)], habits: Habits) -> Self {
        let mut simulation = Self { habits, ..Self::default() };
        let mut uid = 'a';
        for (index, (moment, wish)) in wishes.iter().enumerate() {
            let fact = match wish {
                Wish::Replicas(replicas) => Happening::Set(set(*replicas).uid(&uid.to_string())),
                Wish::Deleted => Happening::SetGone,
            };
            if *wish == Wish::Deleted && index > 0 && wishes[index - 1].1 == Wish::Deleted {
                continue;
            }
            if *wish == Wish::Deleted {
                uid = char::from(b'b' + u8::try_from(index).unwrap());
            }
            simulation.facts.push((*moment, fact));
        }
        let end = wishes.last().map_or(BEGIN, |(moment, _)| *moment) + 120.0;
        for ordinal in 0..PLACES {
            simulation.place(ordinal, wishes, end);
        }
        simulation.endpoints();
        simulation.facts.sort_by(|a, b| a.0.total_cmp(&b.0));
        simulation
    }

    /// The life of one ordinal until `end`.
    fn place(&mut self, ordinal: u32, wishes: &[(f64, Wish)], end: f64) {
        let pod_name = format!("mysql-{ordinal}");
        let mut uids = ('a'..='z').map(|uid| uid.to_string());
        let mut has_pvc = ordinal < 3;
        let mut free = BEGIN;
        for (from, until) in wanted(ordinal, wishes, self.habits.overlooks) {
            let mut begin = from.map_or(1000.0, |from| from.max(free));
            if until.is_some_and(|until| begin + 0.2 >= until) {
                continue;
            }
            let mut uid = uids.next().unwrap();
            if !has_pvc {
                self.provision(&format!("data-{pod_name}"), &uid, begin, until.unwrap_or(end));
                has_pvc = true;
            }
            if let Some(after) = self.habits.evicts_after.filter(|after| from.is_some() && *after > 0.2) {
                let evicted = begin + after;
                if until.is_none_or(|until| evicted + 2.3 < until) {
                    self.rise(&pod_name, &uid, begin, evicted);
                    self.fall(&pod_name, &uid, begin, evicted);
                    begin = evicted + 2.1;
                    uid = uids.next().unwrap();
                }
            }
            self.rise(&pod_name, &uid, begin, until.unwrap_or(end));
            if let Some(until) = until {
                self.fall(&pod_name, &uid, begin, until);
                free = until + 2.1;
                if self.habits.pvcs_go {
                    self.push(until + 2.05, Happening::PvcGone(format!("data-{pod_name}")));
                    has_pvc = false;
                }
            }
        }
    }

    fn provision(&mut self, pvc_name: &str, uid: &str, begin: f64, until: f64) {
        let pvc = || pvc(pvc_name).uid(uid).created_at(begin);
        self.push(begin + 0.1, Happening::Pvc(pvc()));
        self.push(begin + 0.5, Happening::Pvc(pvc().selected()));
        if begin + 2.5 < until + 2.0 || !self.habits.pvcs_go {
            self.push(begin + 2.4, Happening::Volume(volume(pvc_name, begin + 2.4).uid(uid)));
            self.push(begin + 2.5, Happening::Pvc(pvc().selected().bound()));
        }
    }

    fn rise(&mut self, pod_name: &str, uid: &str, begin: f64, fall: f64) {
        let pod = || pod(pod_name).uid(uid).created_at(begin);
        let steps = [
            (0.2, pod()),
            (3.0, pod().scheduled_at(begin + 3.0)),
            (5.0, pod().scheduled_at(begin + 3.0).sandbox_at(begin + 5.0)),
            (15.0, pod().scheduled_at(begin + 3.0).sandbox_at(begin + 5.0).initialized_at(begin + 15.0)),
            (20.0, running(pod_name, uid, begin)),
        ];
        for (after, fact) in steps {
            if begin >= BEGIN && begin + after < fall {
                self.push(begin + after, Happening::Pod(fact));
            }
        }
        if begin + 20.5 < fall {
            if begin >= BEGIN {
                self.turns.push((begin + 20.5, pod_name.to_owned(), Some(uid.to_owned())));
            }
            let mut moment = (begin + 21.0).max(BEGIN);
            while moment < fall {
                self.push(moment, Happening::Read(pod_name.to_owned()));
                moment += 4.0;
            }
        }
    }

    fn fall(&mut self, pod_name: &str, uid: &str, begin: f64, fall: f64) {
        let mut leaving = if begin + 20.0 < fall { running(pod_name, uid, begin) } else { pod(pod_name).uid(uid) };
        if begin + 3.0 < fall {
            leaving = leaving.scheduled_at(begin + 3.0);
        }
        self.push(fall + 0.2, Happening::Pod(leaving.created_at(begin).deleted_at(fall)));
        if begin + 20.5 < fall {
            self.turns.push((fall + 0.3, pod_name.to_owned(), None));
            self.push(fall + 0.5, Happening::Read(pod_name.to_owned()));
        }
        self.push(fall + 2.0, Happening::PodGone(pod_name.to_owned()));
    }

    fn endpoints(&mut self) {
        self.turns.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut ready: BTreeMap<String, Arc<str>> =
            (0..3).map(|ordinal| (format!("mysql-{ordinal}"), format!("mysql-{ordinal}-a").into())).collect();
        for (moment, pod_name, uid) in std::mem::take(&mut self.turns) {
            match uid {
                Some(uid) => ready.insert(pod_name.clone(), format!("{pod_name}-{uid}").into()),
                None => ready.remove(&pod_name),
            };
            let fact = slice("mysql-read", ready.iter().map(|(pod, uid)| (&**pod, uid)));
            self.push(moment, Happening::Endpoints(fact));
        }
    }

    fn push(&mut self, moment: f64, happening: Happening) {
        self.facts.push((moment, happening));
    }
}

/// The intervals in which an ordinal is wanted. `None` stands for before and after the story.
fn wanted(ordinal: u32, wishes: &[(f64, Wish)], overlooks: f64) -> Vec<(Option<f64>, Option<f64>)> {
    let mut intervals: Vec<(Option<f64>, Option<f64>)> = Vec::new();
    let mut current = (ordinal < 3).then_some(None);
    for (moment, wish) in wishes {
        let wanted = matches!(wish, Wish::Replicas(replicas) if *replicas > ordinal);
        match current {
            None if wanted => {
                let last = intervals.last().and_then(|(_, until)| *until);
                let overlooked = last.is_some_and(|last| moment - last < overlooks);
                current = Some(if overlooked { intervals.pop().and_then(|(from, _)| from) } else { Some(*moment) });
            }
            Some(from) if !wanted => {
                intervals.push((from, Some(*moment)));
                current = None;
            }
            _ => {}
        }
    }
    intervals.extend(current.map(|from| (from, None)));
    intervals
}

fn running(pod_name: &str, uid: &str, begin: f64) -> Fact<Pod> {
    let pod = pod(pod_name).uid(uid).created_at(begin).scheduled_at(begin + 3.0).sandbox_at(begin + 5.0);
    pod.initialized_at(begin + 15.0).ready_at(begin + 20.0)
}
