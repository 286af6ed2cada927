//! In any order of watch events, no interval is negative, counted twice or invented.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;

use crate::model::{
    base::Moment,
    cluster::{
        change::{Change, Kind, Object},
        milestones::{Milestone, ScalePhase, Seen},
        objects::PodConditions,
        scale_events::{EVENTS_MAX, ScaleEvent},
        scaled_replica::{Direction, ScaledReplica},
        tests::{
            builders::Story,
            simulation::{BEGIN, Habits, Happening, PLACES, Simulation, Wish},
        },
    },
};

#[derive(Clone, Debug)]
struct Received {
    at: f64,
    happening: Happening,
    seen: Seen,
}

/// Checks a story: what was seen live, and what each member had reached before.
struct Trial {
    story: Story,
    /// The last uid of each pod and PVC.
    uids: BTreeMap<String, String>,
    /// When a pod, a PVC, the `StatefulSet` or an endpoint was seen live, by uid or name.
    seen: BTreeMap<String, BTreeSet<u64>>,
    before: BTreeMap<Place, ScaledReplica>,
    /// The measured phases, each with its pod or PVCs.
    measured: Vec<Measured>,
    last: f64,
}

struct Measured {
    phase: ScalePhase,
    pod: Option<Arc<str>>,
    pvcs: Vec<Arc<str>>,
}

/// The seen of the event, its `from` and `to`, and the ordinal of the member.
type Place = (Duration, u32, u32, u32);

impl Trial {
    fn new() -> Self {
        let uids = (0..3).flat_map(|ordinal| {
            let pod = format!("mysql-{ordinal}");
            [(format!("data-{pod}"), format!("data-{pod}-a")), (pod.clone(), format!("{pod}-a"))]
        });
        let (seen, before, measured) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { story: Story::of(3), uids: uids.collect(), seen, before, measured, last: BEGIN }
    }

    fn play(&mut self, all: &[Received]) -> Result<(), TestCaseError> {
        for received in all {
            self.receive(received)?;
        }
        Ok(())
    }

    fn receive(&mut self, Received { at, happening, seen }: &Received) -> Result<(), TestCaseError> {
        // Every event has its own moment.
        self.last = at.max(self.last + 0.001);
        self.note(happening, *seen);
        let at = self.story.at(self.last);
        match happening {
            Happening::Read(pod) => at.reads(pod),
            other => at.takes(other.change(*seen).expect("what a watch tells")),
        }
        self.check()
    }

