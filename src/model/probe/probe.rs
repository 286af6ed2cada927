//! A probe: one fresh connection to a target, one identity query, one outcome.

use std::{net::SocketAddr, time::Duration};

use jiff::Timestamp;

use super::failure::Failure;
use crate::model::base::{Moment, PodRef, named_enum};

#[derive(Clone, Debug)]
pub struct Probe {
    /// Position in start order among the probes of the target: 0, 1, 2, … without gaps.
    pub sequence: u64,
    pub started: Moment,
    pub finished: Moment,
    /// A failed probe is data, not an error of readscope.
    pub outcome: Result<Answer, Failure>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub identity: Identity,
    pub timings: Timings,
    /// The address connected to: behind a load balancer, the Service's and not the server's.
    pub address: SocketAddr,
    /// Absent unless a reading was due; an error says why it failed.
    pub status: Option<Box<Result<ServerStatus, String>>>,
}

/// Status counters of a server. They include what readscope itself does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    pub at: Moment,
    /// Open now: `Threads_connected`.
    pub connections: u64,
    /// Since the start of the server: `Com_select`.
    pub selects: u64,
    /// In whole seconds.
    pub uptime: Duration,
    /// At most so many of the connections are readscope's.
    pub own_connections: u64,
    /// Since the start of readscope.
    pub own_selects: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub server_id: u32,
    /// `MariaDB` has none.
    pub server_uuid: Option<String>,
    /// `@@hostname`: the pod's name in a `StatefulSet`.
    pub host_name: String,
    pub read_only: bool,
    pub version: String,
    /// Precise to 1 µs; absent if unreadable.
    pub server_time: Option<Timestamp>,
    /// `@@global.gtid_executed`; absent on `MariaDB`, and unless `gtid_mode` is `ON`.
    pub gtid_executed: Option<String>,
}

/// What tells servers apart. Two servers never have the same key, unless they are copies on hosts of one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ServerKey {
    uuid: Option<String>,
    host: String,
    id: u32,
}

impl ServerKey {
    pub(crate) fn of(identity: &Identity) -> Self {
        Self { uuid: identity.server_uuid.clone(), host: identity.host_name.clone(), id: identity.server_id }
    }

    pub(crate) fn is_on_host_of(&self, other: &Self) -> bool {
        self.host == other.host
    }

    /// Whether one change turns the server `before` into this one: another `server_uuid` after the loss of the data
    /// directory, another host that has its data directory now, or another `server_id`.
    pub(crate) fn succeeds(&self, before: &Self) -> bool {
        let (same_host, same_id) = (self.host == before.host, self.id == before.id);
        if self.uuid.is_some() && self.uuid == before.uuid { same_host || same_id } else { same_host && same_id }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Name resolution; near zero for a literal address.
    pub resolve: Duration,
    /// TCP connection, TLS and login.
    pub login: Duration,
    /// From sending the identity query to the whole row.
    pub query: Duration,
    pub total: Duration,
}

named_enum! {
    /// From `@@read_only` at the time of the read.
    pub enum Role {
        Primary = "primary",
        Replica = "replica",
    }
}

impl Role {
    pub fn of(read_only: bool) -> Self {
        if read_only { Self::Replica } else { Self::Primary }
    }
}

/// A pod has client connections.
#[derive(Debug)]
pub(crate) struct PodClients {
    pub(crate) pod: PodRef,
    /// At least half of its expected share.
    pub(crate) has_share: bool,
    pub(crate) at: Moment,
}

/// A read through the Service that a pod answered.
#[derive(Debug)]
pub(crate) struct PodRead {
    pub(crate) pod: PodRef,
    pub(crate) started: Moment,
    pub(crate) fresh: bool,
    /// How late the read may be if it is the pod's first.
    pub(crate) uncertainty: Duration,
}
