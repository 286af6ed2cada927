//! Everything that Kubernetes told, and what follows from it: the routing of each Service and the scale events of each
//! `StatefulSet`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    endpoints::{Endpoints, Turned},
    life::{Receipt, TrackedClaim, TrackedPod},
    lives::TrackedObjects,
    milestones::ScalePhase,
    objects::{Claim, ClaimPhase, Pod, Service, Slice, StatefulSet, StorageClass, Vantage, Volume},
    reasons::{ClaimEvent, ClaimReason, Reasons},
    routing::Routing,
    scale_events::ScaleEvents,
    scale_step::ScaleStep,
    volumes::Volumes,
};
use crate::model::base::{Histogram, Moment, ObjectName};

/// A kind of objects that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Services.
    Service,
    /// `EndpointSlice`s.
    Slice,
    /// Pods.
    Pod,
    /// `StatefulSet`s.
    StatefulSet,
    /// `PersistentVolumeClaim`s.
    Claim,
    /// `StorageClass`es, of the whole cluster.
    StorageClass,
    /// `PersistentVolume`s, of the whole cluster.
    Volume,
    /// The probe's own node.
    Node,
    /// The Services that become targets by their labels.
    Selection,
    /// Events about claims.
    Event,
}

impl Kind {
    /// The resource, as `kubectl` and roles name it.
    #[must_use]
    pub fn resource(self) -> &'static str {
        match self {
            Self::Service | Self::Selection => "services",
            Self::Slice => "endpointslices",
            Self::Pod => "pods",
            Self::StatefulSet => "statefulsets",
            Self::Claim => "persistentvolumeclaims",
            Self::StorageClass => "storageclasses",
            Self::Volume => "persistentvolumes",
            Self::Node => "nodes",
            Self::Event => "events",
        }
    }
}

/// An object of one of the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A Service.
    Service(Service),
    /// An `EndpointSlice`.
    Slice(Slice),
    /// A pod.
    Pod(Pod),
    /// A `StatefulSet`.
    StatefulSet(StatefulSet),
    /// A claim.
    Claim(Claim),
    /// A storage class.
    StorageClass(StorageClass),
    /// What a volume says of its claim.
    Volume(Volume),
    /// Where the probe runs.
    Vantage(Vantage),
    /// What somebody says of a claim.
    ClaimEvent(ClaimEvent),
}

/// A fact about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is so now.
    Applied(Object, Receipt),
    /// It is no more. A cluster-wide object has an empty namespace.
    Deleted(Kind, ObjectName, Receipt),
}

/// What a change did, for people and for measurement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// A step of a scale event of this `StatefulSet`.
    Scale(ObjectName, ScaleStep),
    /// The routing of this Service may be another one.
    Routing(ObjectName),
    /// A pod reached a milestone, be it part of a scale event or not.
    Reached,
}

/// How long claims took to bind, by what they are labelled with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BindLabels {
    /// The `StatefulSet`.
    pub statefulset: ObjectName,
    /// The class as it was when the claim was bound; empty without one.
    pub storage_class: Arc<str>,
    /// `WaitForFirstConsumer`, `Immediate`, or `unknown`.
    pub bind_mode: &'static str,
}

/// Everything that Kubernetes told.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(super) endpoints: Endpoints,
    classes: BTreeMap<Arc<str>, StorageClass>,
    pub(super) lives: TrackedObjects,
    reasons: Reasons,
    volumes: Volumes,
    timelines: BTreeMap<ObjectName, ScaleEvents>,
    /// The `StatefulSet`s that were deleted, the last one last: as many of their timelines and measures are kept.
    deleted: VecDeque<ObjectName>,
    /// The `StatefulSet` of each claim, by the claim's name without the ordinal.
    stems: BTreeMap<ObjectName, ObjectName>,
    phases: BTreeMap<(ObjectName, ScalePhase), Histogram>,
    binds: BTreeMap<BindLabels, Histogram>,
    /// Of which `StatefulSet`s it is known which answers are fresh, so that a replica has arrived with its first fresh
    /// one.
    pub(super) freshness: BTreeSet<ObjectName>,
}

