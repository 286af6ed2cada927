//! The load on the servers in each state, by their own counters. `docs/probing.md` has the table.

use std::{fmt, time::Instant};

use crate::{
    mysql::Mysql,
    service::Service,
    support::{
        api_server::{ApiServer, Mode},
        exporter::{Exporter, Metrics},
    },
};

/// The servers' counts of the probe's account since it began.
#[derive(Clone, Copy)]
struct Counted {
    connections: u64,
    queries: u64,
    /// Of the status counters.
    readings: u64,
    /// `COM_QUIT`, session settings and whatever else there might be.
    others: u64,
}

impl Counted {
    fn of(server: &Mysql) -> Self {
        let count = |events: &str| {
            server.number(&format!(
                "SELECT COALESCE(SUM(COUNT_STAR), 0) FROM performance_schema.events_statements_summary_by_user_by_event_name
                WHERE USER = 'readscope' AND {events}"
            ))
        };
        Self {
            connections: server.logins(),
            queries: count("EVENT_NAME = 'statement/sql/select'"),
            readings: count("EVENT_NAME = 'statement/sql/show_status'"),
            others: count(
                "EVENT_NAME NOT IN ('statement/sql/select', 'statement/sql/show_status', 'statement/com/Quit')",
            ),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            connections: self.connections - before.connections,
            queries: self.queries - before.queries,
            readings: self.readings - before.readings,
            others: self.others - before.others,
        }
    }
}

/// A state of readscope, and the connections a second that it may cost.
struct State {
    name: &'static str,
    primary: f64,
    replica: f64,
}

impl State {
    /// Watches the servers' counters during `probes` probes through the Service. A slow machine makes them fewer a second.
    #[allow(clippy::print_stderr, reason = "the measured numbers, for the documentation")]
    fn measure(&self, service: &Service, exporter: &mut Exporter, probes: u64) {
        let counted = || service.fleet.members().iter().map(Counted::of).collect::<Vec<_>>();
        let (began, before) = (Instant::now(), counted());
        let taken = |metrics: &Metrics| metrics.sum("readscope_probes_total", "");
        let first = taken(&exporter.metrics());
        exporter.wait_for(self.name, |metrics| taken(metrics) >= first + probes);
        let (after, seconds) = (counted(), began.elapsed().as_secs_f64());
        for (ordinal, (before, after)) in before.into_iter().zip(after).enumerate() {
            let load = after.since(before);
            let (rate, most) =
                (f64_of(load.connections) / seconds, if ordinal == 0 { self.primary } else { self.replica });
            eprintln!(
                "{self}, mysql-{ordinal}: {rate:.2} connections/s, {:.2} queries/s",
                f64_of(load.queries) / seconds
            );
            // Chance divides the probes through the Service: six standard deviations, and the probes under way.
            let expected = most * seconds;
            let limit = expected + 6.0 * expected.sqrt() + 8.0;
            assert!(f64_of(load.connections) <= limit, "{self}, mysql-{ordinal}: {rate} a second, not {most}");
            // A connection may be between login and query.
            assert!(load.queries.abs_diff(load.connections) <= 16, "one query for each connection");
            let readings = f64_of(load.readings);
            assert!(readings <= seconds / 10.0 + 2.0, "{readings} readings in {seconds} s, not one in 10 s");
            assert_eq!(load.others, 0, "nothing but the query, the readings and COM_QUIT");
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a test are far below 2^52")]
fn f64_of(count: u64) -> f64 {
    count as f64
}

#[test]
fn the_load_is_that_of_the_documentation() {
    let service = Service::of(3);
    let api_server = ApiServer::start(Mode::Serves(vec![0, 1, 2]));
    let arguments = ["--service", "mysql/mysql-read", "--no-scale-events", "--timeout", "20s"];
    let run = |further: &[&str]| {
        let mut exporter = service.call().with(&arguments).with(further).run_at(&api_server.kubeconfig());
        exporter.wait_for("the watches", |metrics| metrics.sum("readscope_kube_watch_up", "") == 3);
        exporter
    };
    let by_service = 1.0 / 3.0;
    let mut reads = run(&["--pod-probe-interval", "0s"]);
    State { name: "reads only", primary: by_service, replica: by_service }.measure(&service, &mut reads, 20);
    drop(reads);
    let mut all = run(&[]);
    let (lag, pods) = (4.0, 0.1);
    let idle = State { name: "idle", primary: by_service + lag, replica: by_service + pods };
    idle.measure(&service, &mut all, 20);
    // No server runs at the address of the new pod, so its first read does not come.
    // A watch that resumes would not deliver it; a new list does.
    api_server.set(Mode::Refuses("503 Service Unavailable", ""));
    all.wait_for("the end of the watches", |metrics| metrics.sum("readscope_kube_watch_up", "") == 0);
    api_server.set(Mode::Serves(vec![0, 1, 2, 3]));
    all.wait_for("the new endpoint", |metrics| metrics.mentions("mysql-3"));
    let burst = 50.0 / 3.0;
    let scale_event = State { name: "burst", primary: burst + lag, replica: burst + pods };
    scale_event.measure(&service, &mut all, 200);
}
