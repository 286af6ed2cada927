//! What Kubernetes told, how its watches fare, and what of it is news.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    claim_waits::{self, Pending, pending_for},
    index::{BindLabels, Change, Effect, Index, Kind, SCALE_BOUNDS},
    life::TrackedClaim,
    milestones::{Milestone, ScalePhase},
    notice::ClusterNotice,
    objects::StatefulSet,
    reach::Reachable,
    routing::{Routing, Rule},
    scale_events::ScaleEvents,
    scale_step::ScaleStep,
    scaled_replica::Direction,
    snapshot::{ClaimSnapshot, ClusterSnapshot, StatefulSetSnapshot},
    watches::{Problem, WatchName, Watches},
};
use crate::model::{
    base::{Histogram, Moment, ObjectName, PodRef},
    probe::PodRead,
};

/// A notice, and the `StatefulSet` that it is about; without one it is about Kubernetes itself.
pub(crate) type News = (Option<ObjectName>, ClusterNotice);

/// Everything that Kubernetes told.
#[derive(Debug)]
pub(crate) struct Cluster {
    world: Index,
    watches: Watches,
    /// The targets' Services.
    services: BTreeSet<ObjectName>,
    /// The `StatefulSet`s whose pods are, or were, endpoints of those, each with the Services that it is behind: others
    /// in the namespace are nobody's business here.
    sets: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    /// How many scale events of each were seen to begin, by `Direction as usize`.
    began: BTreeMap<ObjectName, [u64; 2]>,
    pending: Pending,
    /// The `StatefulSet`s of those Services for which somebody named it, instead of having it found.
    named: BTreeMap<ObjectName, ObjectName>,
    /// Why milestones cannot be written as Events, if they cannot.
    unrecorded: Option<Problem>,
}

impl Cluster {
    /// Nothing told yet, by these watches, about these Services, of which some have their `StatefulSet` named.
    pub(crate) fn new(
        services: impl IntoIterator<Item = ObjectName>,
        named: impl IntoIterator<Item = (ObjectName, ObjectName)>,
        watches: Vec<WatchName>,
    ) -> Self {
        let named: BTreeMap<_, _> = named.into_iter().collect();
        let services: BTreeSet<_> = services.into_iter().collect();
        Self {
            world: Index::new(services.clone()),
            watches: Watches::new(watches),
            services,
            sets: behind(&named),
            began: BTreeMap::new(),
            pending: Pending::default(),
            named,
            unrecorded: None,
        }
    }

    /// Takes in which Services matter from now on and which watches tell of them. Returns what is new.
    pub(crate) fn line_up(
        &mut self,
        services: BTreeSet<ObjectName>,
        named: BTreeMap<ObjectName, ObjectName>,
        watches: Vec<WatchName>,
        now: Moment,
    ) -> Vec<News> {
        self.watches.keep(watches);
        self.services.clone_from(&services);
        self.sets.retain(|_, behind| {
            behind.retain(|service| services.contains(service));
            !behind.is_empty()
        });
        for (set, services) in behind(&named) {
            self.sets.entry(set).or_default().extend(services);
        }
        self.named = named;
        let mut news = Vec::new();
        for effect in self.world.observe(services, now) {
            match effect {
                Effect::Scale(set, step) => news.extend(self.told(set, step)),
                Effect::Routing(service) => self.meet_sets(&[service]),
                Effect::Reached => {}
            }
        }
        news
    }

    /// Takes a fact in. Returns what is new, and the Services whose routing may be another one.
    pub(crate) fn apply(&mut self, watch: &WatchName, change: Change, now: Moment) -> (Vec<News>, Vec<ObjectName>) {
        self.watches.told(watch, now);
        let (mut news, mut services) = (Vec::new(), Vec::new());
        for effect in self.world.apply(change, now) {
            match effect {
                Effect::Scale(set, step) => news.extend(self.told(set, step)),
                Effect::Routing(service) if self.services.contains(&service) => services.push(service),
                Effect::Routing(_) | Effect::Reached => {}
            }
        }
        self.meet_sets(&services);
        (news, services)
    }

