//! The demo's servers: identity, behaviour and executed transactions. The primary's transactions grow steadily; a
//! replica has those that the primary had some time ago.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    protocol::{Reception, Server},
    script::Behaviour,
};
use crate::{
    clock::Clock,
    model::{Identity, Moment},
};

const VERSION: &str = "9.7.0-demo";

/// Delay of a slow server, in scenario time.
const SLOW_BY: Duration = Duration::from_millis(400);

/// Lag of a healthy replica, multiplied by its ordinal.
const BEHIND: Duration = Duration::from_millis(40);

/// Transactions per second of scenario time.
const TRANSACTIONS_RATE: f64 = 40.0;

/// Reads of each client connection, per second of scenario time.
const CLIENT_READS_RATE: f64 = 4.0;

/// Transactions before the scenario starts.
const TRANSACTIONS_BEFORE: f64 = 120_000.0;

/// `server_id` of ordinal 0, as in the lab.
const SERVER_ID_FIRST: u32 = 100;

#[derive(Debug)]
pub(super) struct Servers {
    running: BTreeMap<u32, Running>,
    clock: Clock,
    /// Scenario seconds per second.
    speed: f64,
}

#[derive(Debug)]
struct Running {
    uuid: String,
    behaviour: Behaviour,
    /// In scenario time. `behind` is the lag at this time.
    started: Duration,
    behind: Duration,
    /// Connections of readscope, open ones and all.
    open: Arc<()>,
    connections: u64,
    /// Connections of clients since `clients_since`, and the reads of clients before.
    clients: u64,
    clients_since: Duration,
    client_reads: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Handle {
    pub(super) ordinal: u32,
    pub(super) servers: Arc<Mutex<Servers>>,
}

/// A loopback address that ends with the `server_id`.
pub(super) fn address(ordinal: u32) -> IpAddr {
    let last = u8::try_from(SERVER_ID_FIRST + ordinal).unwrap_or(u8::MAX);
    Ipv4Addr::new(127, 0, 0, last).into()
}

impl Servers {
    pub(super) fn new(clock: Clock, speed: f64) -> Self {
        Self { running: BTreeMap::new(), clock, speed }
    }

    /// `server_uuid` applies to a server that starts.
    pub(super) fn behave(&mut self, ordinal: u32, behaviour: Behaviour, server_uuid: &str) {
        let now = self.story_time(self.clock.now());
        match behaviour {
            Behaviour::Starts(behind) => {
                let server = Running {
                    uuid: server_uuid.to_owned(),
                    behaviour: Behaviour::Well,
                    started: now,
                    behind,
                    open: Arc::default(),
                    connections: 0,
                    clients: 0,
                    clients_since: now,
                    client_reads: 0.0,
                };
                self.running.insert(ordinal, server);
            }
            Behaviour::Stops => {
                self.running.remove(&ordinal);
            }
            Behaviour::Well | Behaviour::Slow | Behaviour::Refusing => {
                if let Some(server) = self.running.get_mut(&ordinal) {
                    server.behaviour = behaviour;
                }
            }
        }
    }

    /// Pooled clients connect again, with these connections by ordinal.
    pub(super) fn connect_clients(&mut self, clients: &[u64]) {
        let now = self.story_time(self.clock.now());
        for (ordinal, clients) in (0..).zip(clients) {
            if let Some(server) = self.running.get_mut(&ordinal) {
                server.client_reads = client_reads(now, server);
                (server.clients, server.clients_since) = (*clients, now);
            }
        }
    }

    fn status(&self, ordinal: u32, connection: u32, now: Moment) -> Option<Vec<(&'static str, u64)>> {
        let server = self.running.get(&ordinal)?;
        let now = self.story_time(now);
        // The server itself has one reference.
        let open = u64::try_from(Arc::strong_count(&server.open) - 1).ok()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number above 0")]
        let reads = client_reads(now, server) as u64;
        Some(vec![
            ("Threads_connected", server.clients + open),
            ("Com_select", server.connections + reads),
            ("Uptime", now.saturating_sub(server.started).div_f64(self.speed).as_secs()),
            ("Connections", connection.into()),
        ])
    }

    fn story_time(&self, now: Moment) -> Duration {
        now.elapsed.mul_f64(self.speed)
    }

    fn reception(&self, ordinal: u32) -> Option<Reception> {
        Some(match self.running.get(&ordinal)?.behaviour {
            Behaviour::Refusing => Reception::Refuses,
            Behaviour::Slow => Reception::Greets(SLOW_BY.div_f64(self.speed)),
            _ => Reception::Greets(Duration::ZERO),
        })
    }

