//! The one state of the program: facts in, snapshots out. Its owner is its only writer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    act::Act,
    event::{Event, TargetSet, Told},
    notice::{Notice, Notification, Subject},
    snapshot::{ConfigStatus, Snapshot},
};
use crate::model::{
    base::{Moment, ObjectName},
    cluster::{Change, Cluster, ClusterSnapshot, Kind, News, Problem, WatchName},
    probe::{DirectSample, ProbePlan, Sample, StartDelay},
    target::{Target, TargetId, TargetNotice, TargetSnapshot, TargetSpec},
};

/// For so many targets time passes with one tick: with all of a thousand, their next samples would have to wait for it.
const TICKED_AT_ONCE: usize = 50;

/// Everything that is known.
#[derive(Debug, Default)]
pub struct State {
    targets: BTreeMap<TargetId, Entry>,
    /// In which they are shown.
    order: Vec<TargetId>,
    /// Those whose plan may be another one since the sources were last told: of a thousand targets, an event is about one.
    plans_to_look_at: BTreeSet<TargetId>,
    configured: Option<ConfigStatus>,
    lateness: StartDelay,
    /// How many ticks there were.
    ticks: usize,
    /// What Kubernetes told; absent where it is not asked.
    kubernetes: Option<Cluster>,
    /// What that showed since it last changed.
    cluster_shown: Option<Arc<ClusterSnapshot>>,
    /// What the demo shows at the moment.
    announcement: Option<Act>,
}

#[derive(Debug)]
struct Entry {
    /// Apart, since a map has room for more entries than there are.
    target: Box<Target>,
    /// The target's snapshot since it last changed.
    shown: Option<Arc<TargetSnapshot>>,
    /// Something came since time last passed for it, and so will again soon.
    busy: bool,
}

impl Entry {
    fn new(spec: TargetSpec) -> Self {
        Self { target: Box::new(Target::new(spec)), shown: None, busy: false }
    }
}

