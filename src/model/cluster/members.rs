//! The pods that are endpoints of a Service, and the other pods that its `StatefulSet`s should have: whether each is ready,
//! what keeps it from being so, and which planned step explains it.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

use super::{
    milestones::Milestone,
    objects::{PodTrouble, PodTroubleKind, PvcPhase, PvcReason},
    pods::TrackedPod,
    pvc_waits::Reasons,
    routing::{EndpointRouting, Routed, Routing},
    scale_events::ScaleEvents,
    tracked::TrackedObjects,
};
use crate::model::base::{ObjectName, REPLICAS_MAX};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: Arc<str>,
    /// Absent without a pod.
    pub(crate) uid: Option<Arc<str>>,
    pub(crate) endpoint: Option<EndpointRouting>,
    pub(crate) state: PodState,
    /// By the clock of the API server.
    pub(crate) since: Option<Timestamp>,
    pub(crate) step: Option<Step>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PodState {
    Ready,
    Absent,
    Terminating,
    Unscheduled(Box<str>),
    /// Its PVC has no volume: not yet, or it is lost.
    WithoutVolume {
        pvc: Arc<str>,
        reason: Option<PvcReason>,
        lost: bool,
    },
    Waiting(Box<str>),
    /// It has never been ready.
    Starting,
    NotReady(Box<str>),
}

/// A planned change of the `StatefulSet`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    ScaleEvent { from: u32, to: u32 },
    RollOut { updated: u32, replicas: u32 },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScaleEvent { from, to } => write!(f, "scale event from {from} to {to} replicas"),
            Self::RollOut { updated, replicas } => write!(f, "roll-out, {updated} of {replicas} pods are updated"),
        }
    }
}

/// `pods_known`: the pods were listed, so a pod that is not tracked does not exist.
pub(super) fn members<'a>(
    service: &ObjectName,
    routing: &Routing,
    sets: impl Iterator<Item = &'a ScaleEvents>,
    tracked: &TrackedObjects,
    reasons: &Reasons,
    pods_known: bool,
) -> Vec<Member> {
    let mut members: Vec<Member> =
        routing.endpoints.iter().filter_map(|endpoint| at(endpoint, service, tracked)).collect();
    let mut wanted: Vec<Arc<str>> = Vec::new();
    let mut here: Vec<&Arc<str>> = Vec::new();
    for (events, set) in sets.filter_map(|events| Some((events, events.set.as_ref()?))) {
        here.push(&set.name.name);
        for ordinal in set.ordinals().take(REPLICAS_MAX) {
            let name = set.name.sibling(&set.pod_name(ordinal));
            wanted.push(Arc::clone(&name.name));
            let known = members.iter().position(|member| member.name == name.name);
            let pod = tracked.pod(&name);
            let at = match (known, pod) {
                (Some(at), _) => at,
                (None, None) if !pods_known => continue,
                (None, _) if members.len() >= REPLICAS_MAX => break,
                (None, _) => {
                    members.push(Member::of(&name.name, pod));
                    members.len() - 1
                }
            };
            let member = &mut members[at];
            let roll_out = set.rollout.filter(|rollout| rollout.updated < rollout.replicas);
            let roll_out =
                roll_out.map(|rollout| Step::RollOut { updated: rollout.updated, replicas: rollout.replicas });
            let scale_event = events.adding(ordinal).map(|event| Step::ScaleEvent { from: event.from, to: event.to });
            member.step = scale_event.or(roll_out);
            if matches!(member.state, PodState::Unscheduled(_) | PodState::Starting) {
                let pvcs = set.pvc_names(ordinal).filter_map(|pvc| tracked.pvc(&set.name.sibling(&pvc)));
                let without = pvcs.filter(|tracked| tracked.pvc.phase != PvcPhase::Bound).find_map(|tracked| {
                    let reason = reasons.of(&tracked.pvc.name, &tracked.pvc.uid).cloned();
                    let lost = tracked.pvc.phase == PvcPhase::Lost;
                    let why = reason.as_ref().is_some_and(|reason| !reason.waits_for_pod());
                    let pvc = Arc::clone(&tracked.pvc.name.name);
                    (lost || why).then_some(PodState::WithoutVolume { pvc, reason, lost })
                });
                member.state = without.unwrap_or_else(|| member.state.clone());
            }
        }
    }
    // A pod that goes for good is not missing.
    let goes = |member: &Member| {
        let pod = tracked.pod(&service.sibling(&member.name));
        let is_removed = pod.and_then(|pod| pod.statefulset.as_ref()).is_some_and(|set| here.contains(&set));
        member.state == PodState::Terminating || is_removed && member.state != PodState::Ready
    };
    members.retain(|member| wanted.contains(&member.name) || !goes(member));
    members
}

fn at(endpoint: &Routed, service: &ObjectName, tracked: &TrackedObjects) -> Option<Member> {
    let pod = endpoint.pod.as_ref()?;
    let known = tracked.pod(&service.sibling(&pod.name));
    if known.is_some_and(|known| known.uid != pod.uid) {
        // The pod that replaces it counts.
        return None;
    }
    let mut member = Member::of(&pod.name, known);
    if known.is_none() {
        member.uid = Some(Arc::clone(&pod.uid));
        member.state = match endpoint.standing {
            EndpointRouting::Terminating => PodState::Terminating,
            // Its pod would say whether it was ready before.
            EndpointRouting::NotReady => PodState::Starting,
            EndpointRouting::Routed | EndpointRouting::Elsewhere => PodState::Ready,
        };
    }
    Some(Member { endpoint: Some(endpoint.standing), ..member })
}

impl Member {
    fn of(name: &Arc<str>, pod: Option<&TrackedPod>) -> Self {
        let written = |pod: &TrackedPod, milestone| pod.milestones.get(milestone).map(|date| date.wall);
        let (state, since) = match (pod, pod.and_then(|pod| pod.trouble.as_deref())) {
            (None, _) => (PodState::Absent, None),
            (Some(pod), _) if pod.terminating() => (PodState::Terminating, written(pod, Milestone::Terminating)),
            (Some(pod), _) if pod.ready => (PodState::Ready, None),
            (Some(pod), None) => (PodState::Starting, written(pod, Milestone::PodCreated)),
            (Some(_), Some(PodTrouble { kind, text, since })) => {
                let state = match kind {
                    PodTroubleKind::Unscheduled => PodState::Unscheduled,
                    PodTroubleKind::Waiting => PodState::Waiting,
                    PodTroubleKind::NotReady => PodState::NotReady,
                };
                (state(text.clone()), *since)
            }
        };
        let uid = pod.map(|pod| Arc::clone(&pod.uid));
        Self { name: Arc::clone(name), uid, endpoint: None, state, since, step: None }
    }
}