    /// Takes in that a whole list was received. Returns as [`apply`](Self::apply) does.
    pub(crate) fn listed(&mut self, watch: &WatchName, now: Moment) -> (Vec<News>, Vec<ObjectName>) {
        let mut news: Vec<_> = self.watches.listed(watch, now).map(of_kubernetes).into_iter().collect();
        if watch.kind == Kind::StatefulSet {
            news.extend(self.absent(&watch.namespace).map(of_kubernetes));
        }
        self.meet_sets(&Vec::from_iter(self.services.clone()));
        if watch.kind == Kind::Claim {
            self.world.claims_listed(&watch.namespace);
        }
        let in_force = matches!(watch.kind, Kind::Service | Kind::Slice);
        let here = |service: &&ObjectName| in_force && service.namespace == watch.namespace;
        (news, self.services.iter().filter(here).cloned().collect())
    }

    pub(crate) fn broken(&mut self, watch: &WatchName, problem: Problem) -> Vec<News> {
        self.watches.broken(watch, problem).map(of_kubernetes).into_iter().collect()
    }

    /// Takes in that a pod answered through the read Service. Returns what is new, if anything changed.
    pub(crate) fn read(&mut self, service: &ObjectName, read: &PodRead, finished: Moment) -> Option<Vec<News>> {
        let pod = service.sibling(&read.pod.name);
        let effects = if read.fresh {
            self.world.fresh_read(&pod, read.started, finished, read.uncertainty)
        } else {
            self.world.read(&pod, read.started, finished, read.uncertainty)
        };
        self.answered(effects)
    }

    /// Takes in that a pod answered at its own address. Returns as [`read`](Self::read) does.
    pub(crate) fn direct_read(
        &mut self,
        service: &ObjectName,
        pod: &PodRef,
        started: Moment,
        finished: Moment,
    ) -> Option<Vec<News>> {
        let effects = self.world.direct_read(&service.sibling(&pod.name), &pod.uid, started, finished);
        self.answered(effects)
    }

    /// Takes in whether it is known which answers of the pods behind a Service are fresh. Returns as
    /// [`read`](Self::read) does.
    pub(crate) fn know_freshness(&mut self, service: &ObjectName, known: bool, now: Moment) -> Option<Vec<News>> {
        let sets = self.sets_behind(service);
        let effects = sets.iter().flat_map(|set| self.world.know_freshness(set, known, now)).collect();
        self.answered(effects)
    }

    /// The pods that can be asked directly for what a connection to `port` of the Service gets.
    pub(crate) fn reachable(&self, service: &ObjectName, port: u16) -> Vec<Reachable> {
        self.world.reachable(service, port)
    }

    fn answered(&mut self, effects: Vec<Effect>) -> Option<Vec<News>> {
        if effects.is_empty() {
            return None;
        }
        let news = effects.into_iter().filter_map(|effect| match effect {
            Effect::Scale(set, step) => self.told(set, step),
            Effect::Routing(_) | Effect::Reached => None,
        });
        Some(news.collect())
    }

    /// Takes in that a milestone was written as an Event, or why it could not be. Returns what is new.
    pub(crate) fn recorded(&mut self, problem: Option<Problem>) -> Option<News> {
        let known = self.unrecorded.as_ref().map(|problem| problem.forbidden);
        let now = problem.as_ref().map(|problem| problem.forbidden);
        self.unrecorded = problem;
        let notice = (known != now).then(|| self.not_recorded().unwrap_or(ClusterNotice::Recorded));
        notice.map(of_kubernetes)
    }

    /// The uid of a `StatefulSet`, while it exists.
    pub(crate) fn statefulset_uid(&self, name: &ObjectName) -> Option<&Arc<str>> {
        let timeline = self.world.timelines().find(|timeline| timeline.name() == name)?;
        timeline.set().map(|set| &set.uid)
    }

    /// Takes in that time passed. Returns what is new, and whether what is shown has changed by that alone.
    pub(crate) fn tick(&mut self, now: Moment) -> (Vec<News>, bool) {
        let mut pending = std::mem::take(&mut self.pending);
        let settled = pending.settle(|claim| self.world.claim(claim));
        let mut news: Vec<_> = settled.into_iter().map(|(_, notice)| of_kubernetes(notice)).collect();
        let mut waits = false;
        for (set, life) in self.claims().filter(|(_, life)| life.is_pending()) {
            waits = true;
            let told = pending.tick(life, self.world.reason(&life.claim), now);
            news.extend(told.map(|notice| (Some(set.clone()), notice)));
        }
        self.pending = pending;
        (news, waits)
    }