/// Of how many deleted `StatefulSet`s something is kept.
const DELETED_MAX: usize = 64;

impl Index {
    /// A world in which these Services matter.
    pub(crate) fn new(observed: impl IntoIterator<Item = ObjectName>) -> Self {
        Self { endpoints: Endpoints::new(observed), ..Self::default() }
    }

    /// Takes in which Services matter from now on.
    pub(crate) fn observe(&mut self, services: BTreeSet<ObjectName>, now: Moment) -> Vec<Effect> {
        let turned = self.endpoints.observe(services);
        self.turned(turned, Receipt::Listed, now)
    }

    /// Takes one fact in.
    pub(crate) fn apply(&mut self, change: Change, now: Moment) -> Vec<Effect> {
        self.lives.forget_departed(now);
        match change {
            Change::Applied(object, receipt) => self.applied(object, receipt, now),
            Change::Deleted(kind, name, receipt) => self.deleted(kind, &name, receipt, now),
        }
    }

    /// What a connection to the Service may reach; `None` while the Service is not known.
    pub(crate) fn routing(&self, name: &ObjectName) -> Option<Routing> {
        self.endpoints.routing(name)
    }

    pub(crate) fn pod(&self, name: &ObjectName) -> Option<&TrackedPod> {
        self.lives.pod(name)
    }

    pub(super) fn set(&self, name: &ObjectName) -> Option<&StatefulSet> {
        self.timelines.get(name).and_then(ScaleEvents::set)
    }

    pub(crate) fn timelines(&self) -> impl Iterator<Item = &ScaleEvents> {
        self.timelines.values()
    }

    #[cfg(test)]
    pub(crate) fn claims(&self) -> impl Iterator<Item = &TrackedClaim> {
        self.lives.claims()
    }

    pub(crate) fn claim(&self, name: &ObjectName) -> Option<&TrackedClaim> {
        self.lives.claim(name)
    }

    /// Why a claim is pending, as far as Events tell.
    pub(crate) fn reason(&self, claim: &Claim) -> Option<&ClaimReason> {
        self.reasons.of(&claim.name, &claim.uid)
    }

    /// Takes in that all claims were listed: what was said of others is about none that is there.
    pub(crate) fn claims_listed(&mut self, namespace: &str) {
        let pending = |claim: &ObjectName| self.lives.claim(claim).is_some_and(TrackedClaim::is_pending);
        let stays = |claim: &ObjectName| *claim.namespace != *namespace || pending(claim);
        self.reasons.retain(stays);
        self.volumes.retain(stays);
    }

    pub(crate) fn phases(&self) -> &BTreeMap<(ObjectName, ScalePhase), Histogram> {
        &self.phases
    }

    pub(crate) fn binds(&self) -> &BTreeMap<BindLabels, Histogram> {
        &self.binds
    }

    fn applied(&mut self, object: Object, receipt: Receipt, now: Moment) -> Vec<Effect> {
        match object {
            Object::Service(service) => {
                let name = service.name.clone();
                if self.endpoints.service_applied(service) { vec![Effect::Routing(name)] } else { Vec::new() }
            }
            Object::Slice(slice) => {
                let turned = self.endpoints.slice_applied(slice, receipt, now);
                self.turned(turned, receipt, now)
            }
            Object::Vantage(vantage) => self.endpoints.vantage_applied(vantage).cloned().map(Effect::Routing).collect(),
            Object::StorageClass(class) => {
                self.classes.insert(Arc::clone(&class.name), class);
                Vec::new()
            }
            Object::Volume(volume) => self.volume_applied(volume, now),
            Object::StatefulSet(set) => self.set_applied(set, receipt, now),
            Object::Pod(pod) => self.pod_applied(pod, receipt, now),
            Object::Claim(claim) => self.claim_applied(claim, receipt, now),
            Object::ClaimEvent(event) => {
                if self.lives.claim(&event.claim).is_none_or(TrackedClaim::is_pending) {
                    self.reasons.applied(event);
                }
                Vec::new()
            }
        }
    }

