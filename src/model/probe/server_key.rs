//! What tells servers apart.

use super::probe::Identity;

/// Two servers never have the same key, unless they are copies on hosts of one name.
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