    fn identity(&self, ordinal: u32, now: Moment) -> Option<Identity> {
        let server = self.running.get(&ordinal)?;
        let primary = self.running.get(&0)?;
        let executed = executed(self.story_time(now), server, ordinal);
        Some(Identity {
            server_id: SERVER_ID_FIRST + ordinal,
            server_uuid: Some(server.uuid.clone()),
            host_name: format!("mysql-{ordinal}"),
            read_only: ordinal > 0,
            version: VERSION.to_owned(),
            server_time: Some(now.wall),
            gtid_executed: Some(format!("{}:1-{executed:.0}", primary.uuid)),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few clients")]
fn client_reads(now: Duration, server: &Running) -> f64 {
    let lasting = now.saturating_sub(server.clients_since).as_secs_f64();
    server.client_reads + lasting * server.clients as f64 * CLIENT_READS_RATE
}

/// Number of the last executed transaction. A replica that starts behind catches up by one second per second.
fn executed(now: Duration, server: &Running, ordinal: u32) -> f64 {
    let still_behind = server.behind.saturating_sub(now.saturating_sub(server.started));
    let behind = still_behind.max(BEHIND * ordinal);
    (TRANSACTIONS_BEFORE + (now.as_secs_f64() - behind.as_secs_f64()) * TRANSACTIONS_RATE).floor()
}

impl Server for Handle {
    fn reception(&self) -> Option<Reception> {
        self.servers.lock().reception(self.ordinal)
    }

    fn identity(&self) -> Option<Identity> {
        let servers = self.servers.lock();
        servers.identity(self.ordinal, servers.clock.now())
    }

    /// Each connection sends one identity query.
    fn connected(&self) -> Option<Arc<()>> {
        let mut servers = self.servers.lock();
        let server = servers.running.get_mut(&self.ordinal)?;
        server.connections += 1;
        Some(Arc::clone(&server.open))
    }

    fn status(&self, connection: u32) -> Option<Vec<(&'static str, u64)>> {
        let servers = self.servers.lock();
        servers.status(self.ordinal, connection, servers.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::GtidSet;

    fn set(servers: &Servers, ordinal: u32, seconds: f64) -> GtidSet {
        let identity = servers.identity(ordinal, Moment::at(seconds)).unwrap();
        identity.gtid_executed.unwrap().parse().unwrap()
    }

    #[test]
    fn a_replica_has_what_the_primary_had_and_catches_up() {
        let mut servers = Servers::new(Clock::start(), 1.0);
        servers.behave(0, Behaviour::Starts(Duration::ZERO), "00000000-0000-4000-8000-000000000000");
        servers.behave(3, Behaviour::Starts(Duration::from_secs(6)), "00000000-0000-4000-8000-000000000003");
        assert!(set(&servers, 0, 100.5).contains(&set(&servers, 0, 100.0)));
        for (seconds, behind) in [(1.0, 5.0), (4.0, 2.0), (20.0, 0.12)] {
            let (replica, of_primary) =
                (set(&servers, 3, seconds), |ago: f64| set(&servers, 0, f64::max(seconds - ago, 0.0)));
            assert!(!replica.contains(&of_primary(behind - 0.05)), "{seconds}");
            assert!(of_primary(0.0).contains(&replica), "{seconds}");
        }
        let replica = set(&servers, 3, 20.0);
        assert!(replica.contains(&set(&servers, 0, 19.8)));
    }

    #[test]
    fn status_counters_include_clients_and_readscope() {
        let servers = Arc::new(Mutex::new(Servers::new(Clock::start(), 1.0)));
        let handle = Handle { ordinal: 1, servers: Arc::clone(&servers) };
        assert!(handle.status(1).is_none());
        servers.lock().behave(1, Behaviour::Starts(Duration::ZERO), "a");
        servers.lock().connect_clients(&[5, 7]);
        let open = handle.connected();
        let at = |seconds| servers.lock().status(1, 9, Moment::at(seconds)).unwrap();
        assert_eq!(at(0.0)[0], ("Threads_connected", 8));
        let reads = at(110.0)[1].1 - at(10.0)[1].1;
        assert_eq!((reads, at(0.0)[3]), (7 * 400, ("Connections", 9)));
        drop(open);
        assert_eq!(at(0.0)[0], ("Threads_connected", 7));
    }

    #[test]
    fn each_server_has_its_identity_and_behaviour() {
        let servers = Arc::new(Mutex::new(Servers::new(Clock::start(), 2.0)));
        let handle = Handle { ordinal: 1, servers: Arc::clone(&servers) };
        assert_eq!(handle.reception(), None);
        for ordinal in 0..2 {
            servers.lock().behave(ordinal, Behaviour::Starts(Duration::ZERO), &format!("uuid-{ordinal}"));
        }
        assert_eq!(handle.reception(), Some(Reception::Greets(Duration::ZERO)));
        let identity = handle.identity().unwrap();
        assert_eq!((identity.server_id, identity.read_only, &*identity.host_name), (101, true, "mysql-1"));
        servers.lock().behave(1, Behaviour::Slow, "");
        assert_eq!(handle.reception(), Some(Reception::Greets(SLOW_BY / 2)));
        servers.lock().behave(1, Behaviour::Refusing, "");
        assert_eq!(handle.reception(), Some(Reception::Refuses));
        servers.lock().behave(1, Behaviour::Stops, "");
        assert!(handle.identity().is_none());
    }
}
