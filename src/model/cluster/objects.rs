//! Kubernetes objects as the few facts of them that matter here, made at the boundary; nothing else is kept.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::base::{ObjectName, PodRef};

/// A Service and what it asks of the routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which.
    pub name: ObjectName,
    /// It has no cluster address: clients find the endpoints' own addresses in DNS.
    pub headless: bool,
    /// How long a client stays with the endpoint it had (`sessionAffinity: ClientIP`).
    pub affinity: Option<Duration>,
    /// Only endpoints on the client's node are used (`internalTrafficPolicy: Local`).
    pub local_only: bool,
    /// Its ports.
    pub ports: Arc<[Port]>,
}

/// One `EndpointSlice` of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Which.
    pub name: ObjectName,
    /// The Service's name, in the same namespace.
    pub service: Arc<str>,
    /// At which its endpoints serve.
    pub ports: Arc<[Port]>,
    /// In the order of the slice.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Of one family; a pod of two families is in two slices.
    pub addresses: Vec<IpAddr>,
    /// New connections go there; true as well where the Service publishes addresses that are not ready.
    pub ready: bool,
    /// Its readiness probe succeeds, even while it terminates.
    pub serving: bool,
    /// It is being deleted.
    pub terminating: bool,
    /// The pod behind it, if it is one.
    pub pod: Option<PodRef>,
    /// The node it runs on.
    pub node: Option<Arc<str>>,
    /// The zone of that node.
    pub zone: Option<Arc<str>>,
    /// The zones whose clients should use it; empty without hints.
    pub for_zones: Vec<Arc<str>>,
    /// The nodes whose clients should use it; empty without hints.
    pub for_nodes: Vec<Arc<str>>,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Which.
    pub name: ObjectName,
    /// Its uid.
    pub uid: Arc<str>,
    /// The `StatefulSet` that controls it.
    pub statefulset: Option<Arc<str>>,
    /// Its addresses, once it has some.
    pub addresses: Vec<IpAddr>,
    /// When it was created, by the API server's clock.
    pub created: Option<Timestamp>,
    /// Since when it is being deleted.
    pub deleted: Option<Timestamp>,
    /// Since when each condition is true, by whoever set it.
    pub conditions: PodConditions,
}

/// Since when each condition of a pod is true; absent while it is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodConditions {
    /// It has a node.
    pub scheduled: Option<Timestamp>,
    /// Volumes are mounted and its network is there.
    pub sandbox: Option<Timestamp>,
    /// Its init containers are done.
    pub initialized: Option<Timestamp>,
    /// It is ready.
    pub ready: Option<Timestamp>,
}

/// A `StatefulSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSet {
    /// Which.
    pub name: ObjectName,
    /// Its uid.
    pub uid: Arc<str>,
    /// How many replicas it should have.
    pub replicas: u32,
    /// The first ordinal (`spec.ordinals.start`).
    pub first_ordinal: u32,
    /// The names of its claim templates.
    pub claim_templates: Vec<Arc<str>>,
}

/// A `PersistentVolumeClaim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which.
    pub name: ObjectName,
    /// Its uid.
    pub uid: Arc<str>,
    /// When it was created, by the API server's clock.
    pub created: Option<Timestamp>,
    /// Where it stands.
    pub phase: ClaimPhase,
    /// A node was chosen for its consumer, so that its volume can be made (`WaitForFirstConsumer`).
    pub node_selected: bool,
    /// Its storage class; it may be filled in after creation.
    pub storage_class: Option<Arc<str>>,
    /// Its volume.
    pub volume: Option<Arc<str>>,
    /// What was asked for, as Kubernetes writes quantities.
    pub requested: Option<Arc<str>>,
    /// What there is.
    pub capacity: Option<Arc<str>>,
    /// How its volume may be mounted; none before it has one.
    pub access_modes: AccessModes,
    /// It is being resized.
    pub resizing: bool,
}

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimPhase {
    /// It has no volume yet.
    Pending,
    /// It has its volume.
    Bound,
    /// Its volume is gone.
    Lost,
}

/// What a `PersistentVolume` says of the claim that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The claim.
    pub claim: ObjectName,
    /// The claim's uid: one made anew has another.
    pub claim_uid: Arc<str>,
    /// Since when it is bound to it, by the API server's clock; absent while it is not.
    pub bound: Option<Timestamp>,
}

/// How a volume may be mounted; [`fmt::Display`] writes it as `kubectl` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessModes(u8);