    fn deleted(&mut self, kind: Kind, name: &ObjectName, receipt: Receipt, now: Moment) -> Vec<Effect> {
        match kind {
            Kind::Service => {
                let known = self.endpoints.service_deleted(name);
                known.then(|| Effect::Routing(name.clone())).into_iter().collect()
            }
            Kind::Slice => {
                let turned = self.endpoints.slice_deleted(name, receipt, now);
                self.turned(turned, receipt, now)
            }
            Kind::StatefulSet => self.set_deleted(name, receipt, now),
            Kind::Pod => {
                let known = self.lives.pod_deleted(name, receipt, now);
                if known { self.sync_replica(name, receipt, now) } else { Vec::new() }
            }
            Kind::Claim => {
                self.lives.remove_claim(name);
                self.reasons.forget(name);
                self.volumes.forget(name);
                self.sync_claim(name, receipt, now)
            }
            Kind::StorageClass => {
                self.classes.remove(&name.name);
                Vec::new()
            }
            // What they said stays true of their claims.
            Kind::Event | Kind::Volume | Kind::Selection => Vec::new(),
            Kind::Node => self.endpoints.node_deleted().cloned().map(Effect::Routing).collect(),
        }
    }

    fn set_applied(&mut self, set: StatefulSet, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let name = set.name.clone();
        let timeline = self.timelines.entry(name.clone()).or_insert_with(|| ScaleEvents::new(name.clone()));
        if timeline.set().is_none_or(|known| known.uid != set.uid) {
            self.stems.retain(|_, of| *of != name);
            let stems = set.claim_templates.iter().map(|template| format!("{template}-{}", name.name).into());
            self.stems.extend(stems.map(|stem| (name.sibling(&stem), name.clone())));
            self.deleted.retain(|deleted| *deleted != name);
            self.record_early_binds(&name);
        }
        let Some(timeline) = self.timelines.get_mut(&name) else { return Vec::new() };
        let steps = timeline.applied(set, &self.lives, receipt, now);
        if steps.is_empty() {
            return Vec::new();
        }
        let mut effects = self.told(&name, steps);
        effects.extend(self.sync(&name, None, receipt, now));
        effects
    }

    fn set_deleted(&mut self, name: &ObjectName, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let Some(timeline) = self.timelines.get_mut(name).filter(|timeline| timeline.set().is_some()) else {
            return Vec::new();
        };
        let steps = timeline.deleted(&self.lives, receipt, now);
        self.stems.retain(|_, of| of != name);
        let mut effects = self.told(name, steps);
        effects.extend(self.sync(name, None, receipt, now));
        self.deleted.push_back(name.clone());
        if self.deleted.len() > DELETED_MAX
            && let Some(oldest) = self.deleted.pop_front()
        {
            self.timelines.remove(&oldest);
            self.freshness.remove(&oldest);
            self.phases.retain(|(set, _), _| *set != oldest);
            self.binds.retain(|labels, _| labels.statefulset != oldest);
        }
        effects
    }

    fn pod_applied(&mut self, pod: Pod, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let name = pod.name.clone();
        let uid = Arc::clone(&pod.uid);
        let mut effects = Vec::new();
        if self.lives.pod(&name).is_some_and(|life| life.uid != uid) {
            // The one before went without a word.
            effects.extend(self.deleted(Kind::Pod, &name, Receipt::Listed, now));
        }
        let new = self.lives.pod_applied(pod, receipt, now);
        // Its endpoint may have been received before it.
        if let (true, Some(ready), Some(life)) = (new, self.endpoints.ready(&uid), self.lives.pod_of_mut(&name, &uid)) {
            life.endpoint(true, ready.since);
        }
        effects.extend(self.sync_replica(&name, receipt, now));
        effects
    }

