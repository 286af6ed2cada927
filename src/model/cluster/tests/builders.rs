//! Builders for objects and stories: the `StatefulSet` `mysql` in the namespace `mysql`, read through `mysql-read`,
//! with the PVC template `data` of the class `fast`, which waits for a consumer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::{
    base::{Moment, ObjectName, PodRef},
    cluster::{
        change::{Change, Kind, Object},
        index::Index,
        measures::BindLabels,
        milestones::{Milestone, ScalePhase, Seen},
        objects::{
            AccessModes, Endpoint, Pod, PodConditions, PodTrouble, PodTroubleKind, Pvc, PvcEvent, PvcPhase, PvcReason,
            Service, Slice, StatefulSet, StorageClass, Volume,
        },
        pods::TrackedPod,
        scale_events::ScaleEvent,
        scaled_replica::ScaledReplica,
        updates::{ScaleStep, Updates},
    },
    probe::PodRead,
};

/// An object, with a name and a short uid.
#[derive(Clone, Debug)]
pub(super) struct Fact<T>(pub(super) T);

pub(super) struct Story {
    pub(super) index: Index,
    pub(super) steps: Vec<ScaleStep>,
    /// Name and uid of the pods that are ready endpoints of `mysql-read`.
    pub(super) ready: BTreeMap<String, Arc<str>>,
}

/// How late first reads may be seen.
pub(super) const UNCERTAINTY: Duration = Duration::from_millis(340);

pub(super) struct At<'a> {
    story: &'a mut Story,
    now: Moment,
}

pub(super) fn name(name: &str) -> ObjectName {
    ObjectName::new("mysql", name)
}

pub(super) fn wall(seconds: f64) -> Timestamp {
    Timestamp::from_second(Moment::at(seconds).wall.as_second()).unwrap()
}

pub(super) fn set(replicas: u32) -> Fact<StatefulSet> {
    Fact(StatefulSet {
        name: name("mysql"),
        uid: "set-a".into(),
        replicas,
        first_ordinal: 0,
        pvc_templates: vec!["data".into()],
        rollout: None,
    })
}

pub(super) fn pod(pod: &str) -> Fact<Pod> {
    Fact(Pod {
        name: name(pod),
        uid: format!("{pod}-a").into(),
        statefulset: Some("mysql".into()),
        other_owner: None,
        addresses: Vec::new(),
        created: None,
        deleted: None,
        restarts: 0,
        conditions: PodConditions::default(),
        trouble: None,
    })
}

pub(super) fn pvc(pvc: &str) -> Fact<Pvc> {
    Fact(Pvc {
        name: name(pvc),
        uid: format!("{pvc}-a").into(),
        created: None,
        phase: PvcPhase::Pending,
        node_selected: false,
        storage_class: Some("fast".into()),
        volume: None,
        requested: Some("1Gi".into()),
        capacity: None,
        access_modes: AccessModes::default(),
        resizing: false,
    })
}

pub(super) fn event(of: &str, reason: &str, message: &str) -> Fact<PvcEvent> {
    let warning = reason.ends_with("Failed");
    let reason = PvcReason { reason: reason.into(), message: message.into(), warning, last: None };
    Fact(PvcEvent { pvc: name(of), uid: pvc(of).0.uid, reason })
}

/// The class waits for a consumer.
pub(super) fn class(name: &str) -> Fact<StorageClass> {
    Fact(StorageClass { name: name.into(), waits_for_consumer: true })
}

/// The pods are ready endpoints.
pub(super) fn slice<'a>(service: &str, pods: impl IntoIterator<Item = (&'a str, &'a Arc<str>)>) -> Fact<Slice> {
    let endpoint = |(pod, uid): (&str, &Arc<str>)| Endpoint {
        addresses: vec![[10, 0, 0, 1].into()],
        ready: true,
        serving: true,
        terminating: false,
        pod: Some(PodRef { name: pod.into(), uid: Arc::clone(uid) }),
        node: None,
        zone: None,
        for_zones: Vec::new(),
        for_nodes: Vec::new(),
    };
    Fact(Slice {
        name: name(&format!("{service}-x")),
        service: service.into(),
        ports: Arc::default(),
        endpoints: pods.into_iter().map(endpoint).collect(),
    })
}

