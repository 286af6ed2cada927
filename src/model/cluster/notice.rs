//! The notices about the cluster: each sentence says what is wrong and what to do.

use std::{fmt, sync::Arc, time::Duration};

use super::{change::Kind, milestones::Milestone, objects::PvcReason};
use crate::model::base::{ObjectName, Severity};

#[derive(Clone, Debug, PartialEq)]
pub enum ClusterNotice {
    Forbidden {
        kind: Kind,
        /// Empty for the whole cluster.
        namespace: Arc<str>,
    },
    WatchBroken {
        kind: Kind,
        /// Empty for the whole cluster.
        namespace: Arc<str>,
        text: Arc<str>,
    },
    WatchMended {
        kind: Kind,
        /// Empty for the whole cluster.
        namespace: Arc<str>,
    },
    /// A PVC is pending for at least `pvc_waits::PATIENCE`.
    PvcPending {
        pvc: ObjectName,
        pending: Duration,
        reason: Option<PvcReason>,
    },
    PvcBound {
        pvc: ObjectName,
    },
    /// A `StatefulSet` that the user named does not exist.
    NoStatefulSet {
        set: ObjectName,
    },
    NotRecorded {
        /// The permission is missing.
        forbidden: bool,
        text: Arc<str>,
    },
    Recorded,
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
        known_to: Option<Duration>,
    },
    /// Every replica has arrived or gone.
    ScaleOver {
        from: u32,
        to: u32,
        /// Absent if the start was not seen.
        lasted: Option<Duration>,
    },
}

impl ClusterNotice {
    /// How urgent the notice is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::WatchMended { .. }
            | Self::PvcBound { .. }
            | Self::Recorded
            | Self::ScaleBegan { .. }
            | Self::Reached { .. }
            | Self::ScaleOver { .. } => Severity::Info,
            Self::Forbidden { .. }
            | Self::WatchBroken { .. }
            | Self::PvcPending { .. }
            | Self::NoStatefulSet { .. }
            | Self::NotRecorded { .. } => Severity::Warning,
        }
    }

    /// The `reason` of the Kubernetes Event about the `StatefulSet`; `None` if no Event is written.
    #[must_use]
    pub fn event_reason(&self) -> Option<String> {
        match self {
            Self::ScaleBegan { .. } => Some("Scaling".to_owned()),
            Self::ScaleOver { .. } => Some("Scaled".to_owned()),
            Self::PvcPending { .. } => Some("PvcPending".to_owned()),
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
            Self::Forbidden { kind, namespace } => write!(
                f,
                "not allowed to read {}, so what they would tell is missing; grant list and watch on them to readscope's \
                 ServiceAccount",
                Objects(*kind, namespace)
            ),
            Self::WatchBroken { kind, namespace, text } => {
                write!(f, "cannot watch {}, and tries again: {text}", Objects(*kind, namespace))
            }
            Self::WatchMended { kind, namespace } => write!(f, "{} are watched again", Objects(*kind, namespace)),
            Self::PvcPending { pvc, pending, reason: Some(reason) } => write!(
                f,
                "PVC {} has been pending for {} s: {reason}; {}",
                pvc.name,
                pending.as_secs(),
                reason.advice()
            ),
            Self::PvcPending { pvc, pending, reason: None } => write!(
                f,
                "PVC {0} has been pending for {1} s; `kubectl --namespace {2} describe pvc {0}` tells why",
                pvc.name,
                pending.as_secs(),
                pvc.namespace
            ),
            Self::PvcBound { pvc } => write!(f, "PVC {} is bound at last", pvc.name),
            Self::NoStatefulSet { set } => {
                write!(f, "there is no StatefulSet {set}; check --statefulset, or leave it out to have it found")
            }
            Self::NotRecorded { forbidden: true, .. } => f.write_str(
                "not allowed to write milestones as Kubernetes Events; grant create on events.events.k8s.io to \
                 readscope's ServiceAccount, or leave --kubernetes.events out",
            ),
            Self::NotRecorded { forbidden: false, text } => {
                write!(f, "cannot write milestones as Kubernetes Events: {text}; the log has them all the same")
            }
            Self::Recorded => f.write_str("milestones are written as Kubernetes Events again"),
            Self::ScaleBegan { from, to } => write!(f, "scaling from {from} to {to} replicas"),
            Self::Reached { replica, milestone, since_request, known_to } => {
                write!(f, "{replica} {milestone}")?;
                if let Some(since) = since_request {
                    write!(f, " {:.1} s after the request", since.as_secs_f64())?;
                }
                known_to.map_or(Ok(()), |known_to| write!(f, " (known to {:.2} s)", known_to.as_secs_f64()))
            }
            Self::ScaleOver { from, to, lasted: Some(lasted) } => {
                write!(f, "scaled from {from} to {to} replicas in {:.1} s", lasted.as_secs_f64())
            }
            Self::ScaleOver { from, to, lasted: None } => write!(f, "scaled from {from} to {to} replicas"),
        }
    }
}

/// Names the objects in a sentence.
struct Objects<'a>(Kind, &'a str);

impl fmt::Display for Objects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            "" => write!(f, "{} of the cluster", self.0.resource()),
            namespace => write!(f, "{} in the namespace {namespace}", self.0.resource()),
        }
    }
}
