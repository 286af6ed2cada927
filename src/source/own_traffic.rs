//! What this process itself does on each server, over all targets. The counters of a server include it.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::model::Identity;

/// A hostile server could send another identity at each probe.
const SERVERS_MAX: usize = 65_536;

/// Copies share their counts.
#[derive(Clone, Debug, Default)]
pub struct OwnTraffic(Arc<Mutex<HashMap<ServerHash, Own>>>);

/// Of what tells servers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ServerHash(u64);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) connections: u64,
    /// Answered identity queries since the start of this process.
    pub(super) selects: u64,
}

/// One connection whose server is known, until it is dropped.
pub(super) struct OwnConnection<'a> {
    traffic: &'a OwnTraffic,
    server: ServerHash,
}

impl ServerHash {
    pub(super) fn of(identity: &Identity) -> Self {
        let mut hasher = DefaultHasher::new();
        (&identity.server_uuid, &identity.host_name, identity.server_id).hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl OwnTraffic {
    /// The identity query on a new connection was answered.
    pub(super) fn answered(&self, server: ServerHash) -> OwnConnection<'_> {
        let mut servers = self.0.lock();
        if servers.len() >= SERVERS_MAX && !servers.contains_key(&server) {
            servers.clear();
        }
        let own = servers.entry(server).or_default();
        own.connections += 1;
        own.selects += 1;
        OwnConnection { traffic: self, server }
    }

    pub(super) fn of(&self, server: ServerHash) -> Own {
        self.0.lock().get(&server).copied().unwrap_or_default()
    }
}

impl Drop for OwnConnection<'_> {
    fn drop(&mut self) {
        if let Some(own) = self.traffic.0.lock().get_mut(&self.server) {
            own.connections = own.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_end_and_statements_stay() {
        let traffic = OwnTraffic::default();
        let (one, other) = (ServerHash(1), ServerHash(2));
        let first = traffic.answered(one);
        let second = traffic.clone();
        let second = second.answered(one);
        assert_eq!(traffic.of(one), Own { connections: 2, selects: 2 });
        drop((first, second));
        assert_eq!(traffic.of(one), Own { connections: 0, selects: 2 });
        assert_eq!(traffic.of(other), Own::default());
    }
}
