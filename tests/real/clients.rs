//! What clients do on the servers: connections and reads, by the servers' own counts, while pools keep connections.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::{
    balancer::{READ_ADDRESS, route_to},
    mariadb::{Mariadb, SERIES},
    mysql::PASSWORD,
    namespace::Namespace,
    service::Service,
    sql::{Sql, USER},
    support::{exporter::Exporter, waiting::wait_until},
};

/// Long enough for a busy machine.
const WITHIN: Duration = Duration::from_secs(240);

/// Connections of the pools, on all servers.
const POOLED: usize = 60;

/// Connections that stay, as those of a pool.
struct Clients {
    connections: Vec<Conn>,
    runtime: Runtime,
}

impl Clients {
    fn connect(to: SocketAddr, count: usize) -> Self {
        // On this thread, which is in the namespace of the test.
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connections = runtime.block_on(async {
            let mut connections = Vec::new();
            for _ in 0..count {
                connections.push(connect(to).await);
            }
            connections
        });
        Self { connections, runtime }
    }

    fn through_the_service(count: usize) -> Self {
        Self::connect(READ_ADDRESS.parse().unwrap(), count)
    }

    fn run(&mut self, statement: &str) {
        let connection = &mut self.connections[0];
        self.runtime.block_on(connection.query_drop(statement)).unwrap();
    }

    fn repeat(&mut self, statement: &str, times: u64) {
        (0..times).for_each(|_| self.run(statement));
    }

    /// Executes a statement that was prepared through the protocol.
    fn execute_prepared(&mut self, statement: &str, times: u64) {
        let connection = &mut self.connections[0];
        self.runtime.block_on(async {
            let prepared = connection.prep(statement).await.unwrap();
            for _ in 0..times {
                connection.exec_drop(&prepared, ()).await.unwrap();
            }
        });
    }

    fn number(&mut self, statement: &str) -> u64 {
        let connection = &mut self.connections[0];
        let row = self.runtime.block_on(connection.query_first::<mysql_async::Row, _>(statement)).unwrap().unwrap();
        let last = row.unwrap().pop().unwrap();
        mysql_async::from_value::<String>(last).parse().unwrap()
    }

    /// Connections by `server_id`.
    fn by_server(&mut self) -> BTreeMap<u32, u64> {
        let mut counts = BTreeMap::new();
        for connection in &mut self.connections {
            let id: u32 = self.runtime.block_on(connection.query_first("SELECT @@server_id")).unwrap().unwrap();
            *counts.entry(id).or_default() += 1;
        }
        counts
    }

    fn close(self) {
        for connection in self.connections {
            let _ = self.runtime.block_on(connection.disconnect());
        }
    }
}

async fn connect(to: SocketAddr) -> Conn {
    let options = OptsBuilder::default()
        .ip_or_hostname(to.ip().to_string())
        .tcp_port(to.port())
        .user(Some(USER))
        .pass(Some(PASSWORD))
        .prefer_socket(false)
        // The driver asks for these otherwise, which would be one more read.
        .max_allowed_packet(Some(1 << 20))
        .wait_timeout(Some(3600));
    Conn::new(options).await.unwrap()
}

