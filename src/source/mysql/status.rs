//! The status counters of a server, read on the connection of a probe after its identity query. They show what the
//! clients do there. The account needs no privilege.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mysql_async::{Conn, Error, prelude::Queryable};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep};

use super::{ROWS_MAX, before, identity::sanitized};
use crate::{
    clock::Clock,
    model::{Moment, ServerStatus},
    panics::contain,
    source::own_traffic::{OwnTraffic, ServerHash},
};

/// `Com_select` counts text statements, prepared statements and the statements of stored programs; `docs/clients.md` says
/// how that was verified. This statement does not count.
const QUERY: &str =
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Com_select', 'Uptime', 'Connections')";

/// The reading delays the end of its probe, and must not use up the limit of probes in flight.
const WITHIN: Duration = Duration::from_secs(1);

/// The jitter of pod probes, and some more.
const EARLY: f64 = 0.8;

/// Intervals after which routed probes read a server that pod probes no longer reach.
const WITHOUT_POD_PROBES: f64 = 2.5;

/// A connection's number is close to the server's count of connections. It is not if a proxy opened the connection to
/// the server.
const CONNECTIONS_BETWEEN: u32 = 1000;

const TEXT_CHARS_MAX: usize = 200;

/// When to read which server of one target.
pub(super) struct Readings {
    /// `None`: never.
    interval: Option<Duration>,
    pub(super) traffic: OwnTraffic,
    last: Mutex<HashMap<ServerHash, Last>>,
    /// Connections of this target whose server is not known yet.
    connecting: AtomicU64,
}

#[derive(Clone, Copy)]
struct Last {
    at: Instant,
    by_pod_probe: bool,
}

/// One connection whose server is not known yet, until it is dropped.
pub(super) struct Connecting<'a>(&'a AtomicU64);

impl Readings {
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval: (!interval.is_zero()).then_some(interval),
            traffic: OwnTraffic::default(),
            last: Mutex::default(),
            connecting: AtomicU64::new(0),
        }
    }

    pub(super) fn connecting(&self) -> Connecting<'_> {
        self.connecting.fetch_add(1, Ordering::Relaxed);
        Connecting(&self.connecting)
    }

    /// Whether this probe reads the server. If so, the next one is due after the interval.
    pub(super) fn take_due(&self, server: ServerHash, by_pod_probe: bool) -> bool {
        let Some(interval) = self.interval else { return false };
        let mut last = self.last.lock();
        let due = |last: &Last| {
            let part = match (by_pod_probe, last.by_pod_probe) {
                (true, _) => EARLY,
                (false, false) => 1.0,
                (false, true) => WITHOUT_POD_PROBES,
            };
            last.at.elapsed() >= interval.mul_f64(part)
        };
        let is_due = last.get(&server).is_none_or(due);
        if is_due {
            // Servers that are gone.
            last.retain(|_, last| last.at.elapsed() < interval * 10);
            last.insert(server, Last { at: Instant::now(), by_pod_probe });
        }
        is_due
    }

    /// The second value says whether the connection can be used further.
    pub(super) async fn read(
        &self,
        connection: &mut Conn,
        server: ServerHash,
        clock: Clock,
        end: std::pin::Pin<&mut Sleep>,
    ) -> (Result<ServerStatus, String>, bool) {
        let own = self.traffic.of(server);
        let connecting = self.connecting.load(Ordering::Relaxed);
        let id = connection.id();
        let limit = std::pin::pin!(sleep(WITHIN));
        let reading = async { before(end, contain(rows(connection))).await };
        let answered = before(limit, reading).await.flatten();
        let is_usable = matches!(answered, Some(Ok(Ok(_) | Err(Error::Server(_)))));
        let rows = match answered {
            Some(Ok(Ok(rows))) => Ok(rows),
            Some(Ok(Err(Error::Server(error)))) => Err(format!("the server refused SHOW GLOBAL STATUS: {error}")),
            Some(Ok(Err(error))) => Err(format!("the answer to SHOW GLOBAL STATUS cannot be read: {error}")),
            Some(Err(_)) => Err("the answer to SHOW GLOBAL STATUS cannot be read".to_owned()),
            None => Err(format!("SHOW GLOBAL STATUS did not finish within {WITHIN:?}")),
        };
        let own_connections = own.connections.max(self.traffic.of(server).connections)
            + connecting.max(self.connecting.load(Ordering::Relaxed));
        let status = rows.and_then(|rows| status(&rows, id, clock.now()));
        let status = status.map(|status| ServerStatus { own_connections, own_selects: own.selects, ..status });
        (status.map_err(|text| sanitized(text, TEXT_CHARS_MAX)), is_usable)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn rows(connection: &mut Conn) -> Result<Vec<(String, String)>, Error> {
    let mut result = connection.query_iter(QUERY).await?;
    let mut rows = Vec::new();
    while let Some(mut row) = result.next().await? {
        if rows.len() == ROWS_MAX {
            let text = format!("the server sent more than {ROWS_MAX} rows");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, text).into());
        }
        let mut text = |index| row.take_opt::<String, _>(index).and_then(Result::ok).unwrap_or_default();
        rows.push((text(0), text(1)));
    }
    Ok(rows)
}

