//! The objects of the demo's cluster, as an API server stores them. Each step of the script changes one object and
//! gives the watch event for it. Names are those of the lab: StatefulSet `mysql`, Service `mysql-read`, PVC template
//! `data`.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::script::{Action, PodStep, PvcStep};
use crate::model::cluster::{
    AccessModes, Change, Endpoint, Kind, Object, ObjectName, Pod, PodConditions, PodRef, Port, Pvc, PvcPhase, Seen,
    Service, Slice, StatefulSet, StorageClass, Volume, WatchName,
};

const NAMESPACE: &str = "mysql";

const NODE: &str = "node-1";

const UID_PREFIX: &str = "de300000";

/// Its binding mode is `WaitForFirstConsumer`.
const STORAGE_CLASS: &str = "standard";

const CAPACITY: &str = "10Gi";

/// Age of the first objects.
const AGE: SignedDuration = SignedDuration::from_hours(3);

#[derive(Debug)]
pub(super) struct Cluster {
    set: StatefulSet,
    pvcs: BTreeMap<u32, Pvc>,
    pods: BTreeMap<u32, Pod>,
    /// Number of objects made; it makes uids unique.
    made: u32,
    /// Address of a pod by ordinal; `None` if pods have no addresses.
    address: fn(u32) -> Option<IpAddr>,
    /// Of the Service and of each pod.
    ports: Arc<[Port]>,
}

pub(super) fn service_name() -> ObjectName {
    ObjectName::new(NAMESPACE, "mysql-read")
}

/// The same watches as for a real cluster.
pub(super) fn watches() -> Vec<WatchName> {
    let kinds = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet, Kind::Pvc, Kind::StorageClass, Kind::Volume];
    kinds.map(watch_of).to_vec()
}

fn watch_of(kind: Kind) -> WatchName {
    let whole = [Kind::StorageClass, Kind::Volume].contains(&kind);
    let namespace = if whole { Arc::default() } else { NAMESPACE.into() };
    WatchName { kind, namespace }
}

impl Cluster {
    /// Starts with replicas that have served for hours.
    pub(super) fn new(replicas: u32, now: Timestamp, address: fn(u32) -> Option<IpAddr>, port: u16) -> Self {
        let name = ObjectName::new(NAMESPACE, "mysql");
        let pvc_templates = vec!["data".into()];
        let set = StatefulSet { name, uid: uid(0), replicas, first_ordinal: 0, pvc_templates, rollout: None };
        let ports = Arc::new([Port { name: "mysql".into(), number: port }]);
        let mut cluster = Self { ports, set, pvcs: BTreeMap::new(), pods: BTreeMap::new(), made: 0, address };
        let then = now.checked_sub(AGE).unwrap_or(now);
        for ordinal in 0..replicas {
            for step in [PvcStep::Created, PvcStep::NodeSelected, PvcStep::Bound] {
                cluster.pvc(ordinal, step, then);
            }
            for step in [PodStep::Created, PodStep::Scheduled, PodStep::Sandbox, PodStep::Initialized, PodStep::Ready] {
                cluster.pod(ordinal, step, then);
            }
        }
        cluster
    }

    /// All objects, as in the first lists of the watches.
    pub(super) fn list(&self) -> Vec<(WatchName, Change)> {
        let service = Service {
            name: service_name(),
            headless: false,
            affinity: None,
            local_only: false,
            external: false,
            ports: Arc::clone(&self.ports),
        };
        let class = StorageClass { name: STORAGE_CLASS.into(), waits_for_consumer: true };
        let single = [
            (Kind::Service, Object::Service(service)),
            (Kind::StorageClass, Object::StorageClass(class)),
            (Kind::StatefulSet, Object::StatefulSet(self.set.clone())),
            (Kind::Slice, Object::Slice(self.slice())),
        ];
        let pvcs = self.pvcs.values().map(|pvc| (Kind::Pvc, Object::Pvc(pvc.clone())));
        let volume = |pvc: &Pvc| Volume { pvc: pvc.name.clone(), pvc_uid: Arc::clone(&pvc.uid), bound: pvc.created };
        let volumes = self.pvcs.values().map(|pvc| (Kind::Volume, Object::Volume(volume(pvc))));
        let pods = self.pods.values().map(|pod| (Kind::Pod, Object::Pod(pod.clone())));
        let listed = |(kind, object)| (watch_of(kind), Change::Applied(object, Seen::Listed));
        single.into_iter().chain(pvcs).chain(volumes).chain(pods).map(listed).collect()
    }

