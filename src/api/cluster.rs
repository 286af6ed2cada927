//! Kubernetes data of a target: its routing and PVCs.

use serde::{Deserialize, Serialize};

use super::{Text, Time};
use crate::model::{
    TargetSnapshot,
    cluster::{self, ClusterSnapshot, PvcPhase, PvcReason, PvcSnapshot, StatefulSetSnapshot},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Routing<'a> {
    pub why: Text<'a>,
    pub affinity_seconds: Option<f64>,
    pub endpoints: Vec<Endpoint<'a>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint<'a> {
    pub replica: Text<'a>,
    pub addresses: Vec<Text<'a>>,
    pub serving: bool,
    pub routed: bool,
    pub standing: Text<'a>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pvc<'a> {
    pub statefulset: Text<'a>,
    pub pvc: Text<'a>,
    pub phase: Text<'a>,
    pub storage_class: Option<Text<'a>>,
    pub volume: Option<Text<'a>>,
    pub requested: Option<Text<'a>>,
    pub capacity: Option<Text<'a>>,
    /// Abbreviated as `kubectl` does.
    pub access_modes: Option<Text<'a>>,
    #[serde(default)]
    pub resizing: bool,
    pub pending_seconds: Option<f64>,
    pub reason: Option<Text<'a>>,
    pub message: Option<Text<'a>>,
    pub advice: Option<Text<'a>>,
    pub created: Option<Time>,
    pub bound: Option<Time>,
}

impl<'a> Routing<'a> {
    pub(super) fn of(routing: &'a cluster::Routing) -> Self {
        let endpoint = |endpoint: &'a cluster::Routed| Endpoint {
            replica: (&*endpoint.name).into(),
            addresses: endpoint.addresses.iter().map(|address| address.to_string().into()).collect(),
            serving: endpoint.serving,
            routed: endpoint.standing == cluster::EndpointRouting::Routed,
            standing: endpoint.standing.to_string().into(),
        };
        Self {
            why: routing.to_string().into(),
            affinity_seconds: routing.affinity.map(|stays| stays.as_secs_f64()),
            endpoints: routing.endpoints.iter().map(endpoint).collect(),
        }
    }
}

impl<'a> Pvc<'a> {
    /// The PVCs in the namespace of the target; none for a target without a namespace.
    pub(super) fn beside(target: &TargetSnapshot, cluster: &'a ClusterSnapshot) -> Vec<Self> {
        let sets = cluster.statefulsets.iter().filter(|set| is_beside(set, target));
        sets.flat_map(|set| set.pvcs.iter().map(|shown| Self::of(set, shown))).collect()
    }

    fn of(set: &'a StatefulSetSnapshot, PvcSnapshot { pvc, pending, bound, reason }: &'a PvcSnapshot) -> Self {
        let phase = match pvc.phase {
            PvcPhase::Pending => "Pending",
            PvcPhase::Bound => "Bound",
            PvcPhase::Lost => "Lost",
        };
        let reason = reason.as_ref();
        Self {
            statefulset: set.name.to_string().into(),
            pvc: (&*pvc.name.name).into(),
            phase: phase.into(),
            storage_class: pvc.storage_class.as_deref().map(Into::into),
            volume: pvc.volume.as_deref().map(Into::into),
            requested: pvc.requested.as_deref().map(Into::into),
            capacity: pvc.capacity.as_deref().map(Into::into),
            access_modes: (!pvc.access_modes.is_empty()).then(|| pvc.access_modes.to_string().into()),
            resizing: pvc.resizing,
            pending_seconds: pending.map(|pending| pending.as_secs_f64()),
            reason: reason.map(|reason| (&*reason.reason).into()),
            message: reason.map(|reason| (&*reason.message).into()),
            advice: reason.map(|reason| PvcReason::advice(reason).into()),
            created: pvc.created.map(Time),
            bound: bound.map(Time),
        }
    }
}

/// Whether the `StatefulSet` is in the namespace of the target.
pub(super) fn is_beside(set: &StatefulSetSnapshot, target: &TargetSnapshot) -> bool {
    target.service.as_ref().is_some_and(|service| service.namespace == set.name.namespace)
}
