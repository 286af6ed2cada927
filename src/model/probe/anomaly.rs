//! Anomalies: servers share or change their identity, or answer where they should not.

use std::{fmt, sync::Arc};

use super::probe::Identity;
use crate::model::base::named_enum;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    SharedServerId {
        server_id: u32,
        replicas: [Arc<str>; 2],
    },
    SharedServerUuid {
        server_uuid: String,
        replicas: [Arc<str>; 2],
    },
    ChangedServerId {
        replica: Arc<str>,
        before: u32,
        after: u32,
    },
    /// The same pod, or a server without a pod, has another `server_uuid`; empty strings stand for none.
    ChangedServerUuid {
        replica: Arc<str>,
        before: String,
        after: String,
    },
    Unexpected {
        replica: Arc<str>,
    },
    Primary {
        replica: Arc<str>,
    },
}

named_enum! {
    pub enum AnomalyKind {
        SharedServerId = "shared_server_id",
        SharedServerUuid = "shared_server_uuid",
        ChangedServerId = "changed_server_id",
        ChangedServerUuid = "changed_server_uuid",
        Unexpected = "unexpected",
        Primary = "primary",
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnomalySeen {
    pub kind: &'static str,
    pub reads: u64,
    /// Absent if none was seen, or if only the name of the replica is known.
    pub latest: Option<String>,
}

impl Anomaly {
    pub fn kind(&self) -> AnomalyKind {
        match self {
            Self::SharedServerId { .. } => AnomalyKind::SharedServerId,
            Self::SharedServerUuid { .. } => AnomalyKind::SharedServerUuid,
            Self::ChangedServerId { .. } => AnomalyKind::ChangedServerId,
            Self::ChangedServerUuid { .. } => AnomalyKind::ChangedServerUuid,
            Self::Unexpected { .. } => AnomalyKind::Unexpected,
            Self::Primary { .. } => AnomalyKind::Primary,
        }
    }

    pub(crate) fn change(replica: &Arc<str>, before: &Identity, after: &Identity) -> Option<Self> {
        let replica = Arc::clone(replica);
        if before.server_id != after.server_id {
            return Some(Self::ChangedServerId { replica, before: before.server_id, after: after.server_id });
        }
        if before.server_uuid == after.server_uuid {
            return None;
        }
        let [before, after] = [before, after].map(|identity| identity.server_uuid.clone().unwrap_or_default());
        Some(Self::ChangedServerUuid { replica, before, after })
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SharedServerId { server_id, replicas: [one, other] } => write!(
                f,
                "{one} and {other} both have server_id {server_id}; give each server its own, or replication \
                 between them loses transactions"
            ),
            Self::SharedServerUuid { server_uuid, replicas: [one, other] } => write!(
                f,
                "{one} and {other} both have server_uuid {server_uuid}, and replication between them stops with error \
                 1593; delete auto.cnf in the data directory of one of them and restart it"
            ),
            Self::ChangedServerId { replica, before, after } => write!(
                f,
                "{replica} changed its server_id from {before} to {after}; check what sets server_id on that server"
            ),
            Self::ChangedServerUuid { replica, before, after } => write!(
                f,
                "{replica} changed its server_uuid from {before:?} to {after:?}; check whether its data directory was \
                 lost, or two servers share its name"
            ),
            Self::Unexpected { replica } => {
                write!(
                    f,
                    "{replica} answers reads, but is not expected; check the Service's selector or the expected replicas"
                )
            }
            Self::Primary { replica } => write!(
                f,
                "{replica} is the primary and answers reads, but is not expected; check the Service's selector or the \
                 expected replicas"
            ),
        }
    }
}

named_enum! {
    /// Why a server that answers should get no traffic from the Service.
    pub enum Unrouted {
        NoEndpoint = "no_endpoint",
        /// An endpoint for clients on other nodes or in other zones.
        Elsewhere = "elsewhere",
        NotReady = "not_ready",
        Terminating = "terminating",
    }
}

impl Unrouted {
    /// The subject of a sentence.
    pub fn servers(self) -> &'static str {
        match self {
            Self::NoEndpoint => "servers that are not endpoints of the Service",
            Self::Elsewhere => "endpoints for clients on other nodes or in other zones",
            Self::NotReady => "endpoints that are not ready",
            Self::Terminating => "endpoints that are terminating",
        }
    }
}

/// The predicate of a sentence about one server.
impl fmt::Display for Unrouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "is not one of its endpoints",
            Self::Elsewhere => "is an endpoint for clients on other nodes or in other zones",
            Self::NotReady => "is not ready",
            Self::Terminating => "is terminating",
        })
    }
}