    /// Applies a step of the script and returns the change. Times have whole seconds, as in the API server.
    pub(super) fn take(&mut self, action: &Action, now: Timestamp) -> Option<(WatchName, Change)> {
        let applied = |kind, object| (kind, Change::Applied(object, Seen::Live));
        let deleted = |kind, name| (kind, Change::Deleted(kind, name, Seen::Live));
        let (kind, change) = match action {
            Action::Scale(replicas) => {
                self.set.replicas = *replicas;
                applied(Kind::StatefulSet, Object::StatefulSet(self.set.clone()))
            }
            Action::Publish => applied(Kind::Slice, Object::Slice(self.slice())),
            Action::Pvc(ordinal, PvcStep::Deleted) => deleted(Kind::Pvc, self.pvcs.remove(ordinal)?.name),
            Action::Pvc(ordinal, step) => applied(Kind::Pvc, Object::Pvc(self.pvc(*ordinal, *step, now)?)),
            Action::Pod(ordinal, PodStep::Gone) => deleted(Kind::Pod, self.pods.remove(ordinal)?.name),
            Action::Pod(ordinal, step) => applied(Kind::Pod, Object::Pod(self.pod(*ordinal, *step, now)?)),
            Action::Begin(_) | Action::Route(..) | Action::Server(..) | Action::Clients(_) => return None,
        };
        Some((watch_of(kind), change))
    }

    /// The `server_uuid` is part of the data: a new PVC has a new one.
    pub(super) fn server_uuid(&self, ordinal: u32) -> Option<String> {
        let pvc = &self.pvcs.get(&ordinal)?.uid;
        Some(pvc.replacen(UID_PREFIX, "5e12e120", 1))
    }

    fn pvc(&mut self, ordinal: u32, step: PvcStep, now: Timestamp) -> Option<Pvc> {
        if step == PvcStep::Created {
            let pvc = Pvc {
                name: ObjectName::new(NAMESPACE, &format!("data-mysql-{ordinal}")),
                uid: self.next_uid(),
                created: whole_second(now),
                phase: PvcPhase::Pending,
                node_selected: false,
                storage_class: Some(STORAGE_CLASS.into()),
                volume: None,
                requested: Some(CAPACITY.into()),
                capacity: None,
                access_modes: AccessModes::default(),
                resizing: false,
            };
            self.pvcs.insert(ordinal, pvc);
        }
        let pvc = self.pvcs.get_mut(&ordinal)?;
        match step {
            PvcStep::Created | PvcStep::Deleted => {}
            PvcStep::NodeSelected => pvc.node_selected = true,
            PvcStep::Bound => {
                pvc.phase = PvcPhase::Bound;
                pvc.volume = Some(format!("pvc-{}", pvc.uid).into());
                pvc.capacity.clone_from(&pvc.requested);
                pvc.access_modes = AccessModes::named(["ReadWriteOnce"]);
            }
        }
        Some(pvc.clone())
    }

    fn pod(&mut self, ordinal: u32, step: PodStep, now: Timestamp) -> Option<Pod> {
        if step == PodStep::Created {
            let pod = Pod {
                name: ObjectName::new(NAMESPACE, &format!("mysql-{ordinal}")),
                uid: self.next_uid(),
                statefulset: Some(Arc::clone(&self.set.name.name)),
                other_owner: None,
                addresses: Vec::new(),
                created: whole_second(now),
                deleted: None,
                restarts: 0,
                conditions: PodConditions::default(),
                trouble: None,
            };
            self.pods.insert(ordinal, pod);
        }
        let address = (self.address)(ordinal);
        let pod = self.pods.get_mut(&ordinal)?;
        let second = whole_second(now);
        match step {
            PodStep::Created | PodStep::Gone => {}
            PodStep::Scheduled => pod.conditions.scheduled = second,
            PodStep::Sandbox => {
                pod.conditions.sandbox = second;
                pod.addresses.extend(address);
            }
            PodStep::Initialized => pod.conditions.initialized = second,
            PodStep::Ready => pod.conditions.ready = second,
            PodStep::Terminating => pod.deleted = second,
        }
        Some(pod.clone())
    }

    /// Contains the pods that have an address, as from the endpoint controller.
    fn slice(&self) -> Slice {
        let endpoint = |pod: &Pod| {
            let (serving, terminating) = (pod.conditions.ready.is_some(), pod.deleted.is_some());
            Endpoint {
                addresses: pod.addresses.clone(),
                ready: serving && !terminating,
                serving,
                terminating,
                pod: Some(PodRef { name: Arc::clone(&pod.name.name), uid: Arc::clone(&pod.uid) }),
                node: Some(NODE.into()),
                zone: None,
                for_zones: Vec::new(),
                for_nodes: Vec::new(),
            }
        };
        let with_network = self.pods.values().filter(|pod| pod.conditions.sandbox.is_some());
        Slice {
            name: ObjectName::new(NAMESPACE, "mysql-read-x7k2p"),
            service: "mysql-read".into(),
            ports: Arc::clone(&self.ports),
            endpoints: with_network.map(endpoint).collect(),
        }
    }

    fn next_uid(&mut self) -> Arc<str> {
        self.made += 1;
        uid(self.made)
    }
}

fn uid(number: u32) -> Arc<str> {
    format!("{UID_PREFIX}-0000-4000-8000-{number:012x}").into()
}

fn whole_second(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(time.as_second()).ok()
}
