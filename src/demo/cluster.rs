//! The objects of the demo's cluster, as an API server keeps them: each step of the script changes one, and the watch of
//! its kind tells it. The same names as in the lab: the `StatefulSet` `mysql`, the Service `mysql-read`, the claim
//! template `data`.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use super::script::{ClaimStep, Cue, PodStep};
use crate::model::cluster::{
    AccessModes, Change, Claim, ClaimPhase, Endpoint, Kind, Object, ObjectName, Pod, PodConditions, PodRef, Port,
    Receipt, Service, Slice, StatefulSet, StorageClass, Volume, WatchName,
};

const NAMESPACE: &str = "mysql";

/// How every uid begins here.
const UID_PREFIX: &str = "de300000";

/// The storage class of the claims; it waits for a consumer.
const STORAGE_CLASS: &str = "standard";

/// What each claim asks for, and gets.
const CAPACITY: &str = "10Gi";

/// What is there at the beginning has been there for so long.
const AGE: SignedDuration = SignedDuration::from_hours(3);

/// The cluster's objects.
#[derive(Debug)]
pub(super) struct Cluster {
    set: StatefulSet,
    claims: BTreeMap<u32, Claim>,
    pods: BTreeMap<u32, Pod>,
    /// How many objects were made; each has a uid of its own.
    made: u32,
    /// The address of each replica's pod, by its ordinal; without one, pods have none.
    address: fn(u32) -> Option<IpAddr>,
    /// Of the Service and of each pod.
    ports: Arc<[Port]>,
}

/// The Service that is read through.
pub(super) fn service_name() -> ObjectName {
    ObjectName::new(NAMESPACE, "mysql-read")
}

/// The watches that tell of the cluster: as many as a real one would be asked for.
pub(super) fn watches() -> Vec<WatchName> {
    let kinds =
        [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet, Kind::Claim, Kind::StorageClass, Kind::Volume];
    kinds.map(watch_of).to_vec()
}

fn watch_of(kind: Kind) -> WatchName {
    let whole = [Kind::StorageClass, Kind::Volume].contains(&kind);
    let namespace = if whole { Arc::default() } else { NAMESPACE.into() };
    WatchName { kind, namespace }
}

impl Cluster {
    /// A cluster in which `replicas` replicas have been serving for hours.
    pub(super) fn new(replicas: u32, now: Timestamp, address: fn(u32) -> Option<IpAddr>, port: u16) -> Self {
        let name = ObjectName::new(NAMESPACE, "mysql");
        let claim_templates = vec!["data".into()];
        let set = StatefulSet { name, uid: uid(0), replicas, first_ordinal: 0, claim_templates };
        let ports = Arc::new([Port { name: "mysql".into(), number: port }]);
        let mut cluster = Self { ports, set, claims: BTreeMap::new(), pods: BTreeMap::new(), made: 0, address };
        let then = now.checked_sub(AGE).unwrap_or(now);
        for ordinal in 0..replicas {
            for step in [ClaimStep::Created, ClaimStep::NodeSelected, ClaimStep::Bound] {
                cluster.claim(ordinal, step, then);
            }
            for step in [PodStep::Created, PodStep::Scheduled, PodStep::Sandbox, PodStep::Initialized, PodStep::Ready] {
                cluster.pod(ordinal, step, then);
            }
        }
        cluster
    }

    /// Every object, as the watches' first lists tell them.
    pub(super) fn list(&self) -> Vec<(WatchName, Change)> {
        let service = Service {
            name: service_name(),
            headless: false,
            affinity: None,
            local_only: false,
            ports: Arc::clone(&self.ports),
        };
        let class = StorageClass { name: STORAGE_CLASS.into(), waits_for_consumer: true };
        let single = [
            (Kind::Service, Object::Service(service)),
            (Kind::StorageClass, Object::StorageClass(class)),
            (Kind::StatefulSet, Object::StatefulSet(self.set.clone())),
            (Kind::Slice, Object::Slice(self.slice())),
        ];
        let claims = self.claims.values().map(|claim| (Kind::Claim, Object::Claim(claim.clone())));
        let volume = |claim: &Claim| Volume {
            claim: claim.name.clone(),
            claim_uid: Arc::clone(&claim.uid),
            bound: claim.created,
        };
        let volumes = self.claims.values().map(|claim| (Kind::Volume, Object::Volume(volume(claim))));
        let pods = self.pods.values().map(|pod| (Kind::Pod, Object::Pod(pod.clone())));
        let listed = |(kind, object)| (watch_of(kind), Change::Applied(object, Receipt::Listed));
        single.into_iter().chain(claims).chain(volumes).chain(pods).map(listed).collect()
    }

