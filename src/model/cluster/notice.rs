//! The notices about the cluster: each sentence says what is wrong and what to do.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    change::{Kind, Problem, WatchName},
    milestones::Milestone,
    objects::PvcReason,
};
use crate::model::base::{Count, HumanDuration, ObjectName, Severity};

#[derive(Clone, Debug, PartialEq)]
pub enum ClusterNotice {
    Forbidden {
        watch: WatchName,
    },
    WatchBroken {
        watch: WatchName,
        text: Arc<str>,
    },
    WatchRecovered {
        watch: WatchName,
    },
    /// A PVC is pending for at least `pvc_waits::PATIENCE`.
    PvcPending {
        pvc: ObjectName,
        pending: Duration,
        reason: Option<PvcReason>,
    },
    /// The `PersistentVolume` of a PVC is gone.
    PvcLost {
        pvc: ObjectName,
        /// Uses the PVC.
        pod: Arc<str>,
        volume: Option<Arc<str>>,
        /// Since readscope first saw it.
        lasting: Duration,
    },
    PvcBound {
        pvc: ObjectName,
    },
    /// A `StatefulSet` that the user named does not exist.
    NoStatefulSet {
        set: ObjectName,
    },
    /// The pods behind a Service belong to no `StatefulSet`.
    WithoutStatefulSet {
        service: ObjectName,
        /// Kind of their controller.
        owner: Option<Arc<str>>,
    },
    EventsNotWritten {
        problem: Problem,
    },
    EventsWritten,
    /// This readscope counts scale events and writes Kubernetes Events.
    Leads {
        lease: ObjectName,
    },
    /// Another readscope does.
    Follows {
        lease: ObjectName,
        leader: Arc<str>,
    },
    LeaseFailed {
        lease: ObjectName,
        problem: Problem,
    },
    /// `spec.replicas` changed.
    ScaleBegan {
        from: u32,
        to: u32,
    },
    Reached {
        replica: Arc<str>,
        milestone: Milestone,
        /// Absent if the request or the milestone was not seen live.
        since_request: Option<Duration>,
        /// How late the milestone may have been seen, where only probes show it.
        uncertainty: Option<Duration>,
    },
    /// Every replica has arrived or gone.
    ScaleOver {
        from: u32,
        to: u32,
        /// Absent if the start or end was not seen, or if a later event took over a replica before it arrived.
        lasted: Option<Duration>,
    },
}

impl ClusterNotice {
    pub fn severity(&self) -> Severity {
        match self {
            Self::WatchRecovered { .. }
            | Self::WithoutStatefulSet { .. }
            | Self::PvcBound { .. }
            | Self::EventsWritten
            | Self::Leads { .. }
            | Self::Follows { .. }
            | Self::ScaleBegan { .. }
            | Self::Reached { .. }
            | Self::ScaleOver { .. } => Severity::Info,
            Self::Forbidden { .. }
            | Self::WatchBroken { .. }
            | Self::PvcPending { .. }
            | Self::PvcLost { .. }
            | Self::NoStatefulSet { .. }
            | Self::EventsNotWritten { .. }
            | Self::LeaseFailed { .. } => Severity::Warning,
        }
    }

    /// The `reason` of the Kubernetes Event about the `StatefulSet`; `None` if no Event is written.
    pub fn event_reason(&self) -> Option<String> {
        match self {
            Self::ScaleBegan { .. } => Some("Scaling".to_owned()),
            Self::ScaleOver { .. } => Some("Scaled".to_owned()),
            Self::PvcPending { .. } => Some("PvcPending".to_owned()),
            Self::PvcLost { .. } => Some("PvcLost".to_owned()),
            Self::Reached { milestone, .. } => Some(camel_case(milestone.name())),
            _ => None,
        }
    }
}

/// Writes `first_read` as `FirstRead`.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('_').filter(|word| !word.is_empty()).map(capital).collect()
}