impl AccessModes {
    /// Kubernetes' names with `kubectl`'s, in `kubectl`'s order.
    const ALL: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];

    /// The modes of these names; others are passed over.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let bit = |name| Self::ALL.iter().position(|(known, _)| *known == name).map_or(0, |place| 1 << place);
        Self(names.into_iter().fold(0, |modes, name| modes | bit(name)))
    }

    /// Whether there is none.
    #[must_use]
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

/// A storage class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass {
    /// Its name.
    pub name: Arc<str>,
    /// It makes a volume only when a pod that wants it has a node (`WaitForFirstConsumer`).
    pub waits_for_consumer: bool,
}

/// Where the probe runs, as routing sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vantage {
    /// The probe's own node; absent outside the cluster.
    pub node: Option<Arc<str>>,
    /// That node's zone.
    pub zone: Option<Arc<str>>,
}

impl StatefulSet {
    /// The ordinals that it should have.
    #[must_use]
    pub fn ordinals(&self) -> std::ops::Range<u32> {
        self.first_ordinal..self.first_ordinal.saturating_add(self.replicas)
    }

    /// The name of the pod of an ordinal.
    #[must_use]
    pub fn pod_name(&self, ordinal: u32) -> Arc<str> {
        format!("{}-{ordinal}", self.name.name).into()
    }

    /// The names of the claims of an ordinal, one a template.
    pub fn claim_names(&self, ordinal: u32) -> impl Iterator<Item = Arc<str>> + '_ {
        self.claim_templates.iter().map(move |template| format!("{template}-{}-{ordinal}", self.name.name).into())
    }
}

/// What an Event says about a claim; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimReason {
    /// In a word, such as `ProvisioningFailed`.
    pub reason: Arc<str>,
    /// In a sentence of whoever wrote it.
    pub message: Arc<str>,
    /// Something is wrong; otherwise something is going on.
    pub warning: bool,
    /// When it was last so.
    pub last: Option<Timestamp>,
}

/// An Event about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimEvent {
    /// The claim.
    pub claim: ObjectName,
    /// The claim's uid: one made anew has another.
    pub uid: Arc<str>,
    /// What is said of it.
    pub reason: ClaimReason,
}

impl ClaimReason {
    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match &*self.reason {
            "ProvisioningFailed" => "check the storage class, its quota, and the log of its provisioner",
            "ExternalProvisioning" | "Provisioning" => {
                "the provisioner of its storage class has not made it yet: check that it runs, and its log"
            }
            "WaitForFirstConsumer" | "WaitForPodScheduled" => {
                "it waits for its pod to have a node: check the pod's Events"
            }
            "FailedBinding" => "name a storage class in the claim template, set a default one, or make a volume for it",
            _ => "check the Events of the claim and of its pod",
        }
    }
}

impl fmt::Display for ClaimReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// A port of a Service, or the one of an endpoint that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The name that the two have in common; empty where a Service has one port.
    pub name: Arc<str>,
    /// The number.
    pub number: u16,
}

/// The port of an endpoint with the ports `endpoint` to which a Service with the ports `service` leads a connection to
/// its port `asked`.
///
/// A client that connects elsewhere, through a forwarded port or a balancer outside the cluster, asks for none of them;
/// where there is but one port, that is the one all the same.
#[must_use]
pub(crate) fn port_behind(service: &[Port], asked: u16, endpoint: &[Port]) -> Option<u16> {
    let of_service = service.iter().find(|port| port.number == asked).or(only(service));
    let named = of_service.and_then(|of_service| endpoint.iter().find(|port| port.name == of_service.name));
    let same_number = || endpoint.iter().find(|port| port.number == asked);
    Some(named.or_else(|| only(endpoint)).or_else(same_number)?.number)
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

    fn behind(service: &[(&str, u16)], asked: u16, endpoint: &[(&str, u16)]) -> Option<u16> {
        port_behind(&ports(service), asked, &ports(endpoint))
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
    fn a_client_that_comes_through_another_port_is_led_to_the_only_one() {
        assert_eq!(behind(&[("mysql", 3306)], 13_306, &[("mysql", 3307), ("other", 1)]), Some(3307));
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("c", 3307)]), Some(3307));
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("c", 3306), ("d", 5)]), Some(3306));
    }

    #[test]
    fn where_there_is_no_saying_there_is_no_port() {
        assert_eq!(behind(&[("a", 1), ("b", 2)], 3306, &[("a", 1), ("b", 2)]), None);
        assert_eq!(behind(&[], 3306, &[]), None);
    }
}
