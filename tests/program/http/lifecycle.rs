//! The program as a service: readiness, lack of file descriptors, shutdown.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    exporter::{Exporter, PATIENT, SOON, arguments},
    http::{connect, get, try_get},
    program::readscope_with_files,
    script::{Script, Step},
    server::Server,
    waiting::{wait_for, wait_until},
};

/// With a timeout longer than the tests, so that a probe is in flight at shutdown.
const HANGING: [&str; 8] = ["--tls", "disabled", "--interval", "20ms", "--timeout", "60s", "--max-in-flight", "4"];

/// A stop takes at most 5 s, and a busy machine may be late.
const DRAINED_WITHIN: Duration = Duration::from_secs(9);

#[test]
fn readiness_starts_with_the_end_of_the_first_probe() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut exporter = Exporter::with(listener.local_addr().unwrap(), &["--tls", "disabled", "--timeout", "60s"]);
    let hanging = wait_for("the first probe", SOON, || listener.accept().ok());
    assert_eq!(get(exporter.address, "/-/ready").status, 503);
    assert_eq!(get(exporter.address, "/healthz").status, 200);
    drop(hanging);
    wait_until("readiness", SOON, || get(exporter.address, "/-/ready").status == 200);
    assert!(exporter.program.is_running());
}

#[test]
fn readscope_listens_at_every_given_address_and_without_an_ip_at_all_addresses() {
    let server = Server::playing(Script::good());
    let exporter = Exporter::with(server.address, &["--tls", "disabled", "--web.listen-address", ":0"]);
    wait_until("two listeners", SOON, || exporter.program.logged(&["listening for HTTP"]) == 2);
    let log = exporter.program.log();
    let everywhere = log.iter().filter_map(|line| line.split("address=").nth(1)).find(|at| !at.starts_with("127."));
    let port = everywhere.unwrap().trim_matches('"').rsplit_once(':').unwrap().1.parse().unwrap();
    assert_eq!(get(([127, 0, 0, 1], port).into(), "/healthz").status, 200);
    assert_eq!(get(exporter.address, "/healthz").status, 200);
}

#[test]
fn lack_of_file_descriptors_is_reported_once_and_readscope_recovers() {
    let server = Server::playing(Script::good());
    let arguments = arguments(server.address, &PATIENT);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut exporter = Exporter::start(&mut readscope_with_files(40, &arguments));
    exporter.wait_for_reads(5);

    // The kernel accepts all of them; the program has file descriptors for some.
    let idle: Vec<TcpStream> = (0..60).map(|_| connect(exporter.address)).collect();
    let failing = ["failed (other)", "Too many open files"];
    wait_until("probes without a file", SOON, || exporter.program.logged(&failing) == 1);
    wait_until("accepts without a file", SOON, || exporter.program.logged(&["failed to accept HTTP connections"]) == 1);
    drop(idle);

    let metrics = exporter.wait_for_reads(20);
    assert!(metrics.failures("other") >= 1);
    assert_eq!(metrics.all_failures(), metrics.failures("other"));
    assert_eq!(exporter.program.logged(&failing), 1);
    assert_eq!(exporter.program.logged(&["failed to accept HTTP connections"]), 1);
    exporter.program.signal(Signal::SIGTERM);
    assert_eq!(exporter.program.wait(DRAINED_WITHIN).code(), Some(0));
    server.wait_until_closed(0);
}

#[test]
fn a_signal_stops_at_once_despite_idle_clients() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let server = Server::playing(Script::good());
        let mut exporter = Exporter::of(server.address);
        exporter.wait_for_reads(3);
        let mut kept = connect(exporter.address);
        kept.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let mut status = [0; 12];
        kept.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        let silent = connect(exporter.address);

        exporter.program.signal(signal);
        // A shutdown that waits for either of them has another exit code.
        assert_eq!(exporter.program.wait(DRAINED_WITHIN).code(), Some(0), "{signal}");
        assert_eq!(exporter.program.logged(&["shutting down", signal.as_str()]), 1);
        assert!(try_get(exporter.address, "/-/healthy").is_err());
        server.wait_until_closed(0);
        drop(silent);
    }
}

#[test]
fn probes_in_flight_are_finished_before_the_end() {
    let mut late = Script::good();
    late.steps.insert(0, Step::ReceiveWithin(Duration::from_secs(1)));
    let server = Server::playing(late);
    let exporter = Exporter::with(server.address, &["--tls", "disabled", "--interval", "50ms", "--timeout", "60s"]);
    wait_until("a probe", SOON, || server.opened() >= 1);
    exporter.program.signal(Signal::SIGTERM);
    let ended = exporter.program.ended(DRAINED_WITHIN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains(": first read (server_id "), "{ended:?}");
    server.wait_until_closed(0);
}

#[test]
fn a_shutdown_ends_after_its_time_limit() {
    let server = Server::playing(Script::nothing().then_silence());
    let exporter = Exporter::with(server.address, &HANGING);
    wait_until("a probe", SOON, || server.opened() >= 1);
    // The shutdown does not wait longer for half a request than for a probe.
    let mut half = connect(exporter.address);
    half.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    let began = Instant::now();
    exporter.program.signal(Signal::SIGTERM);
    let ended = exporter.program.ended(DRAINED_WITHIN);
    assert!(began.elapsed() >= Duration::from_secs(4), "the shutdown waits for probes in flight: {ended:?}");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("shutdown cut short after 5s"), "{ended:?}");
    server.wait_until_closed(0);
}

#[test]
fn half_a_request_does_not_delay_the_shutdown() {
    let server = Server::playing(Script::good());
    let mut exporter = Exporter::of(server.address);
    exporter.wait_for_reads(3);
    let mut half = connect(exporter.address);
    half.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    // A response to another client means that the half was read too.
    assert_eq!(get(exporter.address, "/-/healthy").status, 200);
    exporter.program.signal(Signal::SIGTERM);
    let ended = exporter.program.ended(DRAINED_WITHIN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_second_signal_stops_at_once() {
    let server = Server::playing(Script::nothing().then_silence());
    let mut exporter = Exporter::with(server.address, &HANGING);
    wait_until("a probe", SOON, || server.opened() >= 1);
    exporter.program.signal(Signal::SIGTERM);
    wait_until("the stop", SOON, || exporter.program.logged(&["a second signal exits at once"]) == 1);
    let began = Instant::now();
    exporter.program.signal(Signal::SIGINT);
    assert_eq!(exporter.program.wait(SOON).code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    server.wait_until_closed(0);
}
