//! Failure reasons of probes, each with advice.

use std::{fmt, net::SocketAddr};

/// The `reason` label of `readscope_probe_failures_total`: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// The name has no address, or no name server answered.
    Resolve,
    Refused,
    Unreachable,
    Timeout,
    /// The TLS handshake or the certificate check failed, or the server offers no TLS.
    Tls,
    Auth,
    /// The server or the account is out of connections (ERR 1040, 1203, 1226).
    TooManyConnections,
    /// The server blocks this host after interrupted handshakes (ERR 1129).
    HostBlocked,
    /// The identity query returned an error or no row.
    Query,
    /// The data is not the MySQL protocol, or the connection broke off.
    Protocol,
    /// For example, readscope has no free file descriptor.
    Other,
}

#[derive(Clone, Debug)]
pub struct Failure {
    pub reason: FailureReason,
    pub text: String,
    /// The last address tried; absent if the name has none.
    pub address: Option<SocketAddr>,
}

impl FailureReason {
    /// In the order of the discriminants: `ALL[r as usize] == r`.
    pub const ALL: [Self; 11] = [
        Self::Resolve,
        Self::Refused,
        Self::Unreachable,
        Self::Timeout,
        Self::Tls,
        Self::Auth,
        Self::TooManyConnections,
        Self::HostBlocked,
        Self::Query,
        Self::Protocol,
        Self::Other,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::TooManyConnections => "too_many_connections",
            Self::HostBlocked => "host_blocked",
            Self::Query => "query",
            Self::Protocol => "protocol",
            Self::Other => "other",
        }
    }

    /// The second half of a sentence, without a full stop.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Self::Resolve => "check the host name of the address, and that the DNS server answers",
            Self::Refused => "check that MySQL listens there and that the Service has ready endpoints",
            Self::Unreachable => "check routes and network policies between readscope and the address",
            Self::Timeout => "check for servers that hang and for dropped packets, or raise the timeout",
            Self::Tls => {
                "check the server's certificate against the TLS mode, the CA file and the host name of the address"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_in_the_order_of_their_discriminants() {
        for (index, reason) in FailureReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
    }
}
