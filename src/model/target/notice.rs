//! Notices about a target. Each says what is the case and, if something is wrong, what to do.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::model::{
    base::{Count, HumanDuration, OTHER, REPLICAS_MAX, Severity},
    cluster::Rule,
    probe::{Anomaly, FailureReason, Role, Unrouted},
    verdict::{FewProbes, Verdict},
};

#[derive(Clone, Debug, PartialEq)]
pub enum TargetNotice {
    Verdict(Verdict),
    Anomaly {
        anomaly: Anomaly,
        /// Reads since the condition began.
        reads: u64,
    },
    VersionSkew {
        versions: BTreeMap<String, Vec<Arc<str>>>,
    },
    FewProbes(FewProbes),
    Appeared {
        replica: Arc<str>,
        server_id: u32,
        role: Role,
        version: String,
    },
    Forgotten {
        replica: Arc<str>,
        after: Duration,
    },
    Silent {
        replica: Arc<str>,
        /// Expected share, 0 to 1.
        share: f64,
        /// Reads of others since its last one.
        missed: u64,
    },
    Returned {
        replica: Arc<str>,
    },
    Failing {
        reason: FailureReason,
        /// Since the condition began.
        failed: u64,
        /// Probes since the condition began.
        probes: u64,
        text: String,
    },
    Recovered {
        reason: FailureReason,
        failed: u64,
        /// Time since the last failure.
        quiet: Duration,
    },
    Skipping {
        /// Since the condition began.
        skipped: u64,
    },
    OnTime {
        skipped: u64,
    },
    TooManyReplicas,
    Unrouted {
        replica: Arc<str>,
        unrouted: Unrouted,
        /// Reads of servers with this standing since the condition began.
        reads: u64,
    },
    UnroutedCleared {
        unrouted: Unrouted,
        reads: u64,
    },
    /// The Service routes nothing to the location of readscope, because of this rule.
    NothingRouted {
        rule: Rule,
    },
}

impl TargetNotice {
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
            | Self::UnroutedCleared { .. } => Severity::Info,
            Self::Anomaly { .. }
            | Self::FewProbes(_)
            | Self::Silent { .. }
            | Self::Failing { .. }
            | Self::Skipping { .. }
            | Self::TooManyReplicas
            | Self::Unrouted { .. }
            | Self::NothingRouted { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for TargetNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Anomaly { anomaly, reads } => write!(f, "{anomaly} ({} so far)", Count(*reads, "read")),
            Self::VersionSkew { versions } => {
                f.write_str("the replicas run different versions: ")?;
                for (index, (version, replicas)) in versions.iter().enumerate() {
                    write!(f, "{}{version} on {}", if index > 0 { "; " } else { "" }, replicas.join(", "))?;
                }
                Ok(())
            }
            Self::FewProbes(few) => few.fmt(f),
            Self::Appeared { replica, server_id, role, version } => {
                write!(f, "{replica}: first read (server_id {server_id}, {}, version {version})", role.name())
            }
            Self::Forgotten { replica, after } => {
                write!(f, "{replica} has given no reads for {}; its metrics end here", HumanDuration(*after))
            }
            Self::Silent { replica, share, missed } => write!(
                f,
                "{replica} gave none of the last {} where {:.0} % is expected; check that it runs, is ready, and that the \
                 Service selects it",
                Count(*missed, "read"),
                share * 100.0
            ),
            Self::Returned { replica } => write!(f, "{replica} gives reads again"),
            Self::Failing { reason, failed: 1, probes: 1, text } => {
                write!(f, "a probe failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Failing { reason, failed, probes, text } => {
                let probes = Count(*probes, "probe");
                write!(f, "{failed} of the last {probes} failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Recovered { reason, failed, quiet } => {
                write!(f, "no probe has failed ({reason}) for {} ({failed} failed before that)", HumanDuration(*quiet))
            }
            Self::Skipping { skipped } => write!(
                f,
                "{} skipped: earlier probes were still in flight, or readscope was short of CPU; raise the interval or the \
                 limit of probes in flight, or lower the timeout",
                Count(*skipped, "probe")
            ),
            Self::OnTime { skipped } => write!(f, "probes are on time again ({skipped} skipped before that)"),
            Self::TooManyReplicas => {
                write!(f, "more than {REPLICAS_MAX} replicas answer; the others are counted together as {OTHER:?}")
            }
            Self::Unrouted { replica, unrouted, reads } => write!(
                f,
                "{replica} answers reads of the Service, but {unrouted} ({} so far); check kube-proxy on readscope's node, \
                 and that the address belongs to this Service",
                Count(*reads, "read")
            ),
            Self::UnroutedCleared { unrouted, reads } => {
                write!(f, "{} no longer answer ({} before that)", unrouted.servers(), Count(*reads, "read"))
            }
            Self::NothingRouted { rule: Rule::Ready | Rule::Headless } => f.write_str(
                "the Service routes no reads: no pod behind it is ready; check the pods, and that the Service's \
                 selector finds them",
            ),
            Self::NothingRouted { rule } => write!(f, "no reads are routed here: {rule}"),
        }
    }
}
