//! The known Kubernetes objects, the routing of each Service, and the scale events of each `StatefulSet`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    change::{Change, Kind, Object},
    endpoints::{Endpoints, Turned},
    measures::{BindLabels, Measures},
    members::{Member, members},
    milestones::Seen,
    objects::{Pod, Pvc, PvcPhase, PvcReason, Rollout, StatefulSet, StorageClass, Volume},
    pods::TrackedPod,
    pvc_waits::{Reasons, Volumes},
    pvcs::TrackedPvc,
    reach::{Reachable, reachable},
    routing::Routing,
    scale_events::ScaleEvents,
    tracked::TrackedObjects,
    updates::{ScaleStep, Updates},
};
use crate::model::base::{Moment, ObjectName};

/// Limit of the deleted `StatefulSet`s whose scale events and measures are kept.
const DELETED_MAX: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Index {
    endpoints: Endpoints,
    classes: BTreeMap<Arc<str>, StorageClass>,
    pub(crate) tracked: TrackedObjects,
    reasons: Reasons,
    volumes: Volumes,
    scale_events: BTreeMap<ObjectName, ScaleEvents>,
    /// Deleted `StatefulSet`s, the newest last.
    deleted: VecDeque<ObjectName>,
    /// The `StatefulSet` of each PVC, by the name of the PVC without its ordinal.
    stems: BTreeMap<ObjectName, ObjectName>,
    pub(super) measures: Measures,
    /// The `StatefulSet`s whose stale reads can be recognized: a replica of these arrives with its first fresh read.
    freshness: BTreeSet<ObjectName>,
}

impl Index {
    pub(crate) fn observe(&mut self, services: BTreeSet<ObjectName>, now: Moment, updates: &mut Updates) {
        let turned = self.endpoints.observe(services);
        self.turned(turned, Seen::Listed, now, updates);
    }

    pub(crate) fn apply(&mut self, change: Change, now: Moment, updates: &mut Updates) {
        self.tracked.forget_departed(now);
        match change {
            Change::Applied(object, seen) => self.applied(object, seen, now, updates),
            Change::Deleted(kind, name, seen) => self.deleted(kind, &name, seen, now, updates),
        }
    }

    /// Records what an answer of a pod shows. With `uid`, only of the pod with this uid.
    pub(crate) fn answered(
        &mut self,
        name: &ObjectName,
        uid: Option<&str>,
        started: Moment,
        finished: Moment,
        take_in: impl FnOnce(&mut TrackedPod),
        updates: &mut Updates,
    ) {
        let is_meant = |pod: &&mut TrackedPod| uid.is_none_or(|uid| *pod.uid == *uid);
        let Some(pod) = self.tracked.answering(name, started).filter(is_meant) else { return };
        let before = pod.milestones.clone();
        take_in(pod);
        updates.dirty |= pod.milestones != before;
        self.sync_replica(name, Seen::Live, finished, updates);
    }

    /// While freshness is known, a replica arrives with its first fresh read, otherwise with its first read.
    pub(crate) fn know_freshness(&mut self, set: &ObjectName, known: bool, now: Moment, updates: &mut Updates) {
        let new = if known { self.freshness.insert(set.clone()) } else { self.freshness.remove(set) };
        if new {
            self.sync(set, None, Seen::Listed, now, updates);
        }
    }

    /// Drops the reasons and volume dates of PVCs that the list does not contain.
    pub(crate) fn pvcs_listed(&mut self, namespace: &str) {
        let pending = |pvc: &ObjectName| self.tracked.pvc(pvc).is_some_and(TrackedPvc::is_pending);
        let stays = |pvc: &ObjectName| *pvc.namespace != *namespace || pending(pvc);
        self.reasons.retain(stays);
        self.volumes.retain(stays);
    }

    pub(crate) fn routing(&self, name: &ObjectName) -> Option<Routing> {
        self.endpoints.routing(name)
    }

    /// The known pods that are endpoints of a Service.
    fn pods_behind(&self, service: &ObjectName) -> Vec<&TrackedPod> {
        let routing = self.routing(service).unwrap_or_default();
        let pods = routing.endpoints.iter().filter_map(|endpoint| endpoint.pod.as_ref());
        pods.filter_map(|pod| self.tracked.pod(&service.sibling(&pod.name))).collect()
    }