    /// What a connection to the Service may reach. `None` until the Service and its endpoints were listed: half a list
    /// would look like replicas that are missing and then join.
    pub(crate) fn routing(&self, service: &ObjectName) -> Option<Routing> {
        let listed = |kind| self.watches.has_listed(kind, &service.namespace);
        let missing = || Routing { rule: Rule::NoService, ..Routing::default() };
        (listed(Kind::Service) && listed(Kind::Slice)).then(|| self.world.routing(service).unwrap_or_else(missing))
    }

    pub(crate) fn snapshot(&self, now: Moment) -> ClusterSnapshot {
        let pending =
            self.claims().filter_map(|(_, life)| claim_waits::notice(life, self.world.reason(&life.claim), now));
        let namespaces: BTreeSet<_> = self.named.keys().map(|service| &service.namespace).collect();
        let absent = namespaces.into_iter().flat_map(|namespace| self.absent(namespace));
        ClusterSnapshot {
            watches: self.watches.iter().map(|(name, watch)| (name.clone(), watch.clone())).collect(),
            statefulsets: self.timelines().map(|timeline| self.statefulset(timeline, now)).collect(),
            binds: self.binds(),
            notices: self.watches.notices().chain(self.not_recorded()).chain(absent).chain(pending).collect(),
        }
    }

    fn not_recorded(&self) -> Option<ClusterNotice> {
        let Problem { forbidden, text } = self.unrecorded.clone()?;
        Some(ClusterNotice::NotRecorded { forbidden, text })
    }