impl Fact<StatefulSet> {
    pub(super) fn uid(mut self, uid: &str) -> Self {
        self.0.uid = format!("set-{uid}").into();
        self
    }

    pub(super) fn start(mut self, ordinal: u32) -> Self {
        self.0.first_ordinal = ordinal;
        self
    }

    pub(super) fn templates(mut self, templates: &[&str]) -> Self {
        self.0.pvc_templates = templates.iter().map(|template| Arc::from(*template)).collect();
        self
    }
}

impl Fact<Pod> {
    pub(super) fn uid(mut self, uid: &str) -> Self {
        self.0.uid = format!("{}-{uid}", self.0.name.name).into();
        self
    }

    pub(super) fn created_at(mut self, seconds: f64) -> Self {
        self.0.created = Some(wall(seconds));
        self
    }

    pub(super) fn scheduled_at(mut self, seconds: f64) -> Self {
        self.0.conditions.scheduled = Some(wall(seconds));
        self
    }

    pub(super) fn sandbox_at(mut self, seconds: f64) -> Self {
        self.0.conditions.sandbox = Some(wall(seconds));
        self
    }

    pub(super) fn initialized_at(mut self, seconds: f64) -> Self {
        self.0.conditions.initialized = Some(wall(seconds));
        self
    }

    pub(super) fn ready_at(mut self, seconds: f64) -> Self {
        self.0.conditions.ready = Some(wall(seconds));
        self
    }

    /// Not ready, and why.
    pub(super) fn troubled(mut self, kind: PodTroubleKind, text: &str, seconds: f64) -> Self {
        self.0.conditions.ready = None;
        self.0.trouble = Some(Box::new(PodTrouble { kind, text: text.into(), since: Some(wall(seconds)) }));
        self
    }

    pub(super) fn deleted_at(mut self, seconds: f64) -> Self {
        self.0.deleted = Some(wall(seconds));
        self
    }

    /// Sets the creation and all conditions to one time.
    pub(super) fn running_since(self, seconds: f64) -> Self {
        let pod = self.created_at(seconds).scheduled_at(seconds).sandbox_at(seconds);
        pod.initialized_at(seconds).ready_at(seconds)
    }

    /// Removes the controlling `StatefulSet`.
    pub(super) fn orphaned(mut self) -> Self {
        self.0.statefulset = None;
        self
    }
}

impl Fact<Pvc> {
    pub(super) fn uid(mut self, uid: &str) -> Self {
        self.0.uid = format!("{}-{uid}", self.0.name.name).into();
        self
    }

    pub(super) fn created_at(mut self, seconds: f64) -> Self {
        self.0.created = Some(wall(seconds));
        self
    }

    pub(super) fn selected(mut self) -> Self {
        self.0.node_selected = true;
        self
    }

    pub(super) fn bound(mut self) -> Self {
        self.0.phase = PvcPhase::Bound;
        self
    }

    pub(super) fn lost(mut self) -> Self {
        self.0.phase = PvcPhase::Lost;
        self
    }

    pub(super) fn class(mut self, class: Option<&str>) -> Self {
        self.0.storage_class = class.map(Arc::from);
        self
    }
}

impl Fact<StorageClass> {
    /// The class does not wait for a consumer.
    pub(super) fn immediate(mut self) -> Self {
        self.0.waits_for_consumer = false;
        self
    }
}

impl Fact<Slice> {
    /// Sets the name, for a second slice of a Service.
    pub(super) fn named(mut self, slice: &str) -> Self {
        self.0.name = name(slice);
        self
    }
}

macro_rules! object {
    ($($kind:ident),*) => {$(
        impl From<Fact<$kind>> for Object {
            fn from(fact: Fact<$kind>) -> Self {
                Self::$kind(fact.0)
            }
        }
    )*};
}

object!(StatefulSet, Pod, Pvc, Volume, StorageClass, Slice, PvcEvent);

