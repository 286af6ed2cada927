//! Everything that Kubernetes told, and what follows from it: the routing of each Service and the scale events of each
//! `StatefulSet`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    change::{Change, Kind, Object},
    claim_waits::{Reasons, Volumes},
    claims::TrackedClaim,
    endpoints::{Endpoints, Turned},
    measures::{BindLabels, Measures},
    milestones::Receipt,
    objects::{Claim, ClaimPhase, ClaimReason, Pod, StatefulSet, StorageClass, Volume},
    pods::TrackedPod,
    reach::{Reachable, reachable},
    routing::Routing,
    scale_events::ScaleEvents,
    scale_step::ScaleStep,
    tracked::TrackedObjects,
    updates::Updates,
};
use crate::model::{
    base::{Moment, ObjectName, PodRef},
    probe::PodRead,
};

/// Of how many deleted `StatefulSet`s something is kept.
const DELETED_MAX: usize = 64;

/// The objects that are known, by kind.
#[derive(Debug, Default)]
pub(crate) struct Index {
    endpoints: Endpoints,
    classes: BTreeMap<Arc<str>, StorageClass>,
    tracked: TrackedObjects,
    reasons: Reasons,
    volumes: Volumes,
    scale_events: BTreeMap<ObjectName, ScaleEvents>,
    /// The `StatefulSet`s that were deleted, the last one last: as many of their scale events and measures are kept.
    deleted: VecDeque<ObjectName>,
    /// The `StatefulSet` of each claim, by the claim's name without the ordinal.
    stems: BTreeMap<ObjectName, ObjectName>,
    measures: Measures,
    /// Of which `StatefulSet`s it is known which answers are fresh, so that a replica has arrived with its first fresh
    /// one.
    freshness: BTreeSet<ObjectName>,
}

impl Index {
    /// Takes in which Services matter from now on.
    pub(crate) fn observe(&mut self, services: BTreeSet<ObjectName>, now: Moment, updates: &mut Updates) {
        let turned = self.endpoints.observe(services);
        self.turned(turned, Receipt::Listed, now, updates);
    }

    /// Takes one fact in.
    pub(crate) fn apply(&mut self, change: Change, now: Moment, updates: &mut Updates) {
        self.tracked.forget_departed(now);
        match change {
            Change::Applied(object, receipt) => self.applied(object, receipt, now, updates),
            Change::Deleted(kind, name, receipt) => self.deleted(kind, &name, receipt, now, updates),
        }
    }

    /// Takes in that a pod answered a connection through the read Service. The moment of its first answer is known to the
    /// read's uncertainty.
    pub(crate) fn read(&mut self, name: &ObjectName, read: &PodRead, finished: Moment, updates: &mut Updates) {
        let take_in = |pod: &mut TrackedPod| {
            if read.fresh {
                pod.fresh_read(finished, read.uncertainty);
            } else {
                pod.read(finished, read.uncertainty);
            }
        };
        self.answered(name, read.started, finished, take_in, updates);
    }

    /// Takes in that a pod answered a connection to its own address.
    pub(crate) fn direct_read(
        &mut self,
        name: &ObjectName,
        uid: &str,
        started: Moment,
        finished: Moment,
        updates: &mut Updates,
    ) {
        if self.tracked.pod(name).is_some_and(|pod| *pod.uid == *uid) {
            self.answered(name, started, finished, |pod| pod.direct_read(finished), updates);
        }
    }

    /// Takes in whether it is known which answers of a `StatefulSet`'s replicas are fresh. While it is, one has arrived
    /// with its first fresh one, otherwise with its first.
    pub(crate) fn know_freshness(&mut self, set: &ObjectName, known: bool, now: Moment, updates: &mut Updates) {
        let new = if known { self.freshness.insert(set.clone()) } else { self.freshness.remove(set) };
        if new {
            self.sync(set, None, Receipt::Listed, now, updates);
        }
    }

