//! What the readings of the status counters cost a server with many connections, and readscope.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use mysql_async::{Conn, OptsBuilder, prelude::Queryable};
use tokio::runtime::Builder;

use crate::{
    cpu::quantile,
    exporter::{Exporter, built},
    mysql::PASSWORD,
    servers::Server,
    sql::USER,
    table::{Row, time},
};

const READING: &str =
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Com_select', 'Uptime', 'Connections')";

/// Idle connections of clients.
const IDLE: usize = 2000;

/// Rounds of readscope with and without readings at the same time.
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(40);

/// How long the server takes for a reading.
pub(crate) fn of_the_server(server: &Server) -> Row {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let address = server.address();
    let (alone, among) = runtime.block_on(async {
        let mut reader = connect(address).await;
        let alone = reading(&mut reader).await;
        let mut idle = Vec::new();
        for _ in 0..IDLE {
            idle.push(connect(address).await);
        }
        (alone, reading(&mut reader).await)
    });
    let alone = (0.005, format!("5.0 ms ({} without connections)", time(alone).1));
    Row::single("reading of the counters, 2,000 idle connections", time(among), alone).wanted("<= 1")
}

async fn connect(address: SocketAddr) -> Conn {
    let options = OptsBuilder::default().ip_or_hostname(address.ip().to_string()).tcp_port(address.port());
    let options = options.user(Some(USER)).pass(Some(PASSWORD)).prefer_socket(false);
    Conn::new(options.max_allowed_packet(Some(1 << 20)).wait_timeout(Some(3600))).await.unwrap()
}

/// The median.
async fn reading(reader: &mut Conn) -> f64 {
    let mut seconds = Vec::new();
    for _ in 0..300 {
        let started = Instant::now();
        reader.query_drop(READING).await.unwrap();
        seconds.push(started.elapsed().as_secs_f64());
    }
    quantile(seconds, 2)
}

/// Processor time of readscope with one reading for ten probes, as by default.
pub(crate) fn of_readscope(server: &Server) -> Row {
    let start = |port, interval| Exporter::with_readings(&built(), server, port, interval);
    let round = |_| {
        let (with, without) = (start(10306, "1s"), start(10307, "0s"));
        with.wait_for_probes(1.0);
        without.wait_for_probes(1.0);
        let before = (with.running(), without.running());
        thread::sleep(ROUND);
        (with.running() - before.0, without.running() - before.1)
    };
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(round).collect();
    let probes = 10.0 * ROUND.as_secs_f64();
    let median = |which: fn(&(f64, f64)) -> f64| quantile(rounds.iter().map(which), 2);
    let (with, without) = (time(median(|round| round.0) / probes), time(median(|round| round.1) / probes));
    let ratios = rounds.iter().map(|(with, without)| with / without);
    Row {
        ratio: quantile(ratios.clone(), 2),
        quartiles: Some((quantile(ratios.clone(), 1), quantile(ratios, 3))),
        ..Row::single("CPU a probe with readings", with, (without.0, format!("{} (without)", without.1)))
    }
    .wanted("<= 1.1")
}