impl State {
    /// A state that knows these targets and nothing about them, and is told about Kubernetes by these watches.
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = (TargetId, TargetSpec)>, watches: Vec<WatchName>) -> Self {
        let mut targets: BTreeMap<TargetId, Entry> =
            targets.into_iter().map(|(id, spec)| (id, Entry::new(spec))).collect();
        let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
        for entry in targets.values_mut() {
            entry.target.share_period(count);
        }
        let services = targets.values().filter_map(|entry: &Entry| entry.target.service().cloned());
        let named = |entry: &Entry| Some((entry.target.service()?.clone(), entry.target.statefulset()?.clone()));
        let sets = targets.values().filter_map(named);
        let kubernetes = (!watches.is_empty()).then(|| Cluster::new(services, sets, watches));
        let order: Vec<TargetId> = targets.keys().copied().collect();
        let plans_to_look_at = order.iter().copied().collect();
        Self { targets, order, plans_to_look_at, kubernetes, ..Self::default() }
    }

    /// Takes one fact in, and returns what is new to people. A fact about a target that does not exist (any more) is
    /// ignored.
    pub fn apply(&mut self, event: Event, now: Moment) -> Vec<Notification> {
        match event {
            Event::Sampled { target, sample, late } => {
                self.lateness.record(late);
                self.sampled(target, *sample, now)
            }
            Event::Skipped { target, count } => {
                self.change(target, |target| target.skipped(count, now).into_iter().collect())
            }
            Event::PodProbed { target, sample } => self.asked(target, &sample, now),
            Event::Cluster { watch, told } => self.told(&watch, told, now),
            Event::Announced(act) => {
                self.announcement = Some(act.clone());
                vec![Notification { subject: Subject::Demo, notice: Notice::Announced(act) }]
            }
            Event::Recorded(problem) => self.recorded(problem),
            Event::TargetsChanged(targets) => self.line_up(targets, now),
            Event::ConfigLoaded(loaded) => self.configured(loaded, now),
            Event::Tick => self.tick(now),
        }
    }

    /// What the sources are to do from now on, where that has changed since the last call.
    pub fn new_plans(&mut self, now: Moment) -> Vec<(TargetId, ProbePlan)> {
        let old = std::mem::take(&mut self.plans_to_look_at);
        let new = |id| Some((id, self.targets.get_mut(&id)?.target.new_plan(now)?));
        old.into_iter().filter_map(new).collect()
    }

    /// The picture of this moment.
    pub fn snapshot(&mut self, now: Moment) -> Snapshot {
        let show = |entry: &mut Entry| Arc::clone(entry.shown.get_or_insert_with(|| Arc::new(entry.target.snapshot())));
        let targets = self.order.iter().filter_map(|id| self.targets.get_mut(id).map(show)).collect();
        if let (Some(kubernetes), None) = (&self.kubernetes, &self.cluster_shown) {
            self.cluster_shown = Some(Arc::new(kubernetes.snapshot(now)));
        }
        Snapshot {
            taken: now,
            targets,
            cluster: self.cluster_shown.clone(),
            announcement: self.announcement.clone(),
            configured: self.configured.clone(),
            lateness: self.lateness.clone(),
        }
    }

    /// The uid of a `StatefulSet`, while it exists.
    #[must_use]
    pub fn statefulset_uid(&self, name: &ObjectName) -> Option<&Arc<str>> {
        self.kubernetes.as_ref()?.statefulset_uid(name)
    }

    fn recorded(&mut self, problem: Option<Problem>) -> Vec<Notification> {
        let Some(kubernetes) = &mut self.kubernetes else { return Vec::new() };
        let news = kubernetes.recorded(problem);
        if news.is_some() {
            self.cluster_shown = None;
        }
        news.map(of_cluster).into_iter().collect()
    }

    fn sampled(&mut self, id: TargetId, sample: Sample, now: Moment) -> Vec<Notification> {
        let finished = sample.finished;
        let mut read = None;
        let mut news = self.change(id, |target| {
            let outcome = target.sampled(sample, now);
            read = outcome.read.zip(target.service().cloned());
            outcome.news
        });
        if let (Some((read, service)), Some(kubernetes)) = (read, &mut self.kubernetes) {
            let scaled = kubernetes.read(&service, &read, finished);
            news.extend(self.scaled(scaled));
        }
        news
    }

    fn line_up(&mut self, targets: TargetSet, now: Moment) -> Vec<Notification> {
        let TargetSet { order, new, watches } = targets;
        let stays: BTreeSet<_> = order.iter().collect();
        self.targets.retain(|id, _| stays.contains(id));
        let added: Vec<_> = new.iter().map(|(id, _)| *id).collect();
        self.plans_to_look_at.extend(&added);
        self.targets.extend(new.into_iter().map(|(id, spec)| (id, Entry::new(spec))));
        self.order = order;
        let count = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        for entry in self.targets.values_mut() {
            if entry.target.share_period(count) {
                entry.shown = None;
            }
        }
        if self.kubernetes.is_none() && !watches.is_empty() {
            self.kubernetes = Some(Cluster::new([], [], Vec::new()));
        }
        let Some(kubernetes) = &mut self.kubernetes else { return Vec::new() };
        self.cluster_shown = None;
        let services = self.targets.values().filter_map(|entry| entry.target.service().cloned()).collect();
        let named = |entry: &Entry| Some((entry.target.service()?.clone(), entry.target.statefulset()?.clone()));
        let named = self.targets.values().filter_map(named).collect();
        let news = kubernetes.line_up(services, named, watches, now).into_iter().map(of_cluster).collect();
        for id in added {
            let Some(entry) = self.targets.get_mut(&id) else { continue };
            let Some(service) = entry.target.service().cloned() else { continue };
            // What was told before the target was there; nothing, if that is not complete.
            if let Some(routing) = kubernetes.routing(&service) {
                entry.target.routed(Some(routing), now);
            }
            if let Some(port) = entry.target.asks_port() {
                entry.target.reach(kubernetes.reachable(&service, port), now);
            }
        }
        news
    }

    fn configured(&mut self, loaded: Result<(), Arc<str>>, now: Moment) -> Vec<Notification> {
        let before = self.configured.take();
        let again = before.is_some();
        let notice = match loaded {
            Ok(()) => {
                self.configured = Some(ConfigStatus { since: now, refused: None });
                again.then_some(Notice::Reconfigured { targets: self.order.len() })
            }
            Err(why) => {
                let since = before.as_ref().map_or(now, |before| before.since);
                let told = before.and_then(|before| before.refused).is_some_and(|refused| refused == why);
                self.configured = Some(ConfigStatus { since, refused: Some(Arc::clone(&why)) });
                (!told).then_some(Notice::ConfigurationRefused { why })
            }
        };
        notice.map(|notice| Notification { subject: Subject::Configuration, notice }).into_iter().collect()
    }

    /// How often a second it is to be told that time passes: each tick is about a part of the targets.
    #[must_use]
    pub fn ticks_a_second(&self) -> usize {
        self.targets.len().div_ceil(TICKED_AT_ONCE).max(1)
    }

    fn tick(&mut self, now: Moment) -> Vec<Notification> {
        let parts = self.ticks_a_second();
        let part = self.ticks % parts;
        self.ticks += 1;
        let ids: Vec<_> = self.targets.keys().copied().skip(part).step_by(parts).collect();
        let mut news = Vec::new();
        for id in ids {
            news.extend(self.time_passes(id, now));
            news.extend(self.know_freshness(id, now));
        }
        if let Some(kubernetes) = self.kubernetes.as_mut().filter(|_| part == 0) {
            let (of_kubernetes, changed) = kubernetes.tick(now);
            if changed || !of_kubernetes.is_empty() {
                self.cluster_shown = None;
            }
            news.extend(of_kubernetes.into_iter().map(of_cluster));
        }
        news
    }

    /// What that changes is shown with the next sample of a busy target, and with the next tick at the latest: otherwise
    /// each snapshot would be made twice.
    fn time_passes(&mut self, id: TargetId, now: Moment) -> Vec<Notification> {
        let entry = self.targets.get_mut(&id);
        let shown = entry.filter(|entry| entry.busy).and_then(|entry| entry.shown.take());
        let news = self.change(id, |target| target.tick(now));
        if let Some(entry) = self.targets.get_mut(&id) {
            entry.busy = false;
            entry.shown = shown.filter(|_| news.is_empty());
        }
        news
    }

    fn asked(&mut self, id: TargetId, direct: &DirectSample, now: Moment) -> Vec<Notification> {
        let mut service = None;
        self.change(id, |target| {
            target.asked(direct, now);
            service = target.service().cloned();
            Vec::new()
        });
        let sample = &direct.sample;
        let mut news = Vec::new();
        if let (Some(service), Some(kubernetes), Ok(_)) = (service, &mut self.kubernetes, &sample.outcome) {
            let scaled = kubernetes.direct_read(&service, &direct.pod, sample.started, sample.finished);
            news = self.scaled(scaled);
        }
        news.extend(self.know_freshness(id, now));
        news
    }

    /// Lets the scale events know whether it is known which answers are fresh.
    fn know_freshness(&mut self, id: TargetId, now: Moment) -> Vec<Notification> {
        let target = self.targets.get(&id).map(|entry| &entry.target);
        let Some((target, kubernetes)) = target.zip(self.kubernetes.as_mut()) else { return Vec::new() };
        let Some(service) = target.service() else { return Vec::new() };
        let scaled = kubernetes.know_freshness(service, target.knows_freshness(now), now);
        self.scaled(scaled)
    }

    /// What is new of scale events, if anything changed there.
    fn scaled(&mut self, scaled: Option<Vec<News>>) -> Vec<Notification> {
        if scaled.is_some() {
            self.cluster_shown = None;
        }
        scaled.unwrap_or_default().into_iter().map(of_cluster).collect()
    }

    fn told(&mut self, watch: &WatchName, told: Told, now: Moment) -> Vec<Notification> {
        const PODS: [Kind; 4] = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet];
        let Some(kubernetes) = &mut self.kubernetes else { return Vec::new() };
        self.cluster_shown = None;
        let mut gone = None;
        let heard = match &told {
            Told::Broken(_) => Some(false),
            Told::Listed => Some(true),
            Told::Change(_) => None,
        };
        let heard = heard.filter(|_| watch.kind == Kind::Slice);
        let (news, services) = match told {
            Told::Change(change) => {
                if let Change::Deleted(Kind::Pod, name, _) = &*change {
                    gone = Some(name.clone());
                }
                kubernetes.apply(watch, *change, now)
            }
            Told::Listed => kubernetes.listed(watch, now),
            Told::Broken(problem) => (kubernetes.broken(watch, problem), Vec::new()),
        };
        for (id, entry) in &mut self.targets {
            let Some(service) = entry.target.service() else { continue };
            if let Some(heard) = heard.filter(|_| service.namespace == watch.namespace) {
                entry.target.heard(heard);
            }
            let Some(service) = entry.target.service() else { continue };
            if services.contains(service) {
                let routing = kubernetes.routing(service);
                entry.target.routed(routing, now);
                entry.shown = None;
                self.plans_to_look_at.insert(*id);
            } else if let Some(pod) = gone.as_ref().filter(|pod| pod.namespace == service.namespace) {
                entry.target.pod_gone(&pod.name, now);
            }
            if let (true, Some(port)) = (PODS.contains(&watch.kind), entry.target.asks_port())
                && let Some(service) = entry.target.service().filter(|service| service.namespace == watch.namespace)
            {
                let reachable = kubernetes.reachable(service, port);
                entry.target.reach(reachable, now);
                entry.shown = None;
                self.plans_to_look_at.insert(*id);
            }
        }
        news.into_iter().map(of_cluster).collect()
    }

    fn change(&mut self, id: TargetId, change: impl FnOnce(&mut Target) -> Vec<TargetNotice>) -> Vec<Notification> {
        let Some(entry) = self.targets.get_mut(&id) else { return Vec::new() };
        entry.shown = None;
        entry.busy = true;
        self.plans_to_look_at.insert(id);
        let news = change(&mut entry.target);
        let subject = || Subject::Target(Arc::clone(entry.target.name()));
        news.into_iter().map(|notice| Notification { subject: subject(), notice: Notice::Target(notice) }).collect()
    }
}