impl Story {
    /// Only the Service and the class are known.
    pub(super) fn empty() -> Self {
        let mut story = Self { index: Index::default(), steps: Vec::new(), ready: BTreeMap::default() };
        story.takes(|index, updates| index.observe([name("mysql-read")].into(), Moment::START, updates));
        story.at(0.0).lists(class("fast"));
        let service = Service {
            name: name("mysql-read"),
            headless: false,
            affinity: None,
            local_only: false,
            external: false,
            ports: Arc::default(),
        };
        story.at(0.0).takes(Change::Applied(Object::Service(service), Seen::Listed));
        story
    }

    /// The first list contains `replicas` replicas, created at 1000 s. Stories begin at 6000 s.
    pub(super) fn of(replicas: u32) -> Self {
        let mut story = Self::empty();
        story.at(5000.0).lists(set(replicas));
        for ordinal in 0..replicas {
            let pod_name = format!("mysql-{ordinal}");
            story.at(5000.0).lists(pvc(&format!("data-{pod_name}")).created_at(1000.0).selected().bound());
            story.at(5000.0).lists(pod(&pod_name).running_since(1000.0));
            story.ready.insert(pod_name.clone(), format!("{pod_name}-a").into());
        }
        story.at(5000.0).lists_endpoints();
        story
    }

    pub(super) fn at(&mut self, seconds: f64) -> At<'_> {
        At { story: self, now: Moment::at(seconds) }
    }

    /// A replica comes up. Seconds after `begin`: PVC created 0.1, pod created 0.2, node selected for the PVC 0.5, PVC
    /// bound 2.5, pod scheduled 3, network 5, initialized 15, ready 20, endpoint 20.5, first read 21.
    pub(super) fn rises(&mut self, pod_name: &str, begin: f64) {
        let pvc_name = format!("data-{pod_name}");
        self.at(begin + 0.1).sees(pvc(&pvc_name).created_at(begin));
        self.at(begin + 0.2).sees(pod(pod_name).created_at(begin));
        self.at(begin + 0.5).sees(pvc(&pvc_name).selected());
        self.at(begin + 2.5).sees(pvc(&pvc_name).selected().bound());
        self.rises_reusing(pod_name, "a", begin);
    }

    /// The same for a pod with this uid whose PVC exists.
    pub(super) fn rises_reusing(&mut self, pod_name: &str, uid: &str, begin: f64) {
        let pod = || pod(pod_name).uid(uid).created_at(begin);
        self.at(begin + 0.2).sees(pod());
        self.at(begin + 3.0).sees(pod().scheduled_at(begin));
        self.at(begin + 5.0).sees(pod().scheduled_at(begin).sandbox_at(begin));
        self.at(begin + 15.0).sees(pod().scheduled_at(begin).sandbox_at(begin).initialized_at(begin));
        self.at(begin + 20.0).sees(pod().running_since(begin));
        self.at(begin + 20.5).joins(pod_name, uid);
        self.at(begin + 21.0).reads(pod_name);
    }

    /// A replica goes. Seconds after `begin`: terminating 0.2, endpoint removed 0.4, last read 0.6, gone 10.
    pub(super) fn falls(&mut self, pod_name: &str, uid: &str, begin: f64) {
        let pod = pod(pod_name).uid(uid).running_since(begin - 1.0).deleted_at(begin);
        self.at(begin + 0.2).sees(pod);
        self.at(begin + 0.4).leaves(pod_name);
        self.at(begin + 0.6).reads(pod_name);
        self.at(begin + 10.0).sees_gone(Kind::Pod, pod_name);
    }

    pub(super) fn events(&self) -> Vec<&ScaleEvent> {
        self.index.scale_events().flat_map(|events| &events.events).collect()
    }

    pub(super) fn event(&self) -> &ScaleEvent {
        self.events().last().expect("a scale event")
    }

    /// The member at `ordinal` of the last event.
    pub(super) fn member(&self, ordinal: u32) -> &ScaledReplica {
        self.event().members.iter().find(|member| member.ordinal == ordinal).expect("a member")
    }

    /// In the last event; `None` if the milestone was not seen live.
    pub(super) fn reached(&self, ordinal: u32, milestone: Milestone) -> Option<f64> {
        let live = self.member(ordinal).milestones.get(milestone)?.live?;
        Some(live.elapsed.as_secs_f64())
    }

    /// Each measured duration, in seconds.
    pub(super) fn measured(&self, phase: ScalePhase) -> Vec<f64> {
        let seconds = |step: &ScaleStep| match step {
            ScaleStep::Measured { phase: of, duration } if *of == phase => Some(duration.as_secs_f64()),
            _ => None,
        };
        self.steps.iter().filter_map(seconds).collect()
    }

    pub(super) fn measures(&self) -> BTreeMap<&'static str, usize> {
        let of = |phase: ScalePhase| (phase.name(), self.measured(phase).len());
        ScalePhase::ALL.into_iter().map(of).filter(|(_, times)| *times > 0).collect()
    }

    /// Class, bind mode, number of bindings, total seconds.
    pub(super) fn binds(&self) -> Vec<(String, &'static str, u64, f64)> {
        let counted = |(labels, times): (BindLabels, crate::model::base::Histogram)| {
            (labels.storage_class.to_string(), labels.bind_mode, times.count(), times.sum())
        };
        self.index.measures.binds(std::iter::empty(), |_| true).into_iter().map(counted).collect()
    }
}

