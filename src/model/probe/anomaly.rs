//! What answers show to be wrong beside their shares: servers that cannot be told apart, that change who they are, or
//! that should not answer here at all. Counted by kind, and told with both sides named.

use std::{fmt, sync::Arc};

use super::sample::Identity;

/// One kind of thing that an answer showed to be wrong; [`fmt::Display`] makes the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anomaly {
    /// Two replicas answer with one `server_id`.
    SharedServerId {
        /// The id.
        server_id: u32,
        /// Who.
        replicas: [Arc<str>; 2],
    },
    /// A replica's `server_id` is another one.
    ChangedServerId {
        /// Its name.
        replica: Arc<str>,
        /// What it was.
        before: u32,
        /// What it is.
        after: u32,
    },
    /// A replica's `server_uuid` is another one, although it is the same pod, or none.
    ChangedServerUuid {
        /// Its name.
        replica: Arc<str>,
        /// What it was; empty without one.
        before: String,
        /// What it is; empty without one.
        after: String,
    },
    /// The configuration expects others.
    Unexpected {
        /// Its name.
        replica: Arc<str>,
    },
    /// The configuration expects others, and it is the primary.
    Primary {
        /// Its name.
        replica: Arc<str>,
    },
}

/// The kind of an [`Anomaly`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnomalyKind {
    /// [`Anomaly::SharedServerId`].
    SharedServerId,
    /// [`Anomaly::ChangedServerId`].
    ChangedServerId,
    /// [`Anomaly::ChangedServerUuid`].
    ChangedServerUuid,
    /// [`Anomaly::Unexpected`].
    Unexpected,
    /// [`Anomaly::Primary`].
    Primary,
}

/// How often answers showed one kind of anomaly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnomalySeen {
    /// The kind's name in metrics and API.
    pub kind: &'static str,
    /// How many answers showed it.
    pub answers: u64,
    /// The latest one in words; absent where none was seen, or only who answered is known.
    pub latest: Option<String>,
}

impl AnomalyKind {
    /// Every one, in the order of their discriminants.
    pub const ALL: [Self; 5] =
        [Self::SharedServerId, Self::ChangedServerId, Self::ChangedServerUuid, Self::Unexpected, Self::Primary];

    /// The name in metrics and API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SharedServerId => "shared_server_id",
            Self::ChangedServerId => "changed_server_id",
            Self::ChangedServerUuid => "changed_server_uuid",
            Self::Unexpected => "unexpected",
            Self::Primary => "primary",
        }
    }
}

impl Anomaly {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> AnomalyKind {
        match self {
            Self::SharedServerId { .. } => AnomalyKind::SharedServerId,
            Self::ChangedServerId { .. } => AnomalyKind::ChangedServerId,
            Self::ChangedServerUuid { .. } => AnomalyKind::ChangedServerUuid,
            Self::Unexpected { .. } => AnomalyKind::Unexpected,
            Self::Primary { .. } => AnomalyKind::Primary,
        }
    }

    /// What changed between two answers of one replica.
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
                "{one} and {other} both answer with server_id {server_id}; give each server its own, or replication \
                 between them loses transactions"
            ),
            Self::ChangedServerId { replica, before, after } => write!(
                f,
                "{replica} answered with server_id {after} after {before}; check what sets server_id on that server"
            ),
            Self::ChangedServerUuid { replica, before, after } => write!(
                f,
                "{replica} answered with server_uuid {after:?} after {before:?}; check whether its data directory was \
                 lost, or two servers share its name"
            ),
            Self::Unexpected { replica } => {
                write!(f, "{replica} answers but is not expected; check the Service's selector or --expect")
            }
            Self::Primary { replica } => write!(
                f,
                "{replica} is the primary and answers reads although --expect leaves it out; check the Service's \
                 selector"
            ),
        }
    }
}

/// How a server that answers stands to the Service, where nothing should have been routed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unrouted {
    /// It is no endpoint.
    NoEndpoint,
    /// It is an endpoint for clients elsewhere.
    Elsewhere,
    /// It is not ready.
    NotReady,
    /// It is terminating.
    Terminating,
}

impl Unrouted {
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

impl fmt::Display for Unrouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEndpoint => "is no endpoint of it",
            Self::Elsewhere => "is an endpoint for clients elsewhere",
            Self::NotReady => "is not ready",
            Self::Terminating => "is terminating",
        })
    }
}
