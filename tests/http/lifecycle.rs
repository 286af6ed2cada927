//! The program as a service: when it is ready, how it bears running out of files, and how it ends.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    exporter::{Exporter, PATIENT, SOON, arguments},
    http::{connect, get, try_get},
    program::readscope_with_files,
    script::Script,
    server::Server,
    waiting::wait_until,
};

/// Longer than any probe here takes, so that one is under way whenever the program is to end.
const HANGING: [&str; 8] = ["--tls", "disabled", "--interval", "20ms", "--timeout", "60s", "--max-in-flight", "4"];

/// A stop takes at most 5 s, and a busy machine may be late.
const DRAINED_WITHIN: Duration = Duration::from_secs(9);

#[test]
fn it_is_ready_once_the_first_probe_is_over() {
    let server = Server::playing(Script::nothing().then_silence());
    let slow = ["--tls", "disabled", "--interval", "20ms", "--timeout", "60s", "--max-in-flight", "1000"];
    let mut exporter = Exporter::with(server.address, &slow);
    wait_until("the first probe", SOON, || server.opened() > 0);
    assert_eq!(get(exporter.address, "/-/ready").status, 503);
    assert_eq!(get(exporter.address, "/healthz").status, 200);
    server.play(Script::good());
    wait_until("readiness", SOON, || get(exporter.address, "/-/ready").status == 200);
    assert!(exporter.program.is_running());
}

#[test]
fn it_listens_at_every_address_and_without_an_ip_at_all_of_them() {
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
fn without_free_files_it_waits_tells_once_and_recovers() {
    let server = Server::playing(Script::good());
    let arguments = arguments(server.address, &PATIENT);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut exporter = Exporter::start(&mut readscope_with_files(40, &arguments));
    exporter.wait_for_reads(5);

    // The kernel takes them all; the program has files for some.
    let idle: Vec<TcpStream> = (0..60).map(|_| connect(exporter.address)).collect();
    let failing = ["failed (other)", "Too many open files"];
    wait_until("probes without a file", SOON, || exporter.program.logged(&failing) == 1);
    wait_until("accepts without a file", SOON, || exporter.program.logged(&["cannot accept HTTP connections"]) == 1);
    drop(idle);

    let metrics = exporter.wait_for_reads(20);
    assert!(metrics.failures("other") >= 1);
    assert_eq!(metrics.all_failures(), metrics.failures("other"));
    assert_eq!(exporter.program.logged(&failing), 1);
    assert_eq!(exporter.program.logged(&["cannot accept HTTP connections"]), 1);
    exporter.program.signal(Signal::SIGTERM);
    assert_eq!(exporter.program.wait(DRAINED_WITHIN).code(), Some(0));
    server.wait_until_closed(0);
}

#[test]
fn a_signal_drains_at_once_where_nothing_but_an_idle_client_is_left() {
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
        // A stop that waits for either of them is cut off, with another code.
        assert_eq!(exporter.program.wait(DRAINED_WITHIN).code(), Some(0), "{signal}");
        assert_eq!(exporter.program.logged(&["shutting down", signal.as_str()]), 1);
        assert!(try_get(exporter.address, "/-/healthy").is_err());
        server.wait_until_closed(0);
        drop(silent);
    }
}

#[test]
fn probes_under_way_are_finished_before_it_ends() {
    let server = Server::playing(Script::nothing().receive_within(Duration::from_secs(1)).then_close());
    let exporter = Exporter::with(server.address, &["--tls", "disabled", "--interval", "50ms", "--timeout", "3s"]);
    wait_until("a probe", SOON, || server.opened() >= 1);
    exporter.program.signal(Signal::SIGTERM);
    let ended = exporter.program.ended(DRAINED_WITHIN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    server.wait_until_closed(0);
}

#[test]
fn a_stop_is_cut_off_after_its_time() {
    let server = Server::playing(Script::nothing().then_silence());
    let exporter = Exporter::with(server.address, &HANGING);
    wait_until("a probe", SOON, || server.opened() >= 1);
    // Half a request is not waited for longer than a probe is.
    let mut half = connect(exporter.address);
    half.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    let began = Instant::now();
    exporter.program.signal(Signal::SIGTERM);
    let ended = exporter.program.ended(DRAINED_WITHIN);
    assert!(began.elapsed() >= Duration::from_secs(4), "probes under way are waited for: {ended:?}");
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stderr.contains("shutdown cut short after 5s"), "{ended:?}");
    server.wait_until_closed(0);
}

#[test]
fn half_a_request_does_not_hold_up_a_stop_of_an_idle_program() {
    let server = Server::playing(Script::good());
    let mut exporter = Exporter::of(server.address);
    exporter.wait_for_reads(3);
    let mut half = connect(exporter.address);
    half.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
    // An answer to somebody else means that the half was read too.
    assert_eq!(get(exporter.address, "/-/healthy").status, 200);
    exporter.program.signal(Signal::SIGTERM);
    let ended = exporter.program.ended(DRAINED_WITHIN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
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
