//! The state of the cluster, the state of the watches, and the notices that follow from a change of either.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    change::{Change, Kind, Problem, WatchName},
    index::Index,
    leadership::Leadership,
    measures::BindLabels,
    members::Member,
    milestone_status::MilestoneStatus,
    milestones::{Milestone, ScalePhase},
    notice::ClusterNotice,
    objects::{PvcPhase, StatefulSet},
    pvc_waits::{self, Pending, pending_for},
    pvcs::TrackedPvc,
    routing::{Routing, Rule},
    scale_events::ScaleEvents,
    snapshot::{ClusterSnapshot, PvcSnapshot, StatefulSetSnapshot},
    updates::{ScaleStep, Updates},
    watches::Watches,
};
use crate::model::{
    base::{Histogram, Moment, ObjectName, PodRef},
    probe::{PodClients, PodRead},
};

#[derive(Debug, Default)]
pub(crate) struct Cluster {
    index: Index,
    watches: Watches,
    /// The Services of the targets.
    services: BTreeSet<ObjectName>,
    /// The `StatefulSet`s whose pods are or were endpoints of `services`, each with these Services. Other
    /// `StatefulSet`s of the namespace are ignored.
    sets: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    pending: Pending,
    /// The `StatefulSet` of a Service, where the user named it.
    named: BTreeMap<ObjectName, ObjectName>,
    /// Services whose pods belong to no `StatefulSet`, with the controller of the pods.
    without_set: BTreeMap<ObjectName, Option<Arc<str>>>,
    /// Why milestones cannot be written as Kubernetes Events.
    unrecorded: Option<Problem>,
}

impl Cluster {
    /// Replaces the observed Services, the named `StatefulSet`s and the watches.
    pub(crate) fn observe(
        &mut self,
        services: BTreeSet<ObjectName>,
        named: BTreeMap<ObjectName, ObjectName>,
        watches: Vec<WatchName>,
        now: Moment,
        updates: &mut Updates,
    ) {
        self.watches.keep(watches);
        let watches = &self.watches;
        self.index.leave(|namespace| !watches.keep_open(Kind::StatefulSet, namespace));
        self.services.clone_from(&services);
        self.sets.retain(|_, behind| {
            behind.retain(|service| services.contains(service));
            !behind.is_empty()
        });
        self.without_set.retain(|service, _| services.contains(service));
        for (service, set) in &named {
            self.sets.entry(set.clone()).or_default().insert(service.clone());
        }
        self.named = named;
        self.index.observe(services, now, updates);
        updates.dirty = true;
        self.changed(updates);
    }

    pub(crate) fn apply(&mut self, watch: &WatchName, change: Change, now: Moment, updates: &mut Updates) {
        self.watches.received(watch, now);
        updates.dirty = true;
        self.index.apply(change, now, updates);
        self.changed(updates);
    }

    pub(crate) fn listed(&mut self, watch: &WatchName, now: Moment, updates: &mut Updates) {
        updates.dirty = true;
        updates.notify(self.watches.listed(watch, now));
        if watch.kind == Kind::StatefulSet {
            updates.notify(self.absent(&watch.namespace));
        }
        if watch.kind == Kind::Pvc {
            self.index.pvcs_listed(&watch.namespace);
        }
        if matches!(watch.kind, Kind::Service | Kind::Slice) {
            let here = self.services.iter().filter(|service| service.namespace == watch.namespace);
            updates.routing_changed.extend(here.cloned());
        }
        self.meet_sets(&self.services.clone());
        if matches!(watch.kind, Kind::Pod | Kind::Slice | Kind::StatefulSet) {
            self.compare_owners(&self.services.clone(), updates);
        }
    }

    pub(crate) fn broken(&mut self, watch: &WatchName, problem: Problem, updates: &mut Updates) {
        updates.dirty = true;
        updates.notify(self.watches.broken(watch, problem));
    }

