//! Every sentence for people about what readscope sees, in one place: the same in log, API, page and terminal.
//! Each says what is so and, where something is wrong, what to do.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::model::{
    act::Act,
    cluster::{ClaimReason, Kind, Milestone, ObjectName, Rule},
    probe::{Anomaly, FailureReason},
    target::{OTHER, REPLICAS_MAX, Role},
    verdict::{FewSamples, Verdict},
};

/// How much a notice asks of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
}

/// One thing about a target that a person should know; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The verdict on the target's reads is another one.
    Verdict(Verdict),
    /// Answers show something wrong.
    Anomaly {
        /// The latest one.
        anomaly: Anomaly,
        /// How many answers since the first of this run showed the like.
        answers: u64,
    },
    /// The replicas are not all of one version.
    VersionSkew {
        /// Who says to be of which.
        versions: BTreeMap<String, Vec<Arc<str>>>,
    },
    /// Too few samples fit into the false-alarm period.
    FewSamples(FewSamples),
    /// A replica's first answer.
    Appeared {
        /// Its name.
        replica: Arc<str>,
        /// Its `server_id`.
        server_id: u32,
        /// What it is.
        role: Role,
        /// Its version, as it writes it.
        version: String,
    },
    /// A replica's series have ended.
    Forgotten {
        /// Its name.
        replica: Arc<str>,
        /// How long it had not answered.
        after: Duration,
    },
    /// A replica gives none of the answers that it should give a part of.
    Silent {
        /// Its name.
        replica: Arc<str>,
        /// The part it should give, 0 to 1.
        share: f64,
        /// Answers of others since its last one.
        missed: u64,
    },
    /// A replica that was silent answers again.
    Returned {
        /// Its name.
        replica: Arc<str>,
    },
    /// Samples fail for one reason.
    Failing {
        /// The reason.
        reason: FailureReason,
        /// How many failed since the first of this run of failures.
        failed: u64,
        /// Of how many samples.
        samples: u64,
        /// The latest error.
        text: String,
    },
    /// Samples no longer fail for a reason.
    Recovered {
        /// The reason.
        reason: FailureReason,
        /// How many had failed.
        failed: u64,
        /// For how long none has failed.
        quiet: Duration,
    },
    /// Samples are not taken when they are due.
    Skipping {
        /// How many were not, since the first of this run.
        skipped: u64,
    },
    /// Samples are taken again when they are due.
    OnTime {
        /// How many had not been.
        skipped: u64,
    },
    /// There are more replicas than are told apart.
    TooManyReplicas,
    /// A server answered to which nothing should have been routed.
    Strange {
        /// Its name.
        replica: Arc<str>,
        /// How it stands to the Service.
        stranger: Stranger,
        /// How often such servers answered since the first of this run.
        answers: u64,
    },
    /// Such servers answer no more.
    StrangeNoMore {
        /// How they stood to the Service.
        stranger: Stranger,
        /// How often they had answered.
        answers: u64,
    },
    /// The Service routes nothing to where the probe is, by this rule.
    NothingRouted {
        /// The rule.
        rule: Rule,
    },
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
    /// The demo begins another act.
    Announced(Act),
    /// A configuration was loaded while another was in force.
    Reconfigured {
        /// How many targets there are now.
        targets: usize,
    },
    /// A configuration was refused, and the one before stays in force.
    ConfigurationRefused {
        /// Why.
        why: Arc<str>,
    },
}

/// How a server that answers stands to the Service, where nothing should have been routed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stranger {
    /// It is no endpoint.
    NoEndpoint,
    /// It is an endpoint for clients elsewhere.
    Elsewhere,
    /// It is not ready.
    NotReady,
    /// It is terminating.
    Terminating,
}

