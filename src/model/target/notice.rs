//! Notices about a target. Each says what is the case and, if something is wrong, what to do.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::model::{
    base::{HumanDuration, OTHER, REPLICAS_MAX, SERVICE_PORT, Severity},
    cluster::{Matching, Port, Rule},
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
    /// The Service does not say which of its ports is that of `MySQL`.
    NoPort {
        ports: Arc<[Port]>,
    },
    /// The expected replicas are not known from the endpoints.
    EndpointsNameNoServers {
        /// Absent for an `ExternalName`.
        matching: Option<Matching>,
        /// The configuration lists the expected replicas.
        listed: bool,
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
            | Self::UnroutedCleared { .. }
            | Self::EndpointsNameNoServers { .. } => Severity::Info,
            Self::Anomaly { .. }
            | Self::FewProbes(_)
            | Self::Silent { .. }
            | Self::Failing { .. }
            | Self::Skipping { .. }
            | Self::TooManyReplicas
            | Self::Unrouted { .. }
            | Self::NoPort { .. }
            | Self::NothingRouted { .. } => Severity::Warning,
        }
    }
}

impl fmt::Display for TargetNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Anomaly { anomaly, reads } => write!(f, "{anomaly} ({reads} reads so far)"),
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
                "{replica} gave none of the last {missed} reads where {:.0} % is expected; check that it runs, is \
                 ready, and that the Service selects it",
                share * 100.0
            ),
            Self::Returned { replica } => write!(f, "{replica} gives reads again"),
            Self::Failing { reason, failed: 1, probes: 1, text } => {
                write!(f, "a probe failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Failing { reason, failed, probes, text } => {
                write!(f, "{failed} of the last {probes} probes failed ({reason}): {text}; {}", reason.advice())
            }
            Self::Recovered { reason, failed, quiet } => {
                write!(f, "no probe has failed ({reason}) for {} ({failed} failed before that)", HumanDuration(*quiet))
            }
            Self::Skipping { skipped } => write!(
                f,
                "{skipped} probes skipped: earlier probes were still in flight, or readscope was short of CPU; raise the \
                 interval or the limit of probes in flight, or lower the timeout"
            ),
            Self::OnTime { skipped } => write!(f, "probes are on time again ({skipped} skipped before that)"),
            Self::TooManyReplicas => {
                write!(f, "more than {REPLICAS_MAX} replicas answer; the others are counted together as {OTHER:?}")
            }
            Self::Unrouted { replica, unrouted, reads } => write!(
                f,
                "{replica} answers reads of the Service, but {unrouted} ({reads} reads so far); check kube-proxy on \
                 readscope's node, and that the address belongs to this Service"
            ),
            Self::UnroutedCleared { unrouted, reads } => {
                write!(f, "{} no longer answer ({reads} reads before that)", unrouted.servers())
            }
            Self::NoPort { ports } => {
                let ports = ports.iter().map(|port| match &*port.name {
                    "" => port.number.to_string(),
                    name => format!("{} ({name})", port.number),
                });
                let ports: Vec<_> = ports.collect();
                write!(
                    f,
                    "the Service has no port {SERVICE_PORT}; it has {}; set the address with one of these ports, or name \
                     one of them mysql in the Service",
                    ports.join(", ")
                )
            }
            Self::EndpointsNameNoServers { matching, listed } => {
                f.write_str(match matching {
                    None | Some(Matching::Endpoints) => {
                        "the Service is an ExternalName and has no endpoints, so it is probed like an address"
                    }
                    Some(Matching::Proxies) => {
                        "reads go through proxies: the endpoints of the Service lead to other servers, and these count \
                         as the replicas"
                    }
                    Some(Matching::Unknown) => {
                        "the servers that answer cannot be matched with the endpoints of the Service, because the \
                         endpoints do not answer at their own addresses"
                    }
                })?;
                if *listed {
                    return Ok(());
                }
                f.write_str("; to find missing replicas, list the expected ones")
            }
            Self::NothingRouted { rule: Rule::Ready | Rule::Headless } => f.write_str(
                "the Service routes no reads: no pod behind it is ready; check the pods, and that the Service's \
                 selector finds them",
            ),
            Self::NothingRouted { rule } => write!(f, "no reads are routed here: {rule}"),
        }
    }
}
