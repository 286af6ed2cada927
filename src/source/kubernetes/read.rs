//! What is read of Kubernetes' objects. Every other field is passed over while an answer is being received, which the
//! whole types would keep until the object is a fact.
//!
//! As in those, whatever is absent or null is `None`: an API server writes some empty lists as null.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) creation_timestamp: Option<Time>,
    pub(super) deletion_timestamp: Option<Time>,
    pub(super) deletion_grace_period_seconds: Option<i64>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) owner_references: Option<Vec<Owner>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Owner {
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    pub(super) controller: Option<bool>,
}

/// An object that another one is about.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Reference {
    pub(super) kind: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) uid: Option<String>,
}

/// A port of a Service or of its endpoints.
#[derive(Debug, Deserialize)]
pub(super) struct Port {
    pub(super) name: Option<String>,
    pub(super) port: Option<i32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) spec: Option<ServiceSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    pub(super) cluster_ip: Option<String>,
    pub(super) internal_traffic_policy: Option<String>,
    pub(super) ports: Option<Vec<Port>>,
    pub(super) session_affinity: Option<String>,
    pub(super) session_affinity_config: Option<SessionAffinity>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SessionAffinity {
    #[serde(rename = "clientIP")]
    pub(super) client_ip: Option<ClientIp>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientIp {
    pub(super) timeout_seconds: Option<i32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EndpointSlice {
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) endpoints: Option<Vec<Endpoint>>,
    pub(super) ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub(super) addresses: Option<Vec<String>>,
    pub(super) conditions: Option<EndpointConditions>,
    pub(super) hints: Option<Hints>,
    pub(super) node_name: Option<String>,
    pub(super) target_ref: Option<Reference>,
    pub(super) zone: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct EndpointConditions {
    pub(super) ready: Option<bool>,
    pub(super) serving: Option<bool>,
    pub(super) terminating: Option<bool>,
}

/// For whose clients an endpoint is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Hints {
    pub(super) for_zones: Option<Vec<Named>>,
    pub(super) for_nodes: Option<Vec<Named>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) status: Option<PodStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodStatus {
    pub(super) conditions: Option<Vec<Condition>>,
    #[serde(rename = "podIPs")]
    pub(super) pod_ips: Option<Vec<PodIp>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PodIp {
    pub(super) ip: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) status: Option<String>,
    pub(super) last_transition_time: Option<Time>,
}

impl Condition {
    /// Whether it is a condition of this kind that holds.
    pub(super) fn holds(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind) && self.status.as_deref() == Some("True")
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct StatefulSet {
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) spec: Option<StatefulSetSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct StatefulSetSpec {
    pub(super) ordinals: Option<Ordinals>,
    pub(super) replicas: Option<i32>,
    pub(super) volume_claim_templates: Option<Vec<ClaimTemplate>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ordinals {
    pub(super) start: Option<i32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ClaimTemplate {
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Debug, Deserialize)]
pub(super) struct Claim {
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) spec: Option<ClaimSpec>,
    pub(super) status: Option<ClaimStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClaimSpec {
    pub(super) resources: Option<Requests>,
    pub(super) storage_class_name: Option<String>,
    pub(super) volume_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Requests {
    pub(super) requests: Option<Quantities>,
}

/// Of several resources.
#[derive(Debug, Deserialize)]
pub(super) struct Quantities {
    /// As it was written, such as `1Gi`.
    pub(super) storage: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ClaimStatus {
    pub(super) access_modes: Option<Vec<String>>,
    pub(super) capacity: Option<Quantities>,
    pub(super) conditions: Option<Vec<Condition>>,
    pub(super) phase: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Volume {
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) spec: Option<VolumeSpec>,
    pub(super) status: Option<VolumeStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeSpec {
    pub(super) claim_ref: Option<Reference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VolumeStatus {
    pub(super) last_phase_transition_time: Option<Time>,
    pub(super) phase: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StorageClass {
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) volume_binding_mode: Option<String>,
}

/// An object of which nothing but its metadata matters.
#[derive(Debug, Deserialize)]
pub(super) struct Bare {
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(rename = "eventTime")]
    pub(super) at: Option<MicroTime>,
    pub(super) first_timestamp: Option<Time>,
    pub(super) last_timestamp: Option<Time>,
    pub(super) involved_object: Option<Reference>,
    pub(super) message: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) series: Option<Series>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Series {
    pub(super) last_observed_time: Option<MicroTime>,
}

macro_rules! say_of_themselves {
    ($($kind:ident)*) => {$(
        impl AsMut<Metadata> for $kind {
            fn as_mut(&mut self) -> &mut Metadata {
                &mut self.metadata
            }
        }
    )*};
}

say_of_themselves!(Service EndpointSlice Pod StatefulSet Claim Volume StorageClass Bare Event);