impl At<'_> {
    /// A watch event delivers the object.
    pub(super) fn sees(self, object: impl Into<Object>) {
        self.takes(Change::Applied(object.into(), Seen::Live));
    }

    pub(super) fn lists(self, object: impl Into<Object>) {
        self.takes(Change::Applied(object.into(), Seen::Listed));
    }

    pub(super) fn sees_gone(self, kind: Kind, object: &str) {
        self.takes(Change::Deleted(kind, name(object), Seen::Live));
    }

    pub(super) fn lists_gone(self, kind: Kind, object: &str) {
        self.takes(Change::Deleted(kind, name(object), Seen::Listed));
    }

    /// The pod becomes a ready endpoint.
    pub(super) fn joins(self, pod: &str, uid: &str) {
        self.story.ready.insert(pod.to_owned(), format!("{pod}-{uid}").into());
        let fact = slice("mysql-read", self.story.ready.iter().map(|(pod, uid)| (&**pod, uid)));
        self.sees(fact);
    }

    pub(super) fn leaves(self, pod: &str) {
        self.story.ready.remove(pod);
        let fact = slice("mysql-read", self.story.ready.iter().map(|(pod, uid)| (&**pod, uid)));
        self.sees(fact);
    }

    pub(super) fn lists_endpoints(self) {
        let fact = slice("mysql-read", self.story.ready.iter().map(|(pod, uid)| (&**pod, uid)));
        self.lists(fact);
    }

    pub(super) fn reads(self, pod: &str) {
        let started = self.now.elapsed.as_secs_f64() - 0.01;
        self.reads_since(started, pod);
    }

    /// The read belongs to a probe that started at `started`.
    pub(super) fn reads_since(self, started: f64, pod: &str) {
        self.story.read(pod, Moment::at(started), self.now, false);
    }

    pub(super) fn reads_fresh(self, pod: &str) {
        self.story.read(pod, self.now, self.now, true);
    }

    pub(super) fn answers_pod_probe(self, pod: &str) {
        let take_in = |pod: &mut TrackedPod| pod.direct_read(self.now);
        self.story.takes(|index, updates| index.answered(&name(pod), None, self.now, self.now, take_in, updates));
    }

    pub(super) fn takes(self, change: Change) {
        self.story.takes(|index, updates| index.apply(change, self.now, updates));
    }
}

impl Story {
    /// Returns the updates without the steps.
    pub(super) fn takes(&mut self, take_in: impl FnOnce(&mut Index, &mut Updates)) -> Updates {
        let mut updates = Updates::default();
        take_in(&mut self.index, &mut updates);
        self.steps.extend(updates.steps.drain(..).map(|(_, step)| step));
        updates
    }

    fn read(&mut self, pod: &str, started: Moment, finished: Moment, fresh: bool) {
        let of = PodRef { name: pod.into(), uid: Arc::default() };
        let read = PodRead { pod: of, started, fresh, uncertainty: UNCERTAINTY };
        let take_in = |pod: &mut TrackedPod| pod.read(&read, finished);
        self.takes(|index, updates| index.answered(&name(pod), None, started, finished, take_in, updates));
    }
}