    /// Takes in that all claims were listed: what was said of others is about none that is there.
    pub(crate) fn claims_listed(&mut self, namespace: &str) {
        let pending = |claim: &ObjectName| self.tracked.claim(claim).is_some_and(TrackedClaim::is_pending);
        let stays = |claim: &ObjectName| *claim.namespace != *namespace || pending(claim);
        self.reasons.retain(stays);
        self.volumes.retain(stays);
    }

    /// What a connection to the Service may reach; `None` while the Service is not known.
    pub(crate) fn routing(&self, name: &ObjectName) -> Option<Routing> {
        self.endpoints.routing(name)
    }

    /// The `StatefulSet`s behind the endpoints of a Service.
    pub(crate) fn sets_behind(&self, service: &ObjectName) -> BTreeSet<ObjectName> {
        let routing = self.routing(service).unwrap_or_default();
        let pods = routing.endpoints.iter().filter_map(|endpoint| endpoint.pod.as_ref());
        let of_pod = |pod: &PodRef| self.tracked.pod(&service.sibling(&pod.name))?.statefulset.clone();
        pods.filter_map(of_pod).map(|set| service.sibling(&set)).collect()
    }

    /// The pods that can be asked directly for what a connection to `port` of the Service gets.
    pub(crate) fn reachable(&self, service: &ObjectName, port: u16) -> Vec<Reachable> {
        let set = |name: &ObjectName| self.scale_events.get(name).and_then(ScaleEvents::set);
        reachable(service, self.endpoints.addresses(service, port), &self.tracked, set)
    }

    pub(crate) fn scale_events(&self) -> impl Iterator<Item = &ScaleEvents> {
        self.scale_events.values()
    }

    pub(crate) fn tracked(&self) -> &TrackedObjects {
        &self.tracked
    }

    pub(crate) fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Why a claim is pending, as far as Events tell.
    pub(crate) fn reason(&self, claim: &Claim) -> Option<&ClaimReason> {
        self.reasons.of(&claim.name, &claim.uid)
    }

    /// What the binding of a claim of this class is labelled with.
    pub(crate) fn bind_labels(&self, statefulset: ObjectName, storage_class: Arc<str>) -> BindLabels {
        let bind_mode = match self.classes.get(&storage_class) {
            Some(StorageClass { waits_for_consumer: true, .. }) => "WaitForFirstConsumer",
            Some(_) => "Immediate",
            None => "unknown",
        };
        BindLabels { statefulset, storage_class, bind_mode }
    }

    fn applied(&mut self, object: Object, receipt: Receipt, now: Moment, updates: &mut Updates) {
        match object {
            Object::Service(service) => {
                let name = service.name.clone();
                if self.endpoints.service_applied(service) {
                    updates.routing_changed.insert(name);
                }
            }
            Object::Slice(slice) => {
                let turned = self.endpoints.slice_applied(slice, receipt, now);
                self.turned(turned, receipt, now, updates);
            }
            Object::Vantage(vantage) => {
                updates.routing_changed.extend(self.endpoints.vantage_applied(vantage).cloned());
            }
            Object::StorageClass(class) => {
                self.classes.insert(Arc::clone(&class.name), class);
            }
            Object::Volume(volume) => self.volume_applied(volume, now, updates),
            Object::StatefulSet(set) => self.set_applied(set, receipt, now, updates),
            Object::Pod(pod) => self.pod_applied(pod, receipt, now, updates),
            Object::Claim(claim) => self.claim_applied(claim, receipt, now, updates),
            Object::ClaimEvent(event) => {
                if self.tracked.claim(&event.claim).is_none_or(TrackedClaim::is_pending) {
                    self.reasons.applied(event);
                }
            }
        }
    }

