//! The facts of Kubernetes objects that readscope uses; it keeps nothing else.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::base::{ObjectName, PodRef, SERVICE_PORT};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub name: ObjectName,
    /// Clients find the endpoint addresses in DNS, because there is no cluster address.
    pub headless: bool,
    /// How long a client stays with its endpoint (`sessionAffinity: ClientIP`).
    pub affinity: Option<Duration>,
    /// Clients use only endpoints on their own node (`internalTrafficPolicy: Local`).
    pub local_only: bool,
    /// DNS leads clients to another name; there are no endpoints (`type: ExternalName`).
    pub external: bool,
    pub ports: Arc<[Port]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub name: ObjectName,
    /// The name of the Service, in the same namespace.
    pub service: Arc<str>,
    pub ports: Arc<[Port]>,
    /// In the order of the slice.
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Of one family; a pod of two families is in two slices.
    pub addresses: Vec<IpAddr>,
    /// Receives new connections; also true if the Service publishes addresses that are not ready.
    pub ready: bool,
    /// The readiness probe succeeds, even while the pod terminates.
    pub serving: bool,
    pub terminating: bool,
    pub pod: Option<PodRef>,
    pub node: Option<Arc<str>>,
    pub zone: Option<Arc<str>>,
    /// The zones whose clients should use it; empty without hints.
    pub for_zones: Vec<Arc<str>>,
    /// The nodes whose clients should use it; empty without hints.
    pub for_nodes: Vec<Arc<str>>,
}

impl Endpoint {
    /// Its pod. An endpoint without a pod goes by its address.
    pub(super) fn place(&self) -> Option<PodRef> {
        let address = || Some(Arc::<str>::from(self.addresses.first()?.to_string()));
        let by_address = || address().map(|address| PodRef { name: Arc::clone(&address), uid: address });
        self.pod.clone().or_else(by_address)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub name: ObjectName,
    pub uid: Arc<str>,
    pub statefulset: Option<Arc<str>>,
    /// Kind and API group of a controller that is not a `StatefulSet` of Kubernetes.
    pub other_owner: Option<Arc<str>>,
    /// Of its containers together.
    pub restarts: u32,
    pub addresses: Vec<IpAddr>,
    /// By the clock of the API server.
    pub created: Option<Timestamp>,
    pub deleted: Option<Timestamp>,
    pub conditions: PodConditions,
    /// Absent for a pod that is ready, or that starts without a complaint.
    pub trouble: Option<Box<PodTrouble>>,
}

/// What keeps a pod from being ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodTrouble {
    pub kind: PodTroubleKind,
    /// As Kubernetes writes it; may be empty.
    pub text: Box<str>,
    /// By the clock of the API server.
    pub since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodTroubleKind {
    /// The scheduler found no node.
    Unscheduled,
    /// A container waits to be started again, or cannot be started: `CrashLoopBackOff`, `ImagePullBackOff`.
    Waiting,
    /// It was ready before.
    NotReady,
}

/// Since when each condition is true; absent while it is false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodConditions {
    pub scheduled: Option<Timestamp>,
    /// Volumes are mounted and the pod network exists.
    pub sandbox: Option<Timestamp>,
    pub initialized: Option<Timestamp>,
    pub ready: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSet {
    pub name: ObjectName,
    pub uid: Arc<str>,
    /// The expected number, from `spec.replicas`.
    pub replicas: u32,
    /// From `spec.ordinals.start`.
    pub first_ordinal: u32,
    pub pvc_templates: Vec<Arc<str>>,
    /// Absent when all pods are ready and have the latest template.
    pub rollout: Option<Rollout>,
}

/// What a `StatefulSet` has reached of what its spec wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    pub replicas: u32,
    pub ready: u32,
    /// Pods with the latest template.
    pub updated: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pvc {
    pub name: ObjectName,
    pub uid: Arc<str>,
    /// By the clock of the API server.
    pub created: Option<Timestamp>,
    pub phase: PvcPhase,
    /// A node was chosen for the consumer, so provisioning can start (`WaitForFirstConsumer`).
    pub node_selected: bool,
    /// Kubernetes may set it after creation.
    pub storage_class: Option<Arc<str>>,
    pub volume: Option<Arc<str>>,
    /// As Kubernetes writes quantities.
    pub requested: Option<Arc<str>>,
    pub capacity: Option<Arc<str>>,
    /// Empty before the PVC has a volume.
    pub access_modes: AccessModes,
    pub resizing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PvcPhase {
    Pending,
    Bound,
    Lost,
}

/// What a `PersistentVolume` says about its PVC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub pvc: ObjectName,
    /// A PVC that is deleted and created again has another uid.
    pub pvc_uid: Arc<str>,
    /// By the clock of the API server; absent while not bound.
    pub bound: Option<Timestamp>,
}

/// Access modes of a volume; [`fmt::Display`] writes them as `kubectl` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessModes(u8);

impl AccessModes {
    /// The names in Kubernetes and in `kubectl`, in the order of `kubectl`.
    const ALL: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];