    pub(crate) fn read(&mut self, service: &ObjectName, read: &PodRead, finished: Moment, updates: &mut Updates) {
        let pod = service.sibling(&read.pod.name);
        self.index.answered(&pod, None, read.started, finished, |pod| pod.read(read, finished), updates);
        // Behind proxies, only a read shows the StatefulSet.
        if let Some(set) = self.index.statefulset_of(&pod).filter(|_| !self.named.contains_key(service)) {
            self.without_set.remove(service);
            self.sets.entry(set).or_default().insert(service.clone());
        }
        self.changed(updates);
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn direct_read(
        &mut self,
        service: &ObjectName,
        pod: &PodRef,
        started: Moment,
        finished: Moment,
        updates: &mut Updates,
    ) {
        let name = service.sibling(&pod.name);
        self.index.answered(&name, Some(&pod.uid), started, finished, |pod| pod.direct_read(finished), updates);
        self.changed(updates);
    }

    pub(crate) fn met_clients(&mut self, service: &ObjectName, met: &PodClients, updates: &mut Updates) {
        let name = service.sibling(&met.pod.name);
        self.index.answered(&name, Some(&met.pod.uid), met.at, met.at, |pod| pod.met_clients(met), updates);
        self.changed(updates);
    }

    pub(crate) fn know_freshness(&mut self, service: &ObjectName, known: bool, now: Moment, updates: &mut Updates) {
        for set in self.index.sets_behind(service) {
            self.index.know_freshness(&set, known, now, updates);
        }
        self.changed(updates);
    }

    pub(crate) fn events_written(&mut self, problem: Option<Problem>, updates: &mut Updates) {
        let known = self.unrecorded.as_ref().map(|problem| problem.forbidden);
        let now = problem.as_ref().map(|problem| problem.forbidden);
        updates.dirty |= self.unrecorded != problem;
        self.unrecorded = problem;
        if known != now {
            updates.notify([self.events_not_written().unwrap_or(ClusterNotice::EventsWritten)]);
        }
    }

    pub(crate) fn lead(&mut self, leadership: Leadership, now: Moment, updates: &mut Updates) {
        let notice = leadership.notice();
        let before = self.index.measures.leadership().and_then(Leadership::notice);
        let counts = leadership.leads(now);
        self.index.measures.lead(leadership, now);
        // A leader may have counted what it held back.
        updates.dirty |= counts;
        if before != notice {
            updates.dirty = true;
            updates.notify(notice);
        }
    }

    /// Only how long PVCs have been pending or lost changes with time alone.
    pub(crate) fn tick(&mut self, now: Moment, updates: &mut Updates) {
        let mut pending = std::mem::take(&mut self.pending);
        updates.notify(pending.settle(|pvc| self.index.tracked.pvc(pvc)));
        for (set, pod, tracked) in self.pvcs_without_volume() {
            updates.dirty = true;
            updates.notify_of(Some(set), pending.tick(tracked, &pod, self.index.reason(&tracked.pvc), now));
        }
        self.pending = pending;
    }

    pub(crate) fn statefulset_uid(&self, name: &ObjectName) -> Option<&Arc<str>> {
        let events = self.index.scale_events().find(|events| events.name == *name)?;
        events.set.as_ref().map(|set| &set.uid)
    }

    pub(crate) fn members(&self, service: &ObjectName) -> Vec<Member> {
        let sets = self.sets.iter().filter(|(_, services)| services.contains(service)).map(|(set, _)| set);
        self.index.members(service, sets, self.watches.has_listed(Kind::Pod, &service.namespace))
    }

    /// `None` until Services and endpoints were listed: half a list would look like replicas that are missing and then
    /// join.
    pub(crate) fn routing(&self, service: &ObjectName) -> Option<Routing> {
        let listed = |kind| self.watches.has_listed(kind, &service.namespace);
        let missing = || Routing { rule: Rule::NoService, ..Routing::default() };
        (listed(Kind::Service) && listed(Kind::Slice)).then(|| self.index.routing(service).unwrap_or_else(missing))
    }

    pub(crate) fn snapshot(&self, now: Moment) -> ClusterSnapshot {
        let pending = self
            .pvcs_without_volume()
            .filter_map(|(_, pod, tracked)| pvc_waits::notice(tracked, &pod, self.index.reason(&tracked.pvc), now));
        let without_set = self.without_set.iter().map(|(service, owner)| ClusterNotice::WithoutStatefulSet {
            service: service.clone(),
            owner: owner.clone(),
        });
        let namespaces: BTreeSet<_> = self.named.keys().map(|service| &service.namespace).collect();
        let absent = namespaces.into_iter().flat_map(|namespace| self.absent(namespace));
        ClusterSnapshot {
            watches: self.watches.iter().map(|(name, watch)| (name.clone(), watch.clone())).collect(),
            statefulsets: self.scale_events().map(|events| self.statefulset(events, now)).collect(),
            binds: self.binds(),
            leads: self.index.measures.leadership().map(|leadership| matches!(leadership, Leadership::Leads { .. })),
            notices: self
                .watches
                .notices()
                .chain(self.events_not_written())
                .chain(self.lease_failed())
                .chain(absent)
                .chain(pending)
                .chain(without_set)
                .collect(),
        }
    }

    fn events_not_written(&self) -> Option<ClusterNotice> {
        Some(ClusterNotice::EventsNotWritten { problem: self.unrecorded.clone()? })
    }

    fn lease_failed(&self) -> Option<ClusterNotice> {
        let failed = |leadership: &&Leadership| matches!(leadership, Leadership::Failed { .. });
        self.index.measures.leadership().filter(failed).and_then(Leadership::notice)
    }

    /// The named `StatefulSet`s that do not exist; empty until `StatefulSet`s were listed.
    fn absent(&self, namespace: &Arc<str>) -> Vec<ClusterNotice> {
        let known = self.watches.has_listed(Kind::StatefulSet, namespace);
        let here = self.named.values().filter(move |set| known && set.namespace == *namespace);
        let absent = here.filter(|set| self.statefulset_uid(set).is_none());
        absent.map(|set| ClusterNotice::NoStatefulSet { set: set.clone() }).collect()
    }

    fn scale_events(&self) -> impl Iterator<Item = &ScaleEvents> {
        self.index.scale_events().filter(|events| self.sets.contains_key(&events.name))
    }

    fn binds(&self) -> Vec<(BindLabels, Histogram)> {
        let classes = self.pvcs().filter_map(|(set, tracked)| Some((set, tracked.pvc.storage_class.as_ref()?)));
        let labels = classes.map(|(set, class)| self.index.bind_labels(set.clone(), Arc::clone(class)));
        self.index.measures.binds(labels, |set| self.sets.contains_key(set))
    }

    fn statefulset(&self, events: &ScaleEvents, now: Moment) -> StatefulSetSnapshot {
        let name = &events.name;
        let pvc = |tracked: &TrackedPvc| PvcSnapshot {
            pvc: tracked.pvc.clone(),
            pending: pending_for(tracked, now),
            bound: tracked.milestones.get(Milestone::PvcBound).map(|date| date.wall),
            reason: self.index.reason(&tracked.pvc).cloned(),
        };
        // No replica waits for these PVCs.
        let left = |tracked: &TrackedPvc| PvcSnapshot { pending: None, ..pvc(tracked) };
        let listed = self.watches.has_listed(Kind::Pod, &name.namespace);
        StatefulSetSnapshot {
            name: name.clone(),
            replicas: events.set.as_ref().map(|set| set.replicas),
            events: events.events.iter().rev().cloned().collect(),
            phases: ScalePhase::ALL.into_iter().map(|phase| (phase, self.index.measures.phase(name, phase))).collect(),
            milestone_status: listed.then(|| MilestoneStatus::of(events, &self.index.tracked)),
            began: self.index.measures.began(name),
            pvcs: self.pvcs_of(events).map(pvc).chain(self.pvcs_left_by(events).map(left)).collect(),
        }
    }

    fn pvcs(&self) -> impl Iterator<Item = (&ObjectName, &TrackedPvc)> {
        self.scale_events().flat_map(|events| self.pvcs_of(events).map(|tracked| (&events.name, tracked)))
    }

    /// PVCs that are pending or lost, with the names of their pods. Nothing waits for a pending PVC of a removed replica,
    /// but a lost one will be missing when the replica returns.
    fn pvcs_without_volume(&self) -> impl Iterator<Item = (&ObjectName, String, &TrackedPvc)> {
        let of_set = |events| {
            let is_lost = |tracked: &&TrackedPvc| tracked.pvc.phase == PvcPhase::Lost;
            self.pvcs_of(events).chain(self.pvcs_left_by(events).filter(is_lost)).map(move |tracked| (events, tracked))
        };
        let all = self.scale_events().flat_map(of_set);
        all.filter(|(_, tracked)| tracked.pvc.phase != PvcPhase::Bound).filter_map(|(events, tracked)| {
            let (_, ordinal) = tracked.pvc.name.place()?;
            Some((&events.name, format!("{}-{ordinal}", events.name.name), tracked))
        })
    }

    /// The PVCs of the ordinals that the `StatefulSet` should have.
    fn pvcs_of<'a>(&'a self, events: &'a ScaleEvents) -> impl Iterator<Item = &'a TrackedPvc> {
        let names = events.set.iter().flat_map(|set| {
            set.ordinals().flat_map(|ordinal| set.pvc_names(ordinal)).map(|pvc| set.name.sibling(&pvc))
        });
        names.filter_map(|pvc| self.index.tracked.pvc(&pvc))
    }

    /// The PVCs that stay when their replicas go: the ordinals after the last one, up to the first without a PVC.
    fn pvcs_left_by<'a>(&'a self, events: &'a ScaleEvents) -> impl Iterator<Item = &'a TrackedPvc> {
        let of_ordinal = |set: &'a StatefulSet, ordinal| -> Vec<_> {
            set.pvc_names(ordinal).filter_map(|pvc| self.index.tracked.pvc(&set.name.sibling(&pvc))).collect()
        };
        events.set.iter().flat_map(move |set| {
            let after = (set.ordinals().end..).map(move |ordinal| of_ordinal(set, ordinal));
            after.take_while(|pvcs| !pvcs.is_empty()).flatten()
        })
    }

