//! What people should know about a target: each sentence says what is so and, where something is wrong, what to do.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::model::{
    base::{OTHER, REPLICAS_MAX, Severity},
    cluster::Rule,
    probe::{Anomaly, FailureReason, Role, Unrouted},
    verdict::{FewSamples, Verdict},
};

/// One thing about a target that a person should know; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetNotice {
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
        stranger: Unrouted,
        /// How often such servers answered since the first of this run.
        answers: u64,
    },
    /// Such servers answer no more.
    StrangeNoMore {
        /// How they stood to the Service.
        stranger: Unrouted,
        /// How often they had answered.
        answers: u64,
    },
    /// The Service routes nothing to where the probe is, by this rule.
    NothingRouted {
        /// The rule.
        rule: Rule,
    },
}

impl TargetNotice {
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
            | Self::StrangeNoMore { .. } => Severity::Info,
            Self::Anomaly { .. }
            | Self::FewSamples(_)
            | Self::Silent { .. }
            | Self::Failing { .. }
            | Self::Skipping { .. }
            | Self::TooManyReplicas
            | Self::Strange { .. }
            | Self::NothingRouted { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for TargetNotice {
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
        }
    }
}
