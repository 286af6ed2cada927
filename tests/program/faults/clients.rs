//! Servers that answer the identity query and fail at the reading of their status counters: the probe succeeds, and the
//! reading says why it failed.

use std::time::Duration;

use readscope::{clock::Clock, config::Settings, model::ServerStatus, source::mysql::Prober};

use super::{
    answers::COM_QUIT,
    case::{assert_readable, take, target},
};
use crate::support::{
    random::Random,
    script::Script,
    server::Server,
    wire::{self, packet, packets, result_set, row},
};

const QUERY: &[u8] = b"SHOW GLOBAL STATUS WHERE Variable_name IN";

/// The reading of a server that answers the query with `script`.
async fn reading(script: impl FnOnce(Script) -> Script) -> (Result<ServerStatus, String>, Server) {
    let identity = wire::identity_answer(&wire::identity("101", "mysql-1"));
    let server = Server::playing(script(Script::login().send(identity).receive()));
    let patience = Duration::from_secs(10);
    let mut target = target(server.address, patience);
    target.settings.clients_interval = Settings::default().clients_interval;
    let prober = Prober::new(target, Clock::start()).unwrap();
    let probe = take(&prober, patience).await.unwrap();
    let answer = probe.outcome.unwrap();
    assert!(probe.finished.elapsed <= probe.started.elapsed + answer.timings.total);
    server.wait_until_closed(0);
    assert!(server.received(QUERY));
    (*answer.status.unwrap(), server)
}

fn counters(threads: &str) -> Vec<u8> {
    let rows = [("Com_select", "7"), ("Connections", "1"), ("Threads_connected", threads), ("Uptime", "60")];
    let rows = rows.map(|(name, value)| row(&[Some(name.into()), Some(value.into())]));
    packets(1, &result_set(2, &rows))
}

#[tokio::test]
async fn a_failed_reading_has_a_reason_and_fails_no_probe() {
    let refused = packet(1, &wire::error(1227, Some("42000"), "Access denied"));
    let many = vec![row(&[Some(b"a".to_vec()), Some(b"1".to_vec())]); 40];
    for (answer, reason) in [
        (refused, "the server refused SHOW GLOBAL STATUS: "),
        (packet(1, &wire::ok()), "the server returned no Threads_connected in SHOW GLOBAL STATUS"),
        (counters("-1"), "the server returned no Threads_connected in SHOW GLOBAL STATUS"),
        (counters("many"), "the server returned no Threads_connected in SHOW GLOBAL STATUS"),
        (packets(1, &result_set(1, &[row(&[Some(b"a".to_vec())])])), "the server returned no Threads_connected"),
        (packets(1, &result_set(2, &many)), "the answer to SHOW GLOBAL STATUS cannot be read: "),
    ] {
        let (read, server) = reading(|script| script.send(answer)).await;
        let error = read.unwrap_err();
        assert!(error.starts_with(reason), "{error}");
        assert_readable(&error).unwrap();
        let finished = !reason.contains("cannot be read");
        assert!(server.received(COM_QUIT) || !finished, "{error}");
    }
}

#[tokio::test]
async fn a_reading_ends_in_time() {
    let whole = counters("3");
    for sent in [Vec::new(), whole[..whole.len() - 9].to_vec()] {
        let (read, server) = reading(|script| script.send(sent).then_silence()).await;
        assert_eq!(read.unwrap_err(), "SHOW GLOBAL STATUS did not finish within 1s");
        assert!(!server.received(COM_QUIT));
    }
}

#[tokio::test]
async fn random_bytes_fail_no_probe() {
    for seed in 0..20 {
        let (read, _) = reading(|script| script.send(Random::seeded(seed).bytes(300)).then_close()).await;
        assert_readable(&read.unwrap_err()).unwrap();
    }
}