    /// Ignores unknown names.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let bit = |name| Self::ALL.iter().position(|(known, _)| *known == name).map_or(0, |place| 1 << place);
        Self(names.into_iter().fold(0, |modes, name| modes | bit(name)))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for AccessModes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |place: &usize| self.0 & (1 << place) != 0;
        let modes: Vec<_> = (0..Self::ALL.len()).filter(has).map(|place| Self::ALL[place].1).collect();
        f.write_str(&modes.join(","))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass {
    pub name: Arc<str>,
    /// Provisioning starts when a pod with the PVC has a node (`WaitForFirstConsumer`).
    pub waits_for_consumer: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeLocation {
    /// Absent outside the cluster.
    pub node: Option<Arc<str>>,
    pub zone: Option<Arc<str>>,
}

impl StatefulSet {
    pub fn ordinals(&self) -> std::ops::Range<u32> {
        self.first_ordinal..self.first_ordinal.saturating_add(self.replicas)
    }

    pub fn pod_name(&self, ordinal: u32) -> Arc<str> {
        format!("{}-{ordinal}", self.name.name).into()
    }

    /// One name per PVC template.
    pub fn pvc_names(&self, ordinal: u32) -> impl Iterator<Item = Arc<str>> + '_ {
        self.pvc_templates.iter().map(move |template| format!("{template}-{}-{ordinal}", self.name.name).into())
    }
}

/// What an Event says about a PVC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PvcReason {
    /// One word, such as `ProvisioningFailed`.
    pub reason: Arc<str>,
    pub message: Arc<str>,
    pub warning: bool,
    pub last: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PvcEvent {
    pub pvc: ObjectName,
    /// A PVC that is deleted and created again has another uid.
    pub uid: Arc<str>,
    pub reason: PvcReason,
}

impl PvcReason {
    /// The pod is the cause, not the volume.
    pub(super) fn waits_for_pod(&self) -> bool {
        ["WaitForFirstConsumer", "WaitForPodScheduled"].contains(&&*self.reason)
    }

    pub fn advice(&self) -> &'static str {
        match &*self.reason {
            "ProvisioningFailed" => "check the storage class, its quota, and the log of its provisioner",
            "ExternalProvisioning" | "Provisioning" => {
                "check that the provisioner of its storage class runs, and its log"
            }
            "WaitForFirstConsumer" | "WaitForPodScheduled" => {
                "the PVC waits until its pod has a node: check the pod's Events"
            }
            "FailedBinding" => {
                "name a storage class in the PVC template, set a default storage class, or create a volume"
            }
            _ => "check the Events of the PVC and of its pod",
        }
    }
}

impl fmt::Display for PvcReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// A port of a Service or of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The same on Service and endpoint; empty where a Service has one port.
    pub name: Arc<str>,
    pub number: u16,
}

/// The endpoint port to which a Service leads a connection to its port `wanted`.
///
/// A client behind a forwarded port or an external load balancer connects to a port that the Service does not have. A
/// single port is used in this case.
pub(crate) fn port_behind(service: &[Port], wanted: u16, endpoint: &[Port]) -> Option<u16> {
    let of_service = service.iter().find(|port| port.number == wanted).or(only(service));
    let named = of_service.and_then(|of_service| endpoint.iter().find(|port| port.name == of_service.name));
    let same_number = || endpoint.iter().find(|port| port.number == wanted);
    Some(named.or_else(|| only(endpoint)).or_else(same_number)?.number)
}

/// The port of a Service that a client of `MySQL` means: the only one, the one of this name, or the usual one.
pub(crate) fn client_port(service: &[Port]) -> Option<u16> {
    let named = || service.iter().find(|port| &*port.name == "mysql");
    let usual = || service.iter().find(|port| port.number == SERVICE_PORT);
    Some(only(service).or_else(named).or_else(usual)?.number)
}

fn only(ports: &[Port]) -> Option<&Port> {
    match ports {
        [port] => Some(port),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(ports: &[(&str, u16)]) -> Vec<Port> {
        ports.iter().map(|(name, number)| Port { name: (*name).into(), number: *number }).collect()
    }

    fn behind(service: &[(&str, u16)], wanted: u16, endpoint: &[(&str, u16)]) -> Option<u16> {
        port_behind(&ports(service), wanted, &ports(endpoint))
    }

    #[test]
    fn the_name_leads_from_the_port_of_the_service_to_that_of_the_endpoint() {
        let service = [("mysql", 3306), ("metrics", 9104)];
        assert_eq!(behind(&service, 3306, &[("metrics", 9104), ("mysql", 33_060)]), Some(33_060));
        assert_eq!(behind(&service, 9104, &[("metrics", 9105), ("mysql", 33_060)]), Some(9105));
    }

    #[test]
    fn a_single_port_without_a_name_is_the_one() {
        assert_eq!(behind(&[("", 3306)], 3306, &[("", 33_060)]), Some(33_060));
    }

    #[test]
    fn a_client_on_another_port_reaches_the_only_port() {
        assert_eq!(behind(&[("mysql", 3306)], 13_306, &[("mysql", 3307), ("other", 1)]), Some(3307));
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("c", 3307)]), Some(3307));
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("c", 3306), ("d", 5)]), Some(3306));
    }

    #[test]
    fn clients_use_the_only_port_or_the_port_of_mysql() {
        let of = |list: &[(&str, u16)]| client_port(&ports(list));
        assert_eq!(of(&[("", 6447)]), Some(6447));
        assert_eq!(of(&[("mysql-ro", 6447), ("mysql", 6446)]), Some(6446));
        assert_eq!(of(&[("mysqlx", 33_060), ("db", 3306)]), Some(3306));
        assert_eq!(of(&[("mysql", 3307), ("other", 3306)]), Some(3307));
        assert_eq!(of(&[("mysql-rw", 6446), ("mysql-ro", 6447)]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn ambiguous_ports_give_no_port() {
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("a", 1), ("b", 2)]), None);
        assert_eq!(behind(&[], 3306, &[]), None);
    }
}