    /// The `StatefulSet`s that somebody named and that do not exist, once that is known.
    fn absent(&self, namespace: &Arc<str>) -> impl Iterator<Item = ClusterNotice> + '_ {
        let known = self.watches.has_listed(Kind::StatefulSet, namespace);
        let here = self.named.values().filter(move |set| known && set.namespace == *namespace);
        let absent = here.filter(|set| self.statefulset_uid(set).is_none());
        absent.map(|set| ClusterNotice::NoStatefulSet { set: set.clone() }).collect::<Vec<_>>().into_iter()
    }

    fn timelines(&self) -> impl Iterator<Item = &ScaleEvents> {
        self.world.timelines().filter(|timeline| self.sets.contains_key(timeline.name()))
    }

    /// A histogram that is to grow is there before it does, empty: Prometheus does not count what a series begins with.
    fn binds(&self) -> Vec<(BindLabels, Histogram)> {
        let classes = self.claims().filter_map(|(set, life)| Some((set, life.class()?)));
        let labels = classes.map(|(set, class)| self.world.bind_labels(set.clone(), Arc::clone(class)));
        let mut binds: BTreeMap<_, _> = labels.map(|labels| (labels, Histogram::new(&SCALE_BOUNDS))).collect();
        let ours = self.world.binds().iter().filter(|(labels, _)| self.sets.contains_key(&labels.statefulset));
        binds.extend(ours.map(|(labels, times)| (labels.clone(), times.clone())));
        binds.into_iter().collect()
    }

    fn statefulset(&self, timeline: &ScaleEvents, now: Moment) -> StatefulSetSnapshot {
        let name = timeline.name();
        let phase = |phase: ScalePhase| {
            let times = self.world.phases().get(&(name.clone(), phase)).cloned();
            (phase, times.unwrap_or_else(|| Histogram::new(&SCALE_BOUNDS)))
        };
        let claim = |life: &TrackedClaim| ClaimSnapshot {
            claim: life.claim.clone(),
            pending: pending_for(life, now),
            bound: life.milestones.get(Milestone::ClaimBound).map(|date| date.wall),
            reason: self.world.reason(&life.claim).cloned(),
        };
        // It waits for nobody.
        let left = |life: &TrackedClaim| ClaimSnapshot { pending: None, ..claim(life) };
        let listed = self.watches.has_listed(Kind::Pod, &name.namespace);
        StatefulSetSnapshot {
            name: name.clone(),
            replicas: timeline.set().map(|set| set.replicas),
            events: timeline.events().rev().cloned().collect(),
            phases: ScalePhase::ALL.into_iter().map(phase).collect(),
            reached: listed.then(|| self.world.reached(timeline)),
            began: self.began.get(name).copied().unwrap_or_default(),
            claims: self.claims_of(timeline).map(claim).chain(self.claims_left_by(timeline).map(left)).collect(),
        }
    }

    /// The claims of the `StatefulSet`s that matter.
    fn claims(&self) -> impl Iterator<Item = (&ObjectName, &TrackedClaim)> {
        self.timelines().flat_map(|timeline| self.claims_of(timeline).map(|life| (timeline.name(), life)))
    }

    /// The claims of the ordinals that a `StatefulSet` should have.
    fn claims_of<'a>(&'a self, timeline: &'a ScaleEvents) -> impl Iterator<Item = &'a TrackedClaim> {
        let names = timeline.set().into_iter().flat_map(|set| {
            set.ordinals().flat_map(|ordinal| set.claim_names(ordinal)).map(|claim| set.name.sibling(&claim))
        });
        names.filter_map(|claim| self.world.claim(&claim))
    }

    /// The claims that stay when their replicas go: those of the ordinals after the last one, as far as there are any.
    fn claims_left_by<'a>(&'a self, timeline: &'a ScaleEvents) -> impl Iterator<Item = &'a TrackedClaim> {
        let of_ordinal = |set: &'a StatefulSet, ordinal| -> Vec<_> {
            set.claim_names(ordinal).filter_map(|claim| self.world.claim(&set.name.sibling(&claim))).collect()
        };
        timeline.set().into_iter().flat_map(move |set| {
            let after = (set.ordinals().end..).map(move |ordinal| of_ordinal(set, ordinal));
            after.take_while(|claims| !claims.is_empty()).flatten()
        })
    }

    /// Remembers the `StatefulSet`s behind the endpoints of these Services.
    fn meet_sets(&mut self, services: &[ObjectName]) {
        for service in services.iter().filter(|service| !self.named.contains_key(service)) {
            for set in self.sets_behind(service) {
                self.sets.entry(set).or_default().insert(service.clone());
            }
        }
    }

    /// The `StatefulSet`s behind the endpoints of a Service.
    fn sets_behind(&self, service: &ObjectName) -> BTreeSet<ObjectName> {
        let routing = self.world.routing(service).unwrap_or_default();
        let pods = routing.endpoints.iter().filter_map(|endpoint| endpoint.pod.as_ref());
        let of_pod = |pod: &PodRef| self.world.pod(&service.sibling(&pod.name))?.statefulset.clone();
        pods.filter_map(of_pod).map(|set| service.sibling(&set)).collect()
    }

    /// What a step of a scale event says to people, if it is about a `StatefulSet` that matters.
    fn told(&mut self, set: ObjectName, step: ScaleStep) -> Option<News> {
        let notice = match step {
            ScaleStep::Began { from, to } => {
                let direction = if to >= from { Direction::Up } else { Direction::Down };
                self.began.entry(set.clone()).or_default()[direction as usize] += 1;
                ClusterNotice::ScaleBegan { from, to }
            }
            ScaleStep::Reached { replica, milestone, since_request, known_to } => {
                ClusterNotice::Reached { replica, milestone, since_request, known_to }
            }
            ScaleStep::Finished { from, to, lasted } => ClusterNotice::ScaleOver { from, to, lasted },
            ScaleStep::Measured { .. } => return None,
        };
        self.sets.contains_key(&set).then_some((Some(set), notice))
    }
}

/// The `StatefulSet`s that were named, each with the Services that it is behind.
fn behind(named: &BTreeMap<ObjectName, ObjectName>) -> BTreeMap<ObjectName, BTreeSet<ObjectName>> {
    let mut sets: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (service, set) in named {
        sets.entry(set.clone()).or_default().insert(service.clone());
    }
    sets
}

fn of_kubernetes(notice: ClusterNotice) -> News {
    (None, notice)
}
