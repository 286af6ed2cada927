//! Notices about a target. Each says what is the case and, if something is wrong, what to do.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::status::Status;
use crate::model::{
    base::{Count, HumanDuration, OTHER, REPLICAS_MAX, SERVICE_PORT, Severity},
    clients::ClientsState,
    cluster::{Matching, Port, Rule},
    probe::{Anomaly, Charge, FailureReason, Pause, Role, Unrouted},
    verdict::{FewProbes, UnderWay, Verdict},
};

/// For a replica that serves and gets no reads.
pub(super) const CHECK_ROUTING: &str =
    "check kube-proxy on readscope's node, the network policies between readscope and the pod, and the service mesh";

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
    /// The replica is no longer reported.
    Forgotten {
        replica: Arc<str>,
        /// False when its pod, if any, is there, but it has given no reads.
        pod_is_gone: bool,
        after: Duration,
    },
    Silent {
        replica: Arc<str>,
        /// Expected share, 0 to 1.
        share: f64,
        /// Reads of others since its last one.
        missed: u64,
        /// It is a ready endpoint and answers at its own address.
        serves: bool,
    },
    /// The status has changed; `headline` is the sentence.
    Status {
        status: Status,
        headline: String,
    },
    Returned {
        replica: Arc<str>,
    },
    Failing {
        reason: FailureReason,
        /// Since the condition began.
        failed: u64,
        /// Failed probes with this reason, and probes, in the window of the verdict.
        recent: (usize, usize),
        /// Of the latest failure, with advice.
        text: String,
    },
    Recovered {
        reason: FailureReason,
        failed: u64,
        /// Time since the last failure.
        quiet: Duration,
    },
    ProbingPaused(Pause),
    ProbingResumed,
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
    CheckWaits(UnderWay),
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
    /// Uneven, even again, or with heavy connections.
    Clients(ClientsState),
    /// The Service routes nothing to the location of readscope, because of this rule.
    NothingRouted {
        rule: Rule,
    },
}

