//! The MySQL server that every client is measured against: a real one, in a network namespace of its own, without TLS.

use std::{net::SocketAddr, path::Path, process::Command};

use readscope::config::{PasswordSource, Secret, Settings, Target, Tls};

use crate::{
    mysql::{Fleet, PASSWORD},
    namespace::Namespace,
    obtained,
    program::run,
    sql::USER,
};

/// As readscope's own, so that every client has the same answer to fetch.
pub(crate) const IDENTITY: &str = "SELECT @@server_id, @@hostname, @@read_only, @@version, UTC_TIMESTAMP(6)\
                                   /*!80000 , @@server_uuid, @@global.gtid_executed, @@global.gtid_mode */";

/// The client closes first, so each probe leaves its port in `TIME_WAIT`; on loopback the kernel uses it again after a
/// second, in which a quick client needs thousands. None of them is a port that readscope listens on.
const PORTS: &str = "12000 65535";

/// One server and the account that all clients use. The server is dropped before its namespace is left.
pub(crate) struct Server {
    fleet: Fleet,
    _namespace: Namespace,
}

impl Server {
    /// Starts it. What this process starts afterwards is in the server's namespace too.
    pub(crate) fn start() -> Self {
        run(&mut Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/data_path/tools")));
        let namespace = Namespace::enter();
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", PORTS).expect("root may set its namespace's ports");
        let fleet = Fleet::start(1, &["max-connections=2500", "performance-schema=OFF"]);
        Self { fleet, _namespace: namespace }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((self.fleet.primary().address, 3306))
    }

    /// Connections since it was started, of whatever client.
    pub(crate) fn connections(&self) -> u64 {
        self.fleet.primary().status("Connections")
    }

    /// The root directory that the server, and MySQL's own clients, run in.
    pub(crate) fn root() -> &'static Path {
        obtained::mysql()
    }

    /// The target for readscope's own prober.
    pub(crate) fn target(&self) -> Target {
        let settings = Settings {
            user: USER.to_owned(),
            password: PasswordSource::Given(Secret::new(PASSWORD.to_owned())),
            tls: Tls::Disabled,
            ..Settings::default()
        };
        Target { settings, ..Target::at(self.address().into()) }
    }
}