    /// Records which object is seen now.
    fn note(&mut self, happening: &Happening, seen: Seen) {
        let now = key(Moment::at(self.last));
        let mut live = |of: String| {
            self.seen.entry(of).or_default().insert(now);
        };
        match happening {
            Happening::Read(pod) => live(format!("read {pod}")),
            _ if seen == Seen::Listed => {}
            Happening::Set(_) | Happening::SetGone => live("set".to_owned()),
            Happening::Endpoints(_) => live("endpoints".to_owned()),
            Happening::PodGone(of) => live(self.uids.get(of).cloned().unwrap_or_default()),
            Happening::PvcGone(_) | Happening::Volume(_) => {}
            Happening::Pod(fact) => {
                let bare = fact.0.conditions == PodConditions::default() && fact.0.deleted.is_none();
                let known = self.uids.get(&*fact.0.name.name).is_some_and(|uid| **uid == *fact.0.uid);
                if bare || known {
                    live(fact.0.uid.to_string());
                }
            }
            Happening::Pvc(fact) => {
                let known = self.uids.get(&*fact.0.name.name).is_some_and(|uid| **uid == *fact.0.uid);
                if !fact.0.node_selected || known {
                    live(fact.0.uid.to_string());
                }
            }
        }
        match happening {
            Happening::Pod(fact) => drop(self.uids.insert(fact.0.name.name.to_string(), fact.0.uid.to_string())),
            Happening::Pvc(fact) => drop(self.uids.insert(fact.0.name.name.to_string(), fact.0.uid.to_string())),
            Happening::PodGone(of) | Happening::PvcGone(of) => drop(self.uids.remove(of)),
            _ => {}
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        let (mut now, mut new) = (BTreeMap::new(), Vec::new());
        prop_assert!(self.story.events().len() <= EVENTS_MAX);
        for event in self.story.events() {
            for member in &event.members {
                let place = (event.request.received.elapsed, event.from, event.to, member.ordinal);
                let before = self.before.get(&place);
                // The first of two events measures a pod that both remove.
                let same = |(other, it): &(&Place, &ScaledReplica)| (other.3, &it.pod) == (place.3, &member.pod);
                let measured = before.map_or_else(
                    || self.before.iter().filter(same).fold(0, |measured, (_, it)| measured | it.measured),
                    |before| before.measured,
                );
                let measured = if before.is_some() { measured } else { measured & member.measured };
                prop_assert_eq!(measured & member.measured, measured);
                for phase in ScalePhase::ALL {
                    if (member.measured & !measured) & (1 << phase as u32) != 0 {
                        self.check_measured(event, member, phase)?;
                        new.push(Measured { phase, pod: member.pod.clone(), pvcs: member.pvcs.clone() });
                    }
                }
                // With the same pod and PVCs, reached milestones stay.
                if let Some(before) = before.filter(|it| (&it.pod, &it.pvcs) == (&member.pod, &member.pvcs)) {
                    for milestone in Milestone::ALL.into_iter().filter(|milestone| *milestone != Milestone::LastRead) {
                        let (was, is) = (before.milestones.get(milestone), member.milestones.get(milestone));
                        // A volume may date the binding of its PVC later.
                        let dated_later = was.is_none() && is.is_some_and(|date| date.live.is_none());
                        let kept = !before.milestones.has(milestone)
                            || was == is
                            || (milestone == Milestone::PvcBound && dated_later);
                        prop_assert!(kept, "{member:?} {}: {was:?} became {is:?}", milestone.name());
                    }
                }
                now.insert(place, member.clone());
            }
        }
        self.before = now;
        self.measured.extend(new);
        let measured: usize = self.story.measures().values().sum();
        let counted: u64 = self.story.index.measures.phases().values().map(crate::model::base::Histogram::count).sum();
        prop_assert_eq!(measured as u64, counted);
        prop_assert_eq!(measured, self.measured.len());
        prop_assert!(self.story.index.tracked.pvcs().count() <= PLACES as usize);
        Ok(())
    }

    /// Both ends of a new measure were seen live, for this replica.
    fn check_measured(
        &self,
        event: &ScaleEvent,
        member: &ScaledReplica,
        phase: ScalePhase,
    ) -> Result<(), TestCaseError> {
        let (from, to) = phase.ends();
        let ends = [from, to].map(|milestone| (milestone, member.milestones.get(milestone).and_then(|date| date.live)));
        for (milestone, live) in ends {
            let Some(live) = live else {
                return Err(TestCaseError::fail(format!("{} without {}", phase.name(), milestone.name())));
            };
            let seen = |of: &str| self.seen.get(of).is_some_and(|moments| moments.contains(&key(live)));
            let found = match milestone {
                Milestone::Requested => seen("set"),
                Milestone::PvcCreated | Milestone::PvcProvisioning | Milestone::PvcBound => {
                    member.pvcs.iter().any(|uid| seen(uid))
                }
                Milestone::EndpointReady | Milestone::EndpointGone => seen("endpoints"),
                Milestone::FirstRead | Milestone::FreshRead | Milestone::LastRead => {
                    seen(&format!("read {}", member.replica))
                }
                _ => member.pod.as_ref().is_some_and(|uid| seen(uid)),
            };
            prop_assert!(found, "{} of {:?}: nothing was seen of {}", phase.name(), member, milestone.name());
        }
        let duration = member.milestones.measured(phase).unwrap_or_default();
        prop_assert!(duration.as_secs_f64() <= self.last - BEGIN + 1.0);
        prop_assert!(event.request.received.elapsed.as_secs_f64() >= BEGIN);
        Ok(())
    }

    /// At the end of a story every event is over.
    fn check_end(&mut self, moment: f64) -> Result<(), TestCaseError> {
        for event in self.story.events() {
            prop_assert!(event.finished.is_some(), "at {moment}: {event:#?}");
        }
        Ok(())
    }
}

fn key(moment: Moment) -> u64 {
    u64::try_from(moment.elapsed.as_micros()).unwrap()
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![9 => (0..=PLACES).prop_map(Wish::Replicas), 1 => Just(Wish::Deleted)]
}

/// One to three wishes, which often overlap.
fn wishes() -> impl Strategy<Value = Vec<(f64, Wish)>> {
    let gap = prop_oneof![0.05..3.0, 1.0..30.0, 20.0..60.0];
    prop::collection::vec((gap, wish()), 1..=3).prop_map(|wishes| {
        let mut moment = BEGIN;
        let later = |(gap, wish)| {
            moment += gap;
            (moment, wish)
        };
        wishes.into_iter().map(later).collect()
    })
}

fn habits() -> impl Strategy<Value = Habits> {
    let evicts_after = prop::option::weighted(0.3, 0.3..30.0);
    let overlooks = prop_oneof![3 => Just(0.0), 1 => 0.0..5.0];
    (any::<bool>(), evicts_after, overlooks).prop_map(|(pvcs_go, evicts_after, overlooks)| Habits {
        pvcs_go,
        evicts_after,
        overlooks,
    })
}

/// Each watch keeps its order and is late by up to a second.
fn crossing(simulation: &Simulation, delays: &[f64]) -> Vec<Received> {
    let mut last: BTreeMap<Option<Kind>, f64> = BTreeMap::new();
    let mut all = Vec::new();
    for ((moment, happening), delay) in simulation.facts.iter().zip(delays.iter().cycle()) {
        let kind = happening.kind();
        let late = if kind.is_some() { moment + delay } else { *moment };
        let at = late.max(last.get(&kind).copied().unwrap_or_default());
        last.insert(kind, at);
        all.push(Received { at, happening: happening.clone(), seen: Seen::Live });
    }
    all.sort_by(|a, b| a.at.total_cmp(&b.at));
    all
}

/// A watch is interrupted; then a list delivers the current state.
fn with_outage(all: Vec<Received>, kind: Kind, from: f64, until: f64) -> Vec<Received> {
    let (missed, mut received): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|received| received.happening.kind() == Some(kind) && (from..until).contains(&received.at));
    let mut last = BTreeMap::new();
    for received in missed {
        last.insert(received.happening.object().0, received.happening);
    }
    received.extend(last.into_values().map(|happening| Received { at: until, happening, seen: Seen::Listed }));
    received.sort_by(|a, b| a.at.total_cmp(&b.at));
    received
}