impl fmt::Display for ClusterNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forbidden { watch } => {
                write!(f, "not allowed to read {watch}, so their data is missing; ")?;
                let WatchName { kind, namespace } = watch;
                match kind {
                    // Without these, readscope does not know what to expect.
                    Kind::Service | Kind::Slice if !namespace.is_empty() => write!(
                        f,
                        "apply the Role and RoleBinding readscope of deploy/ in namespace {namespace}; an overlay of \
                         deploy/ may have moved them to another namespace (docs/install.md, Overlays)"
                    ),
                    _ => write!(f, "grant list and watch on {} to readscope's ServiceAccount", kind.resource()),
                }
            }
            Self::WatchBroken { watch, text } => write!(f, "failed to watch {watch}, retrying: {text}"),
            Self::WatchRecovered { watch } => write!(f, "watching {watch} again"),
            Self::PvcPending { pvc, pending, reason } => {
                write!(f, "PVC {} has been pending for {}", pvc.name, HumanDuration(*pending))?;
                match reason {
                    Some(reason) => write!(f, ": {reason}; {}", reason.advice()),
                    None => {
                        write!(f, "; run `kubectl --namespace {} describe pvc {}` to see why", pvc.namespace, pvc.name)
                    }
                }
            }
            Self::PvcLost { pvc, pod, volume, lasting } => {
                let volume = volume.as_deref().map(|volume| format!(" {volume}")).unwrap_or_default();
                write!(f, "PVC {} lost its PersistentVolume{volume} ", pvc.name)?;
                write!(f, "(for at least {}): the next restart of {pod} cannot mount it; ", HumanDuration(*lasting))?;
                f.write_str(
                    "back up the data of the pod while it runs, then restore the PersistentVolume, or delete the PVC and \
                     the pod: the StatefulSet creates both again without data",
                )
            }
            Self::PvcBound { pvc } => write!(f, "PVC {} is bound", pvc.name),
            Self::NoStatefulSet { set } => write!(
                f,
                "StatefulSet {set} does not exist; correct its name in the configuration, or remove it there: readscope \
                 finds the StatefulSet of a Service by itself"
            ),
            Self::WithoutStatefulSet { service, owner } => {
                write!(f, "the pods behind {service} belong to ")?;
                match owner {
                    Some(owner) => write!(f, "a {owner}, not to a StatefulSet of Kubernetes")?,
                    None => f.write_str("no controller")?,
                }
                f.write_str(
                    ", so scale events, milestones and PVCs of the replicas are not known; reads and verdict are complete \
                     without them",
                )
            }
            Self::EventsNotWritten { problem: Problem { forbidden: true, .. } } => f.write_str(
                "not allowed to write milestones as Kubernetes Events; grant create on events.events.k8s.io to \
                 readscope's ServiceAccount, or turn the writing of Events off",
            ),
            Self::EventsNotWritten { problem: Problem { text, .. } } => {
                write!(f, "failed to write milestones as Kubernetes Events: {text}; the log contains them")
            }
            Self::EventsWritten => f.write_str("writing milestones as Kubernetes Events again"),
            Self::Leads { lease } => {
                write!(f, "this readscope is the leader by Lease {lease}: it counts the scale events")
            }
            Self::Follows { lease, leader } => {
                write!(
                    f,
                    "{leader} is the leader by Lease {lease}: it counts the scale events, this readscope does not"
                )
            }
            Self::LeaseFailed { lease, problem: Problem { forbidden: true, .. } } => write!(
                f,
                "not allowed to use Lease {lease}, so this readscope does not count scale events; grant get, create and \
                 update on leases.coordination.k8s.io in namespace {} to readscope's ServiceAccount",
                lease.namespace
            ),
            Self::LeaseFailed { lease, problem: Problem { text, .. } } => write!(
                f,
                "failed to use Lease {lease}, retrying: {text}; until then, this readscope does not count scale events"
            ),
            Self::ScaleBegan { from, to } => write!(f, "scaling from {from} to {}", Count(*to, "replica")),
            Self::Reached { replica, milestone, since_request, uncertainty } => {
                write!(f, "{replica}: {milestone}")?;
                let since = since_request.map(|since| format!("+{:.1}", HumanDuration(since)));
                let late = uncertainty.map(|late| format!("at most {:.2} late", HumanDuration(late)));
                let details: Vec<_> = since.into_iter().chain(late).collect();
                if details.is_empty() { Ok(()) } else { write!(f, " ({})", details.join(", ")) }
            }
            Self::ScaleOver { from, to, lasted } => {
                write!(f, "scaled from {from} to {}", Count(*to, "replica"))?;
                lasted.map_or(Ok(()), |lasted| write!(f, " in {:.1}", HumanDuration(lasted)))
            }
        }
    }
}