/// Without readscope's own part. `id` is the number of the connection.
fn status(rows: &[(String, String)], id: u32, at: Moment) -> Result<ServerStatus, String> {
    let value = |name: &str| {
        let row = rows.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = row.and_then(|(_, value)| value.parse::<u64>().ok());
        value.ok_or_else(|| format!("the server returned no {name} in SHOW GLOBAL STATUS"))
    };
    let status = ServerStatus {
        at,
        connections: value("Threads_connected")?,
        selects: value("Com_select")?,
        uptime: Duration::from_secs(value("Uptime")?),
        own_connections: 0,
        own_selects: 0,
    };
    // Both wrap around at 32 bits.
    #[expect(clippy::cast_possible_truncation, reason = "the number of a connection has 32 bits")]
    let since = (value("Connections")? as u32).wrapping_sub(id);
    if since > CONNECTIONS_BETWEEN {
        return Err("a proxy is between readscope and the server".to_owned());
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    fn answer(connections: &str) -> Vec<(String, String)> {
        vec![
            row("Com_select", "70"),
            row("Connections", connections),
            row("Threads_connected", "3"),
            row("Uptime", "9"),
        ]
    }

    fn at() -> Moment {
        Clock::start().now()
    }

    #[test]
    fn the_security_page_has_the_statement() {
        assert!(include_str!("../../../SECURITY.md").contains(QUERY));
    }

    #[test]
    fn a_reading_needs_all_of_its_counters() {
        let read = status(&answer("12"), 12, at()).unwrap();
        assert_eq!((read.connections, read.selects, read.uptime), (3, 70, Duration::from_secs(9)));
        for missing in 0..4 {
            let mut rows = answer("12");
            let (name, _) = rows.remove(missing);
            let error = status(&rows, 12, at()).unwrap_err();
            assert_eq!(error, format!("the server returned no {name} in SHOW GLOBAL STATUS"));
        }
        assert!(status(&[row("Threads_connected", "-3")], 12, at()).is_err());
    }

    /// The server counts the connections of the proxy, and the proxy numbers those of its clients.
    #[test]
    fn the_counters_of_a_server_behind_a_proxy_are_refused() {
        for (id, connections, direct) in [
            (12, "12", true),
            (12, "40", true),
            (4_294_967_290, "4294967300", true),
            (12, "5000", false),
            (5000, "12", false),
        ] {
            let read = status(&answer(connections), id, at());
            assert_eq!(read.is_ok(), direct, "{id} {connections}: {read:?}");
        }
        assert_eq!(status(&answer("5000"), 12, at()).unwrap_err(), "a proxy is between readscope and the server");
    }

    #[tokio::test(start_paused = true)]
    async fn routed_probes_read_a_server_only_where_pod_probes_do_not() {
        let server = ServerHash::of(&crate::model::Identity {
            server_id: 1,
            server_uuid: None,
            host_name: String::new(),
            read_only: true,
            version: String::new(),
            server_time: None,
            gtid_executed: None,
        });
        let readings = Readings::new(Duration::from_secs(10));
        let pass = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        assert!(readings.take_due(server, false) && !readings.take_due(server, false));
        pass(10).await;
        assert!(readings.take_due(server, false));
        pass(9).await;
        assert!(!readings.take_due(server, false) && readings.take_due(server, true), "pod probes have a jitter");
        pass(11).await;
        assert!(!readings.take_due(server, false), "pod probes reach the server");
        pass(14).await;
        assert!(readings.take_due(server, false), "they do no longer");
        assert!(!Readings::new(Duration::ZERO).take_due(server, true));
    }

    proptest::proptest! {
        #[test]
        fn any_rows_are_counters_or_an_error(
            rows in proptest::collection::vec((0..6_usize, 0..6_usize, ".{0,30}"), 0..8),
            id in proptest::prelude::any::<u32>(),
        ) {
            let names = ["Com_select", "connections", "Threads_connected", "Uptime", "UPTIME", ""];
            let values = ["0", "18446744073709551615", "18446744073709551616", "-1", "", " 7"];
            let rows: Vec<_> = rows.into_iter().map(|(name, value, other)| {
                let value = if value == 0 { other } else { values[value].to_owned() };
                row(names[name], &value)
            }).collect();
            if let Err(error) = status(&rows, id, at()) {
                proptest::prop_assert!(error.starts_with("the server returned no ") || error.starts_with("a proxy is"));
            }
        }
    }
}