fn of_cluster((set, notice): News) -> Notification {
    Notification { subject: set.map_or(Subject::Kubernetes, Subject::StatefulSet), notice: Notice::Cluster(notice) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verdict::Expectation;

    fn state(targets: usize) -> State {
        let spec = |number| TargetSpec::regular(&format!("mysql/mysql-read-{number}"), Expectation::Seen);
        let targets = u32::try_from(targets).unwrap();
        State::new((0..targets).map(|number| (TargetId(number), spec(number))), Vec::new())
    }

    /// For how many targets it is shown that time passed so often.
    fn shown(state: &mut State, times: usize) -> usize {
        let snapshot = state.snapshot(Moment::at(0.0));
        snapshot.targets.iter().filter(|target| target.trend.points().len() == times).count()
    }

    #[test]
    fn a_second_passes_for_every_target_in_several_ticks() {
        let targets = 2 * TICKED_AT_ONCE + 1;
        let mut state = state(targets);
        assert_eq!((state.ticks_a_second(), shown(&mut state, 0)), (3, targets));
        for tick in 1..=3 {
            state.apply(Event::Tick, Moment::at(0.0));
            assert!(shown(&mut state, 1) <= tick * TICKED_AT_ONCE);
        }
        assert_eq!(shown(&mut state, 1), targets);
        assert_eq!(State::default().ticks_a_second(), 1);
    }

    #[test]
    fn what_time_changes_of_a_busy_target_is_shown_with_its_next_event_or_tick() {
        let mut state = state(1);
        let event = || Event::Skipped { target: TargetId(0), count: 1 };
        let tick = |state: &mut State, second| state.apply(Event::Tick, Moment::at(second));
        state.apply(event(), Moment::at(0.0));
        assert_eq!(shown(&mut state, 0), 1);
        tick(&mut state, 0.1);
        assert_eq!(shown(&mut state, 0), 1, "it has just been made");
        state.apply(event(), Moment::at(0.2));
        assert_eq!(shown(&mut state, 1), 1);
        tick(&mut state, 10.0);
        assert_eq!(shown(&mut state, 1), 1);
        tick(&mut state, 11.0);
        assert_eq!(shown(&mut state, 2), 1, "nothing else came");
    }
}