    fn deleted(&mut self, kind: Kind, name: &ObjectName, receipt: Receipt, now: Moment, updates: &mut Updates) {
        match kind {
            Kind::Service => {
                if self.endpoints.service_deleted(name) {
                    updates.routing_changed.insert(name.clone());
                }
            }
            Kind::Slice => {
                let turned = self.endpoints.slice_deleted(name, receipt, now);
                self.turned(turned, receipt, now, updates);
            }
            Kind::StatefulSet => self.set_deleted(name, receipt, now, updates),
            Kind::Pod => {
                if self.tracked.pod_deleted(name, receipt, now) {
                    self.sync_replica(name, receipt, now, updates);
                }
            }
            Kind::Claim => {
                self.tracked.remove_claim(name);
                self.reasons.forget(name);
                self.volumes.forget(name);
                self.sync_claim(name, receipt, now, updates);
            }
            Kind::StorageClass => {
                self.classes.remove(&name.name);
            }
            // What they said stays true of their claims.
            Kind::Event | Kind::Volume | Kind::Selection => {}
            Kind::Node => updates.routing_changed.extend(self.endpoints.node_deleted().cloned()),
        }
    }

    fn set_applied(&mut self, set: StatefulSet, receipt: Receipt, now: Moment, updates: &mut Updates) {
        let name = set.name.clone();
        let events = self.scale_events.entry(name.clone()).or_insert_with(|| ScaleEvents::new(name.clone()));
        if events.set().is_none_or(|known| known.uid != set.uid) {
            self.stems.retain(|_, of| *of != name);
            let stems = set.claim_templates.iter().map(|template| format!("{template}-{}", name.name).into());
            self.stems.extend(stems.map(|stem| (name.sibling(&stem), name.clone())));
            self.deleted.retain(|deleted| *deleted != name);
            self.record_early_binds(&name);
        }
        let Some(events) = self.scale_events.get_mut(&name) else { return };
        let steps = events.applied(set, &self.tracked, receipt, now);
        if !steps.is_empty() {
            self.record(&name, steps, updates);
            self.sync(&name, None, receipt, now, updates);
        }
    }

    fn set_deleted(&mut self, name: &ObjectName, receipt: Receipt, now: Moment, updates: &mut Updates) {
        let events = self.scale_events.get_mut(name).filter(|events| events.set().is_some());
        let Some(events) = events else { return };
        let steps = events.deleted(&self.tracked, receipt, now);
        self.stems.retain(|_, of| of != name);
        self.record(name, steps, updates);
        self.sync(name, None, receipt, now, updates);
        self.deleted.push_back(name.clone());
        if self.deleted.len() > DELETED_MAX
            && let Some(oldest) = self.deleted.pop_front()
        {
            self.scale_events.remove(&oldest);
            self.freshness.remove(&oldest);
            self.measures.forget(&oldest);
        }
    }

    fn pod_applied(&mut self, pod: Pod, receipt: Receipt, now: Moment, updates: &mut Updates) {
        let name = pod.name.clone();
        let uid = Arc::clone(&pod.uid);
        if self.tracked.pod(&name).is_some_and(|pod| pod.uid != uid) {
            // The one before went without a word.
            self.deleted(Kind::Pod, &name, Receipt::Listed, now, updates);
        }
        let new = self.tracked.pod_applied(pod, receipt, now);
        // Its endpoint may have been received before it.
        if let (true, Some(ready), Some(pod)) = (new, self.endpoints.ready(&uid), self.tracked.pod_of_mut(&name, &uid))
        {
            pod.endpoint(true, ready.since);
        }
        self.sync_replica(&name, receipt, now, updates);
    }

    fn claim_applied(&mut self, claim: Claim, receipt: Receipt, now: Moment, updates: &mut Updates) {
        let name = claim.name.clone();
        let mut bound = None;
        if claim.phase != ClaimPhase::Pending {
            self.reasons.forget(&name);
            bound = self.volumes.take(&name, &claim.uid);
        }
        let class = claim.storage_class.as_ref().and_then(|class| self.classes.get(class));
        match self.tracked.claim_mut(&name) {
            Some(tracked) if tracked.claim.uid == claim.uid => tracked.changed(claim, class, receipt, now),
            _ => self.tracked.add_claim(TrackedClaim::begin(claim, class, receipt, now)),
        }
        if let (Some(since), Some(tracked)) = (bound, self.tracked.claim_mut(&name)) {
            tracked.bound_since(since);
        }
        self.record_bind(&name);
        self.sync_claim(&name, receipt, now, updates);
    }

