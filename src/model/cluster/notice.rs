//! What people should know about what Kubernetes says: each sentence says what is so and, where something is wrong,
//! what to do.

use std::{fmt, sync::Arc, time::Duration};

use super::{change::Kind, milestones::Milestone, objects::ClaimReason};
use crate::model::base::{ObjectName, Severity};

/// One thing about the cluster that a person should know; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum ClusterNotice {
    /// A kind of Kubernetes objects may not be read.
    Forbidden {
        /// The kind.
        kind: Kind,
        /// The namespace; empty for the whole cluster.
        namespace: Arc<str>,
    },
    /// A kind of Kubernetes objects cannot be watched at present.
    WatchBroken {
        /// The kind.
        kind: Kind,
        /// The namespace; empty for the whole cluster.
        namespace: Arc<str>,
        /// The error.
        text: Arc<str>,
    },
    /// A kind of Kubernetes objects is watched again.
    WatchMended {
        /// The kind.
        kind: Kind,
        /// The namespace; empty for the whole cluster.
        namespace: Arc<str>,
    },
    /// A claim has been waiting for its volume for too long.
    ClaimPending {
        /// Which.
        claim: ObjectName,
        /// For how long.
        pending: Duration,
        /// Why, as far as Events tell.
        reason: Option<ClaimReason>,
    },
    /// A claim that had been waiting for too long has its volume.
    ClaimBound {
        /// Which.
        claim: ObjectName,
    },
    /// A `StatefulSet` that somebody named does not exist.
    NoStatefulSet {
        /// Which.
        set: ObjectName,
    },
    /// Milestones cannot be written as Kubernetes Events.
    NotRecorded {
        /// The permission is missing.
        forbidden: bool,
        /// The error.
        text: Arc<str>,
    },
    /// Milestones can be written as Kubernetes Events again.
    Recorded,
    /// Replicas were asked for or taken away.
    ScaleBegan {
        /// How many there were.
        from: u32,
        /// How many there should be.
        to: u32,
    },
    /// A replica has reached a milestone of a scale event.
    Reached {
        /// Its name.
        replica: Arc<str>,
        /// The milestone.
        milestone: Milestone,
        /// The time since the request, if both were seen.
        since_request: Option<Duration>,
        /// The time to which its moment is known, where samples alone show it.
        known_to: Option<Duration>,
    },
    /// A scale event is over.
    ScaleOver {
        /// How many replicas there were.
        from: u32,
        /// How many there are.
        to: u32,
        /// How long it took, if its start was seen.
        lasted: Option<Duration>,
    },
}

impl ClusterNotice {
    /// How much it asks of its reader.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::WatchMended { .. }
            | Self::ClaimBound { .. }
            | Self::Recorded
            | Self::ScaleBegan { .. }
            | Self::Reached { .. }
            | Self::ScaleOver { .. } => Severity::Info,
            Self::Forbidden { .. }
            | Self::WatchBroken { .. }
            | Self::ClaimPending { .. }
            | Self::NoStatefulSet { .. }
            | Self::NotRecorded { .. } => Severity::Warning,
        }
    }

    /// The word under which it is written as a Kubernetes Event about its `StatefulSet`, if it is worth one.
    #[must_use]
    pub fn event_reason(&self) -> Option<String> {
        match self {
            Self::ScaleBegan { .. } => Some("Scaling".to_owned()),
            Self::ScaleOver { .. } => Some("Scaled".to_owned()),
            Self::ClaimPending { .. } => Some("ClaimPending".to_owned()),
            Self::Reached { milestone, .. } => Some(camel_case(milestone.name())),
            _ => None,
        }
    }
}

/// `first_read` as `FirstRead`.
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
            Self::ClaimPending { claim, pending, reason: Some(reason) } => write!(
                f,
                "claim {} has been pending for {} s: {reason}; {}",
                claim.name,
                pending.as_secs(),
                reason.advice()
            ),
            Self::ClaimPending { claim, pending, reason: None } => write!(
                f,
                "claim {0} has been pending for {1} s; `kubectl --namespace {2} describe pvc {0}` tells why",
                claim.name,
                pending.as_secs(),
                claim.namespace
            ),
            Self::ClaimBound { claim } => write!(f, "claim {} is bound at last", claim.name),
            Self::NoStatefulSet { set } => {
                write!(f, "there is no StatefulSet {set}; check --statefulset, or leave it out to have it found")
            }
            Self::NotRecorded { forbidden: true, .. } => f.write_str(
                "not allowed to write milestones as Cluster Events; grant create on events.events.k8s.io to \
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

/// Kubernetes objects as a sentence names them.
struct Objects<'a>(Kind, &'a str);

impl fmt::Display for Objects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            "" => write!(f, "{} of the cluster", self.0.resource()),
            namespace => write!(f, "{} in the namespace {namespace}", self.0.resource()),
        }
    }
}
