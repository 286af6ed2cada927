//! Failure reasons of probes, each with advice.

use std::{fmt, net::SocketAddr};

use crate::model::base::named_enum;

named_enum! {
    /// The `reason` label of `readscope_probe_failures_total`: a closed set.
    pub enum FailureReason {
        /// The name has no address, or no name server answered.
        Resolve = "resolve",
        Refused = "refused",
        Unreachable = "unreachable",
        Timeout = "timeout",
        /// The TLS handshake or the certificate check failed, or the server offers no TLS.
        Tls = "tls",
        Auth = "auth",
        /// The server or the account is out of connections, or the account has used up another resource (ERR 1040, 1203,
        /// 1226).
        TooManyConnections = "too_many_connections",
        /// The server blocks this host after interrupted handshakes (ERR 1129).
        HostBlocked = "host_blocked",
        /// The identity query returned an error or no row.
        Query = "query",
        /// The data is not the MySQL protocol, or the connection broke off.
        Protocol = "protocol",
        /// For example, readscope has no free file descriptor.
        Other = "other",
    }
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub reason: FailureReason,
    pub text: String,
    /// The last address tried; absent if the name has none.
    pub address: Option<SocketAddr>,
    /// What a server counts it as; absent if no server counts it.
    pub charge: Option<Charge>,
    /// What to do, if more is known than the reason.
    pub advice: Option<&'static str>,
}

/// What a failed probe is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Charge {
    /// The handshake was interrupted: TLS, a timeout, or bytes that are not the protocol.
    Handshake,
    /// The login was refused.
    Login,
}

impl Charge {
    /// What further failures could do.
    pub(crate) fn harm(self) -> &'static str {
        match self {
            Self::Handshake => "could make the servers block this host",
            Self::Login => "could lock the account",
        }
    }
}

impl Failure {
    pub fn advice(&self) -> &'static str {
        self.advice.unwrap_or(self.reason.advice())
    }

    pub(crate) fn text_and_advice(&self) -> String {
        format!("{}; {}", self.text, self.advice())
    }
}

impl FailureReason {
    /// The second half of a sentence, without a full stop.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Resolve => "check the host name of the address, and that the DNS server answers",
            Self::Refused => "check that MySQL listens there and that the Service has ready endpoints",
            Self::Unreachable => "check routes and network policies between readscope and the address",
            Self::Timeout => "check for servers that hang and for dropped packets, or raise the timeout",
            Self::Tls => {
                "check the TLS mode, and the server's certificate against the CA file and the host name of the address"
            }
            Self::Auth => "check the user and the password, and the account's hosts and state on every replica",
            Self::TooManyConnections => {
                "raise max_connections or MAX_USER_CONNECTIONS, or find the clients that hold the connections"
            }
            Self::HostBlocked => {
                "run TRUNCATE performance_schema.host_cache on that server and find what interrupts handshakes"
            }
            Self::Query => "run SELECT @@server_id, @@hostname by hand on that server with the same account",
            Self::Protocol => {
                "check that a MySQL server listens at the address and port, and that nothing in between cuts connections"
            }
            Self::Other => "the message names the cause",
        }
    }
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