/// One connection that sends reads all the time.
struct Heavy {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Heavy {
    fn start(address: Ipv4Addr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut clients = Clients::connect((address, 3306).into(), 1);
            while !ends.load(Ordering::Relaxed) {
                clients.run("SELECT 1");
                thread::sleep(Duration::from_millis(2));
            }
            clients.close();
        });
        Self { stop, thread }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn clients_of(probe: &Exporter) -> (String, String) {
    let clients = &probe.target()["clients"];
    let text = |key: &str| clients[key].as_str().unwrap_or_default().to_owned();
    (text("state"), text("reason"))
}

fn wait_for_clients(probe: &Exporter, what: &str, holds: impl Fn(&str, &str) -> bool) -> String {
    let mut last = String::new();
    wait_until(what, WITHIN, || {
        let (state, reason) = clients_of(probe);
        last.clone_from(&reason);
        holds(&state, &reason)
    });
    last
}

/// `clients` of a replica.
fn of_replica(target: &Value, name: &str) -> Value {
    let replicas = target["replicas"].as_array().unwrap();
    replicas.iter().find(|replica| replica["replica"] == name).map_or(Value::Null, |replica| replica["clients"].clone())
}

#[test]
fn pooled_clients_reach_a_new_server_only_when_they_reconnect() {
    let mut service = Service::of(3);
    let call = service.call().with(&["--interval", "100ms", "--clients-interval", "1s", "--timeout", "30s"]);
    let mut probe = call.run();
    let mut pools = Clients::through_the_service(POOLED);
    let by_server = pools.by_server();
    wait_until("the connections of every server", WITHIN, || {
        let target = probe.target();
        by_server.iter().all(|(id, count)| {
            // The primary counts the dump threads of its two replicas, too.
            let expected = if *id == 100 { count + 2 } else { *count };
            of_replica(&target, &format!("server-{id}"))["connections"] == expected
        })
    });
    wait_for_clients(&probe, "even clients", |state, _| state == "even");

    service.fleet.add();
    route_to(&service.fleet.addresses());
    let held: u64 = by_server.iter().filter(|(id, _)| **id != 100).map(|(_, count)| count).sum();
    let newcomer = format!("server-103 holds 0 of {held} client connections (33 % expected)");
    let reason = wait_for_clients(&probe, "uneven clients, and the cause", |state, reason| {
        state == "uneven"
            && reason.starts_with(&newcomer)
            && reason.contains("clients still use connections from before it joined")
    });
    assert!(reason.ends_with("limit the lifetime of pooled connections"), "{reason}");
    assert_eq!(probe.target()["verdict"], "balanced");
    assert_eq!(probe.metrics().sum("readscope_clients_uneven", ""), 1);
    let notices = probe.target()["notices"].to_string();
    assert!(notices.contains("server-103 holds 0 of"), "{notices}");
    let share = of_replica(&probe.target(), "server-103")["connection_share"].clone();
    assert_eq!(share, 0.0);

    pools.close();
    let pools = Clients::through_the_service(POOLED);
    wait_for_clients(&probe, "even clients again", |state, _| state == "even");
    assert_eq!(probe.metrics().sum("readscope_clients_uneven", ""), 0);

    let heavy = Heavy::start(service.fleet.members()[2].address);
    wait_for_clients(&probe, "the heavy connection", |state, reason| {
        state == "even" && reason.starts_with("a few connections on server-102 send most of the reads")
    });

    // A restart: no count falls, and no rate is absurd.
    let reads = |probe: &Exporter| probe.metrics().sum("readscope_client_reads_total", "server-102");
    let before = reads(&probe);
    assert!(before > 0);
    heavy.end();
    service.fleet.member(2).kill();
    service.fleet.member(2).start_again();
    let mut least = before;
    let answered = probe.metrics().reads_of("server-102");
    wait_until("readings after the restart", WITHIN, || {
        let now = reads(&probe);
        assert!(now >= least, "{now} after {least}");
        least = now;
        let clients = of_replica(&probe.target(), "server-102");
        let rate = clients["reads_per_second"].as_f64().unwrap_or(0.0);
        assert!((0.0..100_000.0).contains(&rate), "{clients}");
        clients["connections"] == 0 && probe.metrics().reads_of("server-102") > answered + 50
    });
    assert!(least - before < 100_000, "{before} {least}");
    probe.wait_for("all servers", |now| now.reads_of("server-102") > answered);
    pools.close();
}

#[test]
fn client_reads_are_those_that_clients_sent() {
    let service = Service::of(1);
    let probe = service.call().with(&["--interval", "20ms", "--clients-interval", "1s", "--timeout", "30s"]).run();
    let reads = || probe.metrics().sum("readscope_client_reads_total", "server-100");
    let readings = || of_replica(&probe.target(), "server-100").is_object();
    wait_until("a reading", WITHIN, readings);
    let mut clients = Clients::through_the_service(1);
    let before = reads();
    for _ in 0..500 {
        clients.run("SELECT 1");
    }
    clients.execute_prepared("SELECT 2", 500);
    wait_until("a reading with all reads", WITHIN, || reads() >= before + 998);
    let own = probe.metrics().reads();
    wait_until("further probes", WITHIN, || probe.metrics().reads() > own + 200);
    let counted = reads() - before;
    assert!((998..=1002).contains(&counted), "{counted} of 1000, and probes do not count");
}

/// 500 reads a second through a pool, for ten seconds or so many as `READSCOPE_POOL_SECONDS` says.
#[test]
#[expect(clippy::print_stderr, reason = "the measured numbers, for the documentation")]
fn connections_and_reads_of_a_pool_are_those_that_each_server_has() {
    let seconds = std::env::var("READSCOPE_POOL_SECONDS").map_or(10, |seconds| seconds.parse().unwrap());
    let service = Service::of(3);
    let probe = service.call().with(&["--interval", "50ms", "--clients-interval", "1s", "--timeout", "30s"]).run();
    let count = |name: &str, id: u32| probe.metrics().sum(name, &format!("server-{id}"));
    let reads = |id| count("readscope_client_reads_total", id);
    let mut pool = Clients::through_the_service(POOLED);
    let held = pool.by_server();
    // Replicas hold connections to the primary, too.
    let primary = service.fleet.primary();
    let dumps = primary.number("SELECT COUNT(*) FROM information_schema.processlist WHERE COMMAND LIKE 'Binlog Dump%'");
    let connections = |id| count("readscope_client_connections", id).saturating_sub(if id == 100 { dumps } else { 0 });
    for (&id, &held) in &held {
        wait_until("the connections", WITHIN, || connections(id) == held);
    }
    let own = probe.metrics().reads();
    wait_until("a reading of each server", WITHIN, || probe.metrics().reads() > own + 200);
    let before: BTreeMap<u32, u64> = held.keys().map(|&id| (id, reads(id))).collect();

    let started = Instant::now();
    let each = seconds * 500 / pool.connections.len() as u64;
    for number in 0..each * pool.connections.len() as u64 {
        pool.connections.rotate_left(1);
        pool.run("SELECT 1");
        let due = Duration::from_millis(2 * (number + 1));
        thread::sleep(due.saturating_sub(started.elapsed()));
    }
    for (&id, &held) in &held {
        let sent = each * held;
        let counted = || reads(id) - before[&id];
        wait_until("the reads", WITHIN, || counted() * 100 >= sent * 98);
        let own = probe.metrics().reads();
        wait_until("further readings", WITHIN, || probe.metrics().reads() > own + 100);
        let (counted, now) = (counted(), connections(id));
        eprintln!("server-{id}: {counted} of {sent} reads, {now} of {held} connections");
        assert!(counted.abs_diff(sent) * 100 <= sent * 2, "{counted} of {sent} reads of server-{id}");
        assert_eq!(now, held, "connections of server-{id}");
    }
    pool.close();
}

#[test]
fn a_check_of_clients_fails_when_they_are_uneven() {
    let mut service = Service::of(3);
    let pools = Clients::through_the_service(POOLED);
    service.fleet.add();
    route_to(&service.fleet.addresses());
    let call = service.call().with(&["--for", "20s", "--timeout", "30s", "--alpha", "0.000000001"]);
    let uneven = call.clone().with(&["--clients"]).check();
    assert_eq!(uneven.code, Some(1), "{uneven:?}");
    assert!(format!("{uneven:?}").contains("Clients: server-103 holds 0 of"), "{uneven:?}");
    let ignored = call.check();
    assert_eq!(ignored.code, Some(0), "{ignored:?}");
    pools.close();
}

/// `docs/clients.md` has a table of these.
#[test]
fn com_select_counts_text_prepared_and_stored_statements_as_the_performance_schema_does() {
    let service = Service::of(1);
    let primary = service.fleet.primary();
    assert_counts(primary, (primary.address, 3306).into());
    drop(service);
    let _namespace = Namespace::enter();
    let cached = ["query-cache-type=1", "query-cache-size=1M"];
    for series in SERIES {
        let mariadb = Mariadb::start(series, 21, &cached);
        assert_counts(&mariadb, (mariadb.address, 3306).into());
    }
}

/// Its name, what the server should count, and how to run it.
type Kind = (&'static str, u64, fn(&mut Clients));

fn assert_counts(server: &Sql, address: SocketAddr) {
    const TIMES: u64 = 20;
    server.query(&format!(
        "CREATE DATABASE d; CREATE TABLE d.t (a INT); INSERT INTO d.t VALUES (1); GRANT ALL ON *.* TO '{USER}'@'%'"
    ));
    let mut client = Clients::connect(address, 1);
    client.run("CREATE PROCEDURE d.p() BEGIN SELECT a FROM d.t; SELECT a + 1 FROM d.t; SELECT a + 2 FROM d.t; END");
    let count = |client: &mut Clients| {
        let selects = client.number("SHOW GLOBAL STATUS LIKE 'Com_select'");
        let seen = client.number(
            "SELECT CAST(SUM(COUNT_STAR) AS CHAR) FROM performance_schema.events_statements_summary_global_by_event_name
            WHERE EVENT_NAME IN ('statement/sql/select', 'statement/com/Execute', 'statement/sql/execute_sql',
                'statement/sp/stmt')",
        );
        (selects, seen)
    };
    let kinds: [Kind; 5] = [
        ("text", TIMES, |client| client.repeat("SELECT a FROM d.t", TIMES)),
        ("prepared by the protocol", TIMES, |client| client.execute_prepared("SELECT a + 3 FROM d.t", TIMES)),
        ("EXECUTE", TIMES, |client| {
            client.run("PREPARE s FROM 'SELECT a + 4 FROM d.t'");
            client.repeat("EXECUTE s", TIMES);
        }),
        ("stored", 3 * TIMES, |client| client.repeat("CALL d.p()", TIMES)),
        ("SHOW", 0, |client| client.repeat("SHOW GLOBAL STATUS LIKE 'Uptime'", TIMES)),
    ];
    for (kind, expected, run) in kinds {
        let (selects, seen) = count(&mut client);
        run(&mut client);
        let (selects, seen) = {
            let after = count(&mut client);
            (after.0 - selects, after.1 - seen)
        };
        // The statement that looks counts once.
        assert_eq!((selects, seen), (expected + 1, expected + 1), "{kind} at {address}");
    }
    client.close();
}