fn outage() -> impl Strategy<Value = (Kind, f64, f64)> {
    let kind = prop::sample::select(vec![Kind::StatefulSet, Kind::Pod, Kind::Pvc, Kind::Volume, Kind::Slice]);
    (kind, BEGIN..BEGIN + 100.0, 1.0..60.0).prop_map(|(kind, from, length)| (kind, from, from + length))
}

/// The phases that a pod passes through once.
const OWN: [ScalePhase; 9] = [
    ScalePhase::Schedule,
    ScalePhase::Start,
    ScalePhase::Initialize,
    ScalePhase::BecomeReady,
    ScalePhase::Publish,
    ScalePhase::Route,
    ScalePhase::Withdraw,
    ScalePhase::Drain,
    ScalePhase::Terminate,
];

fn check_own_once(trial: &Trial) -> Result<(), TestCaseError> {
    let mut once = BTreeSet::new();
    for Measured { phase, pod, pvcs } in &trial.measured {
        if OWN.contains(phase) {
            prop_assert!(once.insert((*phase, pod.clone().unwrap_or_default())), "{phase:?} of {pod:?} twice");
        }
        if *phase == ScalePhase::Provision {
            for pvc in pvcs {
                prop_assert!(once.insert((*phase, Arc::clone(pvc))), "{phase:?} of {pvc} twice");
            }
        }
    }
    Ok(())
}