impl Notice {
    /// How much it asks of its reader.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Verdict(verdict) if verdict.is_unbalanced() => Severity::Warning,
            Self::Verdict(_)
            | Self::VersionSkew { .. }
            | Self::Appeared { .. }
            | Self::Forgotten { .. }
            | Self::Returned { .. }
            | Self::Recovered { .. }
            | Self::OnTime { .. }
            | Self::StrangeNoMore { .. }
            | Self::WatchMended { .. }
            | Self::ClaimBound { .. }
            | Self::Recorded
            | Self::ScaleBegan { .. }
            | Self::Reached { .. }
            | Self::ScaleOver { .. }
            | Self::Announced(_)
            | Self::Reconfigured { .. } => Severity::Info,
            Self::Anomaly { .. }
            | Self::FewSamples(_)
            | Self::Silent { .. }
            | Self::ConfigurationRefused { .. }
            | Self::Failing { .. }
            | Self::Skipping { .. }
            | Self::TooManyReplicas
            | Self::Strange { .. }
            | Self::NothingRouted { .. }
            | Self::Forbidden { .. }
            | Self::ClaimPending { .. }
            | Self::NoStatefulSet { .. }
            | Self::NotRecorded { .. }
            | Self::WatchBroken { .. } => Severity::Warning,
        }
    }
}

impl Notice {
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

impl fmt::Display for Notice {
    #[expect(clippy::too_many_lines, reason = "one arm a sentence")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Anomaly { anomaly, answers } => write!(f, "{anomaly} ({answers} such answers)"),
            Self::VersionSkew { versions } => {
                f.write_str("the replicas are not all of one version: ")?;
                for (index, (version, replicas)) in versions.iter().enumerate() {
                    write!(f, "{}{} {version}", if index > 0 { "; " } else { "" }, replicas.join(", "))?;
                }
                Ok(())
            }
            Self::FewSamples(few) => few.fmt(f),
            Self::Appeared { replica, server_id, role, version } => {
                write!(f, "{replica} gave its first answer: server_id {server_id}, {}, version {version}", role.name())
            }
            Self::Forgotten { replica, after } => {
                write!(f, "{replica} has not answered for {} s and is forgotten: its series end here", after.as_secs())
            }
            Self::Silent { replica, share, missed } => write!(
                f,
                "{replica} should give {:.0} % of the answers but gave none of the last {missed}; \
                 check that it runs, is ready, and that the Service selects it",
                share * 100.0
            ),
            Self::Returned { replica } => write!(f, "{replica} answers again"),
            Self::Failing { reason, failed: 1, samples: 1, text } => {
                write!(f, "a sample failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Failing { reason, failed, samples, text } => {
                write!(f, "{failed} of the last {samples} samples failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Recovered { reason, failed, quiet } => {
                write!(f, "no sample has failed ({reason}) for {} s, after {failed} that did", quiet.as_secs())
            }
            Self::Skipping { skipped } => write!(
                f,
                "samples were not taken when they were due ({skipped} so far), because others were still under way or \
                 the program came late; raise --interval or --max-in-flight, or lower --timeout"
            ),
            Self::OnTime { skipped } => {
                write!(f, "samples are taken on time again, after {skipped} that were not taken")
            }
            Self::TooManyReplicas => {
                write!(f, "more than {REPLICAS_MAX} replicas answer; those past that are counted together as {OTHER:?}")
            }
            Self::Strange { replica, stranger, answers } => write!(
                f,
                "{replica} answered through the Service although it {stranger} ({answers} such answers); check \
                 kube-proxy on the probe's node, and whether the address is really this Service's"
            ),
            Self::StrangeNoMore { stranger, answers } => {
                write!(f, "no server that {stranger} answers any more, after {answers} answers of such")
            }
            Self::NothingRouted { rule: Rule::Ready | Rule::Headless } => f.write_str(
                "nothing is expected to answer here: no pod behind the Service is ready; check the pods, and that the \
                 Service's selector finds them",
            ),
            Self::NothingRouted { rule } => write!(f, "nothing is expected to answer here: {rule}"),
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
            Self::Announced(act) => act.fmt(f),
            Self::Reconfigured { targets } => write!(f, "the configuration was loaded anew; targets now: {targets}"),
            Self::ConfigurationRefused { why } => write!(f, "a new configuration was refused, the old stays: {why}"),
        }
    }
}

impl Stranger {
    /// Every one, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::NoEndpoint, Self::Elsewhere, Self::NotReady, Self::Terminating];

    /// The name in metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEndpoint => "no_endpoint",
            Self::Elsewhere => "elsewhere",
            Self::NotReady => "not_ready",
            Self::Terminating => "terminating",
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "is no endpoint of it",
            Self::Elsewhere => "is an endpoint for clients elsewhere",
            Self::NotReady => "is not ready",
            Self::Terminating => "is terminating",
        })
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