    /// The `StatefulSet`s whose pods are endpoints of a Service.
    pub(crate) fn sets_behind(&self, service: &ObjectName) -> BTreeSet<ObjectName> {
        let sets = self.pods_behind(service).into_iter().filter_map(|pod| pod.statefulset.as_ref());
        sets.map(|set| service.sibling(set)).collect()
    }

    /// Of a `StatefulSet` behind a Service, while it is not complete.
    pub(crate) fn rollout(&self, service: &ObjectName) -> Option<(ObjectName, Rollout)> {
        self.sets_behind(service).into_iter().find_map(|set| {
            let rollout = self.scale_events.get(&set)?.set.as_ref()?.rollout?;
            Some((set, rollout))
        })
    }

    /// One of the known pods behind a Service, if none of them belongs to a `StatefulSet`.
    pub(crate) fn pod_without_set(&self, service: &ObjectName) -> Option<&TrackedPod> {
        let pods = self.pods_behind(service);
        if pods.iter().any(|pod| pod.statefulset.is_some()) { None } else { pods.first().copied() }
    }

    pub(crate) fn statefulset_of(&self, pod: &ObjectName) -> Option<ObjectName> {
        Some(pod.sibling(self.tracked.pod(pod)?.statefulset.as_ref()?))
    }

    pub(crate) fn reachable(&self, service: &ObjectName, port: u16) -> Vec<Reachable> {
        let set = |name: &ObjectName| self.scale_events.get(name).and_then(|events| events.set.as_ref());
        reachable(service, self.endpoints.addresses(service, port), &self.tracked, set)
    }