proptest! {
    /// With crossing watches alone, every expected milestone is reached and measured once.
    #[test]
    fn watches_that_cross_lose_and_double_nothing(
        wishes in wishes(),
        habits in habits(),
        delays in prop::collection::vec(0.0..1.0, 1..60),
    ) {
        let simulation = Simulation::new(&wishes, habits);
        let mut trial = Trial::new();
        trial.play(&crossing(&simulation, &delays))?;
        check_own_once(&trial)?;
        let moment = trial.last;
        trial.check_end(moment)?;
        for event in trial.story.events() {
            for member in event.members.iter().filter(|member| !member.taken_over) {
                let date = member.milestones.get(Milestone::FirstRead);
                // An overlooked pod had its first read before.
                let came = date.is_some_and(|date| date.live.is_some())
                    || (habits.overlooks > 0.0 && member.milestones.has(Milestone::FirstRead));
                let gone = member.milestones.has(Milestone::PodGone) || member.pod.is_none();
                let done = if member.direction == Direction::Up { came } else { gone };
                prop_assert!(done, "{member:#?}");
            }
        }
    }

    /// After an interruption, the list gives the correct state and measures nothing.
    #[test]
    fn outages_leave_no_event_open_and_double_nothing(
        wishes in wishes(),
        habits in habits(),
        delays in prop::collection::vec(0.0..1.0, 1..60),
        outages in prop::collection::vec(outage(), 1..4),
    ) {
        let simulation = Simulation::new(&wishes, habits);
        let mut all = crossing(&simulation, &delays);
        for (kind, from, until) in outages {
            all = with_outage(all, kind, from, until);
        }
        let mut trial = Trial::new();
        trial.play(&all)?;
        check_own_once(&trial)?;
        let moment = trial.last;
        trial.check_end(moment)?;
    }

    /// Any order of any subset, with duplicates and lists.
    #[test]
    fn any_order_makes_no_negative_double_or_invented_phase(
        wishes in wishes(),
        habits in habits(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0.001..5.0, any::<bool>()), 1..150),
        in_order in any::<bool>(),
    ) {
        let simulation = Simulation::new(&wishes, habits);
        let mut picked: Vec<_> = picks.iter().map(|(index, _, _)| index.index(simulation.facts.len())).collect();
        if in_order {
            picked.sort_unstable();
        }
        let mut at = BEGIN;
        let mut trial = Trial::new();
        for (index, (_, gap, live)) in picked.into_iter().zip(&picks) {
            at += gap;
            let seen = if *live { Seen::Live } else { Seen::Listed };
            let happening = simulation.facts[index].1.clone();
            trial.receive(&Received { at, happening, seen })?;
        }
    }
}

#[test]
fn the_simulation_reports_what_the_cluster_does() {
    let simulation = Simulation::new(&[(BEGIN, Wish::Replicas(4)), (BEGIN + 60.0, Wish::Deleted)], Habits::default());
    let kinds = |kind: Kind| simulation.facts.iter().filter(|(_, fact)| fact.kind() == Some(kind)).count();
    assert_eq!(kinds(Kind::StatefulSet), 2);
    assert_eq!(kinds(Kind::Pvc), 3);
    assert_eq!(kinds(Kind::Pod), 5 + 4 * 2);
    assert_eq!(kinds(Kind::Slice), 1 + 4);
    let last = simulation.facts.iter().rev().find_map(|(_, fact)| match fact.change(Seen::Live) {
        Some(Change::Applied(Object::Slice(slice), _)) => Some(slice.endpoints.len()),
        _ => None,
    });
    assert_eq!(last, Some(0));
    assert_eq!(simulation.facts.iter().filter(|(_, fact)| fact.object().1).count(), 5);
}