    fn claim_applied(&mut self, claim: Claim, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let name = claim.name.clone();
        let mut bound = None;
        if claim.phase != ClaimPhase::Pending {
            self.reasons.forget(&name);
            bound = self.volumes.take(&name, &claim.uid);
        }
        let class = claim.storage_class.as_ref().and_then(|class| self.classes.get(class));
        match self.lives.claim_mut(&name) {
            Some(life) if life.claim.uid == claim.uid => life.changed(claim, class, receipt, now),
            _ => self.lives.add_claim(TrackedClaim::begin(claim, class, receipt, now)),
        }
        if let (Some(since), Some(life)) = (bound, self.lives.claim_mut(&name)) {
            life.bound_since(since);
        }
        self.record_bind(&name);
        self.sync_claim(&name, receipt, now)
    }

    fn volume_applied(&mut self, volume: Volume, now: Moment) -> Vec<Effect> {
        if !self.endpoints.are_observed_in(&volume.claim.namespace) {
            return Vec::new();
        }
        let known = self.lives.claim_mut(&volume.claim).filter(|life| life.claim.uid == volume.claim_uid);
        let Some(life) = known.filter(|life| !life.is_pending()) else {
            self.volumes.applied(volume);
            return Vec::new();
        };
        let is_news = volume.bound.is_some_and(|since| life.bound_since(since));
        if is_news { self.sync_claim(&volume.claim, Receipt::Listed, now) } else { Vec::new() }
    }

    fn turned(&mut self, turned: Turned, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        for turn in turned.turns {
            if let Some(life) = self.lives.pod_of_mut(&turn.pod, &turn.uid) {
                life.endpoint(turn.ready, turn.date);
                effects.extend(self.sync_replica(&turn.pod, receipt, now));
            }
        }
        effects.extend(turned.services.into_iter().map(Effect::Routing));
        effects
    }

    /// Counts how long a claim took to bind, if that was seen and it is known whose claim it is.
    fn record_bind(&mut self, claim: &ObjectName) {
        let Some((set, _)) = self.set_of_claim(claim) else { return };
        let Some(life) = self.lives.claim_mut(claim) else { return };
        let Some(bind) = life.take_bind() else { return };
        let class = life.class().cloned().unwrap_or_default();
        let labels = self.bind_labels(set, class);
        self.binds.entry(labels).or_insert_with(|| Histogram::new(&SCALE_BOUNDS)).record(bind);
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

    /// Those of claims that were received before their `StatefulSet`.
    fn record_early_binds(&mut self, set: &ObjectName) {
        let claims = self.lives.claims().map(|life| &life.claim.name);
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

    pub(super) fn sync_replica(&mut self, pod: &ObjectName, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let Some((set, ordinal)) = pod.place() else { return Vec::new() };
        self.sync(&pod.sibling(&set.into()), Some(ordinal), receipt, now)
    }

    fn sync_claim(&mut self, claim: &ObjectName, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let Some((set, ordinal)) = self.set_of_claim(claim) else { return Vec::new() };
        self.sync(&set, Some(ordinal), receipt, now)
    }

    pub(super) fn sync(&mut self, set: &ObjectName, place: Option<u32>, receipt: Receipt, now: Moment) -> Vec<Effect> {
        let Some(timeline) = self.timelines.get_mut(set) else { return Vec::new() };
        let freshness = self.freshness.contains(set);
        let steps = timeline.sync(place, &self.lives, freshness, receipt, now);
        self.told(set, steps)
    }

    fn told(&mut self, set: &ObjectName, steps: Vec<ScaleStep>) -> Vec<Effect> {
        for step in &steps {
            if let ScaleStep::Measured { phase, duration } = step {
                let histogram = self.phases.entry((set.clone(), *phase));
                histogram.or_insert_with(|| Histogram::new(&SCALE_BOUNDS)).record(*duration);
            }
        }
        steps.into_iter().map(|step| Effect::Scale(set.clone(), step)).collect()
    }
}

/// Upper bounds in seconds for what takes from a moment to an hour.
pub(crate) const SCALE_BOUNDS: [f64; 14] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0];
