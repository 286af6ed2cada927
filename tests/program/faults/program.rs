//! The whole program against hostile servers: it counts and logs the failures, and recovers.

use std::time::Duration;

use nix::sys::signal::Signal;
use readscope::model::FailureReason::{
    self, Auth, HostBlocked, Protocol, Query, Refused, Resolve, Timeout, TooManyConnections,
};

use crate::support::{
    closed_port::ClosedPort,
    exporter::{Exporter, PATIENT, SOON},
    http,
    program::readscope,
    random::Random,
    script::Script,
    server::Server,
    waiting::wait_until,
    wire::{self, packet, packets, result_set},
};

/// Connections of probes in flight and of one scrape.
const IN_FLIGHT: usize = 4;

/// Asserts that the failures of a reason were logged once, with advice.
fn assert_logged_once(exporter: &Exporter, reason: FailureReason) {
    let failed = format!("failed ({reason})");
    assert_eq!(exporter.program.logged(&["level=warn", &failed]), 1, "{reason}: {:#?}", exporter.program.log());
    assert_eq!(exporter.program.logged(&[&failed, reason.advice()]), 1, "{reason}: {:#?}", exporter.program.log());
}

#[test]
fn an_exporter_recovers_from_every_kind_of_failure() {
    let server = Server::playing(Script::good());
    let mut exporter = Exporter::of(server.address);
    exporter.wait_for_reads(5);
    let open_files = exporter.program.open_files();
    let error = |number, code, state, text| packet(number, &wire::error(code, state, text));
    let faults = [
        (Timeout, Script::nothing().then_silence()),
        (Protocol, Script::nothing().send(Random::seeded(7).bytes(500)).then_close()),
        (TooManyConnections, Script::nothing().send(error(0, 1040, None, "Too many connections"))),
        (HostBlocked, Script::nothing().send(error(0, 1129, None, "Host is blocked"))),
        (Auth, Script::greeting().send(error(2, 1045, Some("28000"), "Access denied"))),
        (Query, Script::login().send(packets(1, &result_set(7, &[]))).receive()),
        (Protocol, Script::login().then_reset()),
    ];
    for (reason, fault) in &faults {
        server.play(fault.clone());
        // Further ones would pause the probes.
        let failures = match reason {
            Auth => 1,
            Timeout | Protocol => 10,
            _ => 20,
        };
        exporter.wait_for_failures(reason.name(), failures);
        server.play(Script::good());
        // Ends the pause.
        exporter.program.signal(Signal::SIGHUP);
        exporter.wait_for_reads(5);
    }
    for (reason, _) in &faults {
        assert_logged_once(&exporter, *reason);
    }
    assert_eq!(exporter.program.logged(&["panic"]), 0);
    let log = exporter.program.log();
    let count = |part: &str| log.iter().filter(|line| line.contains(part)).count();
    let pauses = count("probes are paused until");
    assert!((1..=4).contains(&pauses) && pauses == count("probes are no longer paused"), "{log:#?}");
    let lines = log.len() - 2 * pauses - count("configuration reloaded");
    assert!(lines <= faults.len() + 6, "many failures are summarised: {log:#?}");
    exporter.wait_until_open_files(open_files + IN_FLIGHT);
    server.wait_until_closed(IN_FLIGHT);

    exporter.program.signal(Signal::SIGTERM);
    assert_eq!(exporter.program.wait(Duration::from_secs(10)).code(), Some(0));
    server.wait_until_closed(0);
}

#[test]
fn a_server_that_starts_later_is_probed_without_a_restart() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let closed = ClosedPort::new();
    let mut exporter = Exporter::of(closed.address());
    exporter.wait_for_failures("refused", 20);
    assert_eq!(exporter.metrics().up(), 0);
    let listener = runtime.block_on(async { closed.0.listen(128).unwrap().into_std().unwrap() });
    listener.set_nonblocking(false).unwrap();
    let server = Server::on(listener, Script::good());
    let metrics = exporter.wait_for_reads(5);
    assert_eq!(metrics.up(), 1);
    assert_logged_once(&exporter, Refused);
    assert!(server.opened() >= 5);
}

#[test]
fn failed_lookups_are_counted_and_logged_once() {
    let options = ["run", "--address", "no-such-name.invalid.", "--web.listen-address", "127.0.0.1:0"];
    let mut command = readscope(&options);
    let mut exporter = Exporter::start(command.args(PATIENT));
    let metrics = exporter.wait_for_failures("resolve", 20);
    assert_eq!(metrics.all_failures(), metrics.failures("resolve"));
    assert_logged_once(&exporter, Resolve);
}

#[test]
fn a_hanging_server_holds_at_most_the_allowed_connections() {
    let server = Server::playing(Script::good());
    let further = ["--tls", "disabled", "--interval", "5ms", "--timeout", "1s", "--max-in-flight", "3"];
    let mut exporter = Exporter::with(server.address, &further);
    // So many that several probes may be in flight.
    exporter.wait_for_reads(50);
    server.play(Script::nothing().then_silence());
    exporter.wait_until("skipped probes", |metrics| metrics.sum("readscope_probes_skipped_total", "") >= 20);
    // A timed-out probe's connection may still be on its way to the server's count.
    server.wait_until_closed(3);
    exporter.wait_for_failures("timeout", 6);
    assert_eq!(exporter.program.logged(&["probe", " skipped: earlier probes were still in flight"]), 1);
    server.play(Script::good());
    exporter.wait_for_reads(5);
}

#[test]
fn hostile_names_break_no_metric_no_page_and_no_log_line() {
    let hostile = b"\"}\nreadscope_up 1\n\x1b[2J\\<script>alert(1)</script>";
    let mut fields = wire::identity_with(1, Some(hostile));
    fields[3] = Some(hostile.to_vec());
    fields[5] = Some(hostile.to_vec());
    let server = Server::playing(Script::answering(&fields));
    let mut exporter = Exporter::with(server.address, &PATIENT);
    exporter.wait_for_reads(5);

    // A second server with the same server_id gets its host name into its own name.
    let mut second = fields.clone();
    second[1] = Some([&hostile[..], b"2"].concat());
    second[5] = Some(b"second".to_vec());
    server.play(Script::answering(&second));
    wait_until("the second replica", SOON, || exporter.metrics().series("readscope_reads_total").count() == 2);

    let metrics = exporter.metrics();
    for line in metrics.text().lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("readscope_") || line.starts_with("process_"), "{line}");
        assert!(!line.starts_with("readscope_up"), "{line}");
        assert!(!line.contains('\x1b'), "{line}");
        let value = line.rsplit_once(' ').unwrap().1;
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    let answer = http::get(exporter.address, "/api/v1/targets");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json()["targets"][0]["replicas"].as_array().unwrap().len(), 2);
    for line in exporter.program.log() {
        assert!(!line.contains('\x1b') && !line.starts_with("readscope_up"), "{line}");
    }
}