    /// Takes a step of the script, and returns which watch tells what of it. The API server's dates have whole seconds.
    pub(super) fn take(&mut self, cue: &Cue, now: Timestamp) -> Option<(WatchName, Change)> {
        let applied = |kind, object| (kind, Change::Applied(object, Receipt::Live));
        let deleted = |kind, name| (kind, Change::Deleted(kind, name, Receipt::Live));
        let (kind, change) = match cue {
            Cue::Scale(replicas) => {
                self.set.replicas = *replicas;
                applied(Kind::StatefulSet, Object::StatefulSet(self.set.clone()))
            }
            Cue::Publish => applied(Kind::Slice, Object::Slice(self.slice())),
            Cue::Claim(ordinal, ClaimStep::Deleted) => deleted(Kind::Claim, self.claims.remove(ordinal)?.name),
            Cue::Claim(ordinal, step) => applied(Kind::Claim, Object::Claim(self.claim(*ordinal, *step, now)?)),
            Cue::Pod(ordinal, PodStep::Gone) => deleted(Kind::Pod, self.pods.remove(ordinal)?.name),
            Cue::Pod(ordinal, step) => applied(Kind::Pod, Object::Pod(self.pod(*ordinal, *step, now)?)),
            Cue::Announce(_) | Cue::Route(..) | Cue::Server(..) => return None,
        };
        Some((watch_of(kind), change))
    }

    /// The `server_uuid` of a replica: as the rest of its data it comes and goes with its claim.
    pub(super) fn server_uuid(&self, ordinal: u32) -> Option<String> {
        let claim = &self.claims.get(&ordinal)?.uid;
        Some(claim.replacen(UID_PREFIX, "5e12e120", 1))
    }

    fn claim(&mut self, ordinal: u32, step: ClaimStep, now: Timestamp) -> Option<Claim> {
        if step == ClaimStep::Created {
            let claim = Claim {
                name: ObjectName::new(NAMESPACE, &format!("data-mysql-{ordinal}")),
                uid: self.next_uid(),
                created: whole_second(now),
                phase: ClaimPhase::Pending,
                node_selected: false,
                storage_class: Some(STORAGE_CLASS.into()),
                volume: None,
                requested: Some(CAPACITY.into()),
                capacity: None,
                access_modes: AccessModes::default(),
                resizing: false,
            };
            self.claims.insert(ordinal, claim);
        }
        let claim = self.claims.get_mut(&ordinal)?;
        match step {
            ClaimStep::Created | ClaimStep::Deleted => {}
            ClaimStep::NodeSelected => claim.node_selected = true,
            ClaimStep::Bound => {
                claim.phase = ClaimPhase::Bound;
                claim.volume = Some(format!("pvc-{}", claim.uid).into());
                claim.capacity.clone_from(&claim.requested);
                claim.access_modes = AccessModes::named(["ReadWriteOnce"]);
            }
        }
        Some(claim.clone())
    }

    fn pod(&mut self, ordinal: u32, step: PodStep, now: Timestamp) -> Option<Pod> {
        if step == PodStep::Created {
            let pod = Pod {
                name: ObjectName::new(NAMESPACE, &format!("mysql-{ordinal}")),
                uid: self.next_uid(),
                statefulset: Some(Arc::clone(&self.set.name.name)),
                addresses: Vec::new(),
                created: whole_second(now),
                deleted: None,
                conditions: PodConditions::default(),
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

    /// The endpoints, as the controller makes them of the pods that have an address.
    fn slice(&self) -> Slice {
        let endpoint = |pod: &Pod| {
            let (serving, terminating) = (pod.conditions.ready.is_some(), pod.deleted.is_some());
            Endpoint {
                addresses: pod.addresses.clone(),
                ready: serving && !terminating,
                serving,
                terminating,
                pod: Some(PodRef { name: Arc::clone(&pod.name.name), uid: Arc::clone(&pod.uid) }),
                node: None,
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

/// The uid of the object that was made as this one.
fn uid(number: u32) -> Arc<str> {
    format!("{UID_PREFIX}-0000-4000-8000-{number:012x}").into()
}

fn whole_second(time: Timestamp) -> Option<Timestamp> {
    Timestamp::from_second(time.as_second()).ok()
}