impl TargetNotice {
    pub fn severity(&self) -> Severity {
        match self {
            Self::Verdict(verdict) if verdict.is_unbalanced() => Severity::Warning,
            Self::Clients(state) if state.is_uneven() == Some(true) => Severity::Warning,
            Self::Verdict(_)
            | Self::Clients(_)
            | Self::Status { status: Status::Ok | Status::Unknown, .. }
            | Self::VersionSkew { .. }
            | Self::Appeared { .. }
            | Self::Forgotten { .. }
            | Self::Returned { .. }
            | Self::Recovered { .. }
            | Self::OnTime { .. }
            | Self::CheckWaits(_)
            | Self::ProbingResumed
            | Self::UnroutedCleared { .. }
            | Self::EndpointsNameNoServers { .. } => Severity::Info,
            Self::Status { .. }
            | Self::Anomaly { .. }
            | Self::FewProbes(_)
            | Self::Silent { .. }
            | Self::Failing { .. }
            | Self::Skipping { .. }
            | Self::ProbingPaused(_)
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
            Self::Clients(state) => state.fmt(f),
            Self::Anomaly { anomaly, reads } => write!(f, "{anomaly} ({} so far)", Count(*reads, "read")),
            Self::VersionSkew { versions } => {
                let on = |(version, replicas): (_, &Vec<_>)| format!("{version} on {}", replicas.join(", "));
                let versions: Vec<_> = versions.iter().map(on).collect();
                write!(f, "the replicas run different versions: {}", versions.join("; "))
            }
            Self::FewProbes(few) => few.fmt(f),
            Self::CheckWaits(under_way) => write!(f, "the check waits, because {under_way}"),
            Self::Appeared { replica, server_id, role, version } => {
                write!(f, "{replica}: first read (server_id {server_id}, {}, version {version})", role.name())
            }
            Self::Forgotten { replica, pod_is_gone, after } => {
                let after = HumanDuration(*after);
                match pod_is_gone {
                    true => write!(f, "the pod of {replica} has been gone for {after}; the replica's metrics end here"),
                    false => write!(f, "{replica} has given no reads for {after}; its metrics end here"),
                }
            }
            Self::Silent { replica, share, missed, serves } => {
                let (reads, percent) = (Count(*missed, "read"), share * 100.0);
                write!(f, "{replica} gave none of the last {reads} where {percent:.0} % is expected; ")?;
                f.write_str(match serves {
                    true => CHECK_ROUTING,
                    false => "check that it runs, is ready, and that the Service selects it",
                })
            }
            Self::Status { headline, .. } => f.write_str(headline),
            Self::Returned { replica } => write!(f, "{replica} gives reads again"),
            Self::Failing { reason, failed: 1, text, .. } => write!(f, "a probe failed ({reason}): {text}"),
            // The window leaves out an outage that is over.
            Self::Failing { reason, failed, recent: (0, _), text } => {
                let failed = Count(*failed, "probe");
                write!(f, "{failed} failed ({reason}), the last one less than a minute ago: {text}")
            }
            Self::Failing { reason, recent: (failed, probes), text, .. } => {
                write!(f, "{failed} of the last {} failed ({reason}): {text}", Count(*probes, "probe"))
            }
            Self::Recovered { reason, failed, quiet } => {
                write!(f, "no probe has failed ({reason}) for {} ({failed} failed before that)", HumanDuration(*quiet))
            }
            Self::ProbingPaused(pause) => paused(pause, f),
            Self::ProbingResumed => f.write_str("probes are no longer paused"),
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
            Self::NoPort { ports } => {
                let named = |port: &Port| match &*port.name {
                    "" => port.number.to_string(),
                    name => format!("{} ({name})", port.number),
                };
                let ports = ports.iter().map(named).collect::<Vec<_>>().join(", ");
                write!(
                    f,
                    "the Service has no port {SERVICE_PORT}; it has {ports}; set the address with one of these ports, or name \
                     one of them mysql in the Service"
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

fn paused(Pause { held, service, pods }: &Pause, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (pods, failures, until) = (pods.join(", "), held.failures, held.until.wall);
    match (service, pods.is_empty()) {
        (true, true) => f.write_str("probes are paused")?,
        (true, false) => write!(f, "probes through the Service and pod probes of {pods} are paused")?,
        (false, _) => write!(f, "pod probes of {pods} are paused")?,
    }
    match held.charge {
        Charge::Handshake => write!(
            f,
            " until {until:.0} after {}: a server that counts max_connect_errors (100) of them refuses every client of \
             this host; ",
            Count(failures, "failed handshake")
        )?,
        Charge::Login => write!(
            f,
            " until {until:.0} after {}: more of them can lock the account; ",
            Count(failures, "refused login")
        )?,
    }
    f.write_str("fix the cause of the failed probes and reload the configuration, which ends the pause")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{base::Moment, probe::Held};

    #[test]
    fn a_pause_is_reported_with_its_end_its_cause_and_its_pods() {
        let paused = |charge, failures, service, pods: &[&str]| {
            let held = Held { charge, failures, length: Duration::from_secs(300), until: Moment::at(400.4) };
            let pods = pods.iter().map(|pod| Arc::from(*pod)).collect();
            TargetNotice::ProbingPaused(Pause { held, service, pods }).to_string()
        };
        assert_eq!(
            paused(Charge::Login, 1, true, &[]),
            "probes are paused until 1970-01-01T00:06:40Z after 1 refused login: more of them can lock the account; fix \
             the cause of the failed probes and reload the configuration, which ends the pause"
        );
        assert_eq!(
            paused(Charge::Handshake, 16, true, &["mysql-1", "mysql-2"]),
            "probes through the Service and pod probes of mysql-1, mysql-2 are paused until 1970-01-01T00:06:40Z after 16 \
             failed handshakes: a server that counts max_connect_errors (100) of them refuses every client of this host; \
             fix the cause of the failed probes and reload the configuration, which ends the pause"
        );
        assert!(
            paused(Charge::Login, 2, false, &["mysql-1"])
                .starts_with("pod probes of mysql-1 are paused until 1970-01-01T00:06:40Z after 2 refused logins: ")
        );
    }
}