    fn meet_sets(&mut self, services: &BTreeSet<ObjectName>) {
        for service in services.iter().filter(|service| !self.named.contains_key(service)) {
            for set in self.index.sets_behind(service) {
                self.sets.entry(set).or_default().insert(service.clone());
            }
        }
    }

    /// Makes notices of the steps and finds the `StatefulSet`s behind changed Services.
    fn changed(&mut self, updates: &mut Updates) {
        for (set, step) in std::mem::take(&mut updates.steps) {
            if let (ScaleStep::Notice(notice), true) = (step, self.sets.contains_key(&set)) {
                updates.notify_of(Some(&set), [notice]);
            }
        }
        updates.routing_changed.retain(|service| self.services.contains(service));
        self.meet_sets(&updates.routing_changed);
        self.compare_owners(&updates.routing_changed.clone(), updates);
    }

    /// Finds the Services without scale events.
    fn compare_owners(&mut self, services: &BTreeSet<ObjectName>, updates: &mut Updates) {
        for service in services {
            let listed = |kind| self.watches.has_listed(kind, &service.namespace);
            let has_set = self.named.contains_key(service) || self.sets.values().any(|behind| behind.contains(service));
            if has_set || !listed(Kind::StatefulSet) || !listed(Kind::Pod) {
                self.without_set.remove(service);
                continue;
            }
            let Some(pod) = self.index.pod_without_set(service) else { continue };
            let owner = pod.other_owner.clone();
            if self.without_set.get(service) != Some(&owner) {
                self.without_set.insert(service.clone(), owner.clone());
                updates.notify([ClusterNotice::WithoutStatefulSet { service: service.clone(), owner }]);
            }
        }
    }
}