    /// The pods that are endpoints of a Service, and the others that `sets` should have.
    pub(crate) fn members<'a>(
        &'a self,
        service: &ObjectName,
        sets: impl Iterator<Item = &'a ObjectName>,
        pods_known: bool,
    ) -> Vec<Member> {
        let Some(routing) = self.routing(service) else { return Vec::new() };
        let sets = sets.filter_map(|set| self.scale_events.get(set));
        members(service, &routing, sets, &self.tracked, &self.reasons, pods_known)
    }

    pub(crate) fn scale_events(&self) -> impl Iterator<Item = &ScaleEvents> {
        self.scale_events.values()
    }

    pub(crate) fn reason(&self, pvc: &Pvc) -> Option<&PvcReason> {
        self.reasons.of(&pvc.name, &pvc.uid)
    }

    pub(crate) fn bind_labels(&self, statefulset: ObjectName, storage_class: Arc<str>) -> BindLabels {
        let bind_mode = match self.classes.get(&storage_class) {
            Some(StorageClass { waits_for_consumer: true, .. }) => "WaitForFirstConsumer",
            Some(_) => "Immediate",
            None => "unknown",
        };
        BindLabels { statefulset, storage_class, bind_mode }
    }

    fn applied(&mut self, object: Object, seen: Seen, now: Moment, updates: &mut Updates) {
        match object {
            Object::Service(service) => {
                let name = service.name.clone();
                if self.endpoints.service_applied(service) {
                    updates.routing_changed.insert(name);
                }
            }
            Object::Slice(slice) => {
                let turned = self.endpoints.slice_applied(slice, seen, now);
                self.turned(turned, seen, now, updates);
            }
            Object::ProbeLocation(location) => {
                updates.routing_changed.extend(self.endpoints.vantage_applied(location).cloned());
            }
            Object::StorageClass(class) => {
                self.classes.insert(Arc::clone(&class.name), class);
            }
            Object::Volume(volume) => self.volume_applied(volume, now, updates),
            Object::StatefulSet(set) => self.set_applied(set, seen, now, updates),
            Object::Pod(pod) => self.pod_applied(pod, seen, now, updates),
            Object::Pvc(pvc) => self.pvc_applied(pvc, seen, now, updates),
            Object::PvcEvent(event) => {
                if self.tracked.pvc(&event.pvc).is_none_or(TrackedPvc::is_pending) {
                    self.reasons.applied(event);
                }
            }
        }
    }

    fn deleted(&mut self, kind: Kind, name: &ObjectName, seen: Seen, now: Moment, updates: &mut Updates) {
        match kind {
            Kind::Service => {
                if self.endpoints.service_deleted(name) {
                    updates.routing_changed.insert(name.clone());
                }
            }
            Kind::Slice => {
                let turned = self.endpoints.slice_deleted(name, seen, now);
                self.turned(turned, seen, now, updates);
            }
            Kind::StatefulSet => self.set_deleted(name, seen, now, updates),
            Kind::Pod => {
                if self.tracked.pod_deleted(name, seen, now) {
                    self.sync_replica(name, seen, now, updates);
                }
            }
            Kind::Pvc => {
                self.tracked.remove_pvc(name);
                self.reasons.forget(name);
                self.volumes.forget(name);
                self.sync_pvc(name, seen, now, updates);
            }
            Kind::StorageClass => {
                self.classes.remove(&name.name);
            }
            // What these objects said about PVCs stays valid.
            Kind::Event | Kind::Volume | Kind::Selection => {}
            Kind::Node => updates.routing_changed.extend(self.endpoints.node_deleted().cloned()),
        }
    }

    fn set_applied(&mut self, set: StatefulSet, seen: Seen, now: Moment, updates: &mut Updates) {
        let name = set.name.clone();
        let events = self.scale_events.entry(name.clone()).or_insert_with(|| ScaleEvents::new(name.clone()));
        if events.set.as_ref().is_none_or(|known| known.uid != set.uid) {
            self.stems.retain(|_, of| *of != name);
            let stems = set.pvc_templates.iter().map(|template| format!("{template}-{}", name.name).into());
            self.stems.extend(stems.map(|stem| (name.sibling(&stem), name.clone())));
            self.deleted.retain(|deleted| *deleted != name);
            self.record_early_binds(&name, now);
        }
        let Some(events) = self.scale_events.get_mut(&name) else { return };
        let steps = events.applied(set, &self.tracked, seen, now);
        if !steps.is_empty() {
            self.record(&name, steps, now, updates);
            self.sync(&name, None, seen, now, updates);
        }
    }

    fn set_deleted(&mut self, name: &ObjectName, seen: Seen, now: Moment, updates: &mut Updates) {
        let events = self.scale_events.get_mut(name).filter(|events| events.set.is_some());
        let Some(events) = events else { return };
        let steps = events.deleted(&self.tracked, seen, now);
        self.record(name, steps, now, updates);
        self.sync(name, None, seen, now, updates);
        self.keep_past(name);
    }

    /// The objects of these namespaces are no longer received.
    pub(crate) fn leave(&mut self, is_left: impl Fn(&Arc<str>) -> bool) {
        let of_left =
            |(name, events): &(&ObjectName, &mut ScaleEvents)| events.set.is_some() && is_left(&name.namespace);
        let mut left = Vec::new();
        for (name, events) in self.scale_events.iter_mut().filter(of_left) {
            events.left();
            left.push(name.clone());
        }
        for name in left {
            self.keep_past(&name);
        }
    }

    /// Scale events and measures stay for a time.
    fn keep_past(&mut self, name: &ObjectName) {
        self.stems.retain(|_, of| of != name);
        self.deleted.push_back(name.clone());
        if self.deleted.len() > DELETED_MAX
            && let Some(oldest) = self.deleted.pop_front()
        {
            self.scale_events.remove(&oldest);
            self.freshness.remove(&oldest);
            self.measures.forget(&oldest);
        }
    }

    fn pod_applied(&mut self, pod: Pod, seen: Seen, now: Moment, updates: &mut Updates) {
        let name = pod.name.clone();
        let uid = Arc::clone(&pod.uid);
        if self.tracked.pod(&name).is_some_and(|pod| pod.uid != uid) {
            // The deletion of the previous pod was missed.
            self.deleted(Kind::Pod, &name, Seen::Listed, now, updates);
        }
        let new = self.tracked.pod_applied(pod, seen, now);
        // The endpoint may arrive before its pod.
        if let (true, Some(ready), Some(pod)) = (new, self.endpoints.ready(&uid), self.tracked.pod_of_mut(&name, &uid))
        {
            pod.endpoint(true, ready.since);
        }
        self.sync_replica(&name, seen, now, updates);
    }

    fn pvc_applied(&mut self, pvc: Pvc, seen: Seen, now: Moment, updates: &mut Updates) {
        let name = pvc.name.clone();
        let mut bound = None;
        if pvc.phase != PvcPhase::Pending {
            self.reasons.forget(&name);
            bound = self.volumes.take(&name, &pvc.uid);
        }
        let class = pvc.storage_class.as_ref().and_then(|class| self.classes.get(class));
        match self.tracked.pvc_mut(&name) {
            Some(tracked) if tracked.pvc.uid == pvc.uid => tracked.update(pvc, class, seen, now),
            _ => self.tracked.add_pvc(TrackedPvc::new(pvc, class, seen, now)),
        }
        if let (Some(since), Some(tracked)) = (bound, self.tracked.pvc_mut(&name)) {
            tracked.date_binding(since);
        }
        self.record_bind(&name, now);
        self.sync_pvc(&name, seen, now, updates);
    }

    fn volume_applied(&mut self, volume: Volume, now: Moment, updates: &mut Updates) {
        if !self.endpoints.are_observed_in(&volume.pvc.namespace) {
            return;
        }
        let known = self.tracked.pvc_mut(&volume.pvc).filter(|tracked| tracked.pvc.uid == volume.pvc_uid);
        let Some(tracked) = known.filter(|tracked| !tracked.is_pending()) else {
            self.volumes.applied(volume);
            return;
        };
        if volume.bound.is_some_and(|since| tracked.date_binding(since)) {
            self.sync_pvc(&volume.pvc, Seen::Listed, now, updates);
        }
    }

    fn turned(&mut self, turned: Turned, seen: Seen, now: Moment, updates: &mut Updates) {
        for turn in turned.turns {
            if let Some(pod) = self.tracked.pod_of_mut(&turn.pod, &turn.uid) {
                pod.endpoint(turn.ready, turn.date);
                self.sync_replica(&turn.pod, seen, now, updates);
            }
        }
        updates.routing_changed.extend(turned.services);
    }

    /// Counts how long the PVC took to bind, if that was seen and its `StatefulSet` is known.
    fn record_bind(&mut self, pvc: &ObjectName, now: Moment) {
        let Some((set, _)) = self.set_of_pvc(pvc) else { return };
        let Some(tracked) = self.tracked.pvc_mut(pvc) else { return };
        let Some(bind_time) = tracked.bind_time.take() else { return };
        let class = tracked.pvc.storage_class.clone().unwrap_or_default();
        self.measures.record_bind(self.bind_labels(set, class), bind_time, now);
    }

    /// Counts the PVCs that were received before their `StatefulSet`.
    fn record_early_binds(&mut self, set: &ObjectName, now: Moment) {
        let pvcs = self.tracked.pvcs().map(|tracked| &tracked.pvc.name);
        let own = pvcs.filter(|pvc| self.set_of_pvc(pvc).is_some_and(|(of, _)| of == *set));
        for pvc in own.cloned().collect::<Vec<_>>() {
            self.record_bind(&pvc, now);
        }
    }

    /// The `StatefulSet` and the ordinal of a PVC. The `StatefulSet` controller names PVCs
    /// `<template>-<set>-<ordinal>`.
    fn set_of_pvc(&self, pvc: &ObjectName) -> Option<(ObjectName, u32)> {
        let (stem, ordinal) = pvc.place()?;
        let set = self.stems.get(&pvc.sibling(&stem.into()))?;
        Some((set.clone(), ordinal))
    }

    fn sync_replica(&mut self, pod: &ObjectName, seen: Seen, now: Moment, updates: &mut Updates) {
        if let Some((set, ordinal)) = pod.place() {
            self.sync(&pod.sibling(&set.into()), Some(ordinal), seen, now, updates);
        }
    }

    fn sync_pvc(&mut self, pvc: &ObjectName, seen: Seen, now: Moment, updates: &mut Updates) {
        if let Some((set, ordinal)) = self.set_of_pvc(pvc) {
            self.sync(&set, Some(ordinal), seen, now, updates);
        }
    }

    fn sync(&mut self, set: &ObjectName, place: Option<u32>, seen: Seen, now: Moment, updates: &mut Updates) {
        let Some(events) = self.scale_events.get_mut(set) else { return };
        let steps = events.sync(place, &self.tracked, self.freshness.contains(set), seen, now);
        self.record(set, steps, now, updates);
    }

    fn record(&mut self, set: &ObjectName, steps: Vec<ScaleStep>, now: Moment, updates: &mut Updates) {
        self.measures.record(set, &steps, now);
        updates.steps(set, steps);
    }
}
