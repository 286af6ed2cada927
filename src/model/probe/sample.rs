//! A sample: one fresh connection to a target, one identity query, one outcome.

use std::{net::SocketAddr, time::Duration};

use jiff::Timestamp;

use super::failure::Failure;
use crate::model::base::{Moment, PodRef};

/// One fresh connection to a target and what came of it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The place among the target's samples in the order in which they started: 0, 1, 2, … without gaps.
    pub sequence: u64,
    /// When the sample began to resolve the name.
    pub started: Moment,
    /// When the answer was complete or the failure known.
    pub finished: Moment,
    /// A failed sample is data, not an error of the program.
    pub outcome: Result<Answer, Failure>,
}

/// What the server behind the load balancer said of itself.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who answered.
    pub identity: Identity,
    /// How long each phase took.
    pub timings: Timings,
    /// The address that was connected to: the Service's, not the server's, where a load balancer is between.
    pub address: SocketAddr,
}

/// One row of the identity query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `@@server_id`.
    pub server_id: u32,
    /// `@@server_uuid`; `MariaDB` has none.
    pub server_uuid: Option<String>,
    /// `@@hostname`: the pod's name in a `StatefulSet`.
    pub host_name: String,
    /// `@@read_only` at the moment of the answer.
    pub read_only: bool,
    /// `@@version`, as the server writes it.
    pub version: String,
    /// The server's own time, to the microsecond; absent if it could not be read.
    pub server_time: Option<Timestamp>,
    /// `@@global.gtid_executed`; absent on `MariaDB`, empty unless `gtid_mode` is `ON`.
    pub gtid_executed: Option<String>,
}

/// The duration of each phase of an answered sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From the name to its addresses; next to nothing for a literal address.
    pub resolve: Duration,
    /// TCP connection, TLS and login.
    pub login: Duration,
    /// The identity query, from sending to the whole row.
    pub query: Duration,
    /// The whole sample.
    pub total: Duration,
}

/// What a server is, from `@@read_only` at the moment of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Not read-only.
    Primary,
    /// Read-only.
    Replica,
}

impl Role {
    /// The role of a server that says this of `@@read_only`.
    #[must_use]
    pub fn of(read_only: bool) -> Self {
        if read_only { Self::Replica } else { Self::Primary }
    }

    /// The name in metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}

/// An answer of a pod through the Service.
#[derive(Debug)]
pub(crate) struct PodRead {
    pub(crate) pod: PodRef,
    /// When its sample started.
    pub(crate) started: Moment,
    /// It is known not to be stale.
    pub(crate) fresh: bool,
    /// The time to which its moment is known, if it was the first one.
    pub(crate) uncertainty: Duration,
}