    fn volume_applied(&mut self, volume: Volume, now: Moment, updates: &mut Updates) {
        if !self.endpoints.are_observed_in(&volume.claim.namespace) {
            return;
        }
        let known = self.tracked.claim_mut(&volume.claim).filter(|tracked| tracked.claim.uid == volume.claim_uid);
        let Some(tracked) = known.filter(|tracked| !tracked.is_pending()) else {
            self.volumes.applied(volume);
            return;
        };
        if volume.bound.is_some_and(|since| tracked.bound_since(since)) {
            self.sync_claim(&volume.claim, Receipt::Listed, now, updates);
        }
    }

    fn turned(&mut self, turned: Turned, receipt: Receipt, now: Moment, updates: &mut Updates) {
        for turn in turned.turns {
            if let Some(pod) = self.tracked.pod_of_mut(&turn.pod, &turn.uid) {
                pod.endpoint(turn.ready, turn.date);
                self.sync_replica(&turn.pod, receipt, now, updates);
            }
        }
        updates.routing_changed.extend(turned.services);
    }

    fn answered(
        &mut self,
        name: &ObjectName,
        started: Moment,
        finished: Moment,
        take_in: impl FnOnce(&mut TrackedPod),
        updates: &mut Updates,
    ) {
        let Some(pod) = self.tracked.answering(name, started) else { return };
        let before = pod.milestones.clone();
        take_in(pod);
        updates.dirty |= pod.milestones != before;
        self.sync_replica(name, Receipt::Live, finished, updates);
    }

    /// Counts how long a claim took to bind, if that was seen and it is known whose claim it is.
    fn record_bind(&mut self, claim: &ObjectName) {
        let Some((set, _)) = self.set_of_claim(claim) else { return };
        let Some(tracked) = self.tracked.claim_mut(claim) else { return };
        let Some(bind) = tracked.take_bind() else { return };
        let class = tracked.class().cloned().unwrap_or_default();
        self.measures.record_bind(self.bind_labels(set, class), bind);
    }

    /// Those of claims that were received before their `StatefulSet`.
    fn record_early_binds(&mut self, set: &ObjectName) {
        let claims = self.tracked.claims().map(|tracked| &tracked.claim.name);
        let own = claims.filter(|claim| self.set_of_claim(claim).is_some_and(|(of, _)| of == *set));
        for claim in own.cloned().collect::<Vec<_>>() {
            self.record_bind(&claim);
        }
    }

    /// The `StatefulSet` whose claim it is, by the name that the controller gives to claims, and the ordinal.
    fn set_of_claim(&self, claim: &ObjectName) -> Option<(ObjectName, u32)> {
        let (stem, ordinal) = claim.place()?;
        let set = self.stems.get(&claim.sibling(&stem.into()))?;
        Some((set.clone(), ordinal))
    }

    fn sync_replica(&mut self, pod: &ObjectName, receipt: Receipt, now: Moment, updates: &mut Updates) {
        if let Some((set, ordinal)) = pod.place() {
            self.sync(&pod.sibling(&set.into()), Some(ordinal), receipt, now, updates);
        }
    }

    fn sync_claim(&mut self, claim: &ObjectName, receipt: Receipt, now: Moment, updates: &mut Updates) {
        if let Some((set, ordinal)) = self.set_of_claim(claim) {
            self.sync(&set, Some(ordinal), receipt, now, updates);
        }
    }

    fn sync(&mut self, set: &ObjectName, place: Option<u32>, receipt: Receipt, now: Moment, updates: &mut Updates) {
        let Some(events) = self.scale_events.get_mut(set) else { return };
        let steps = events.sync(place, &self.tracked, self.freshness.contains(set), receipt, now);
        self.record(set, steps, updates);
    }

    fn record(&mut self, set: &ObjectName, steps: Vec<ScaleStep>, updates: &mut Updates) {
        self.measures.record(set, &steps);
        updates.steps(set, steps);
    }
}
