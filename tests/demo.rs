//! The demo, which needs nothing but the program: three replicas, then four, and it ends by itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{net::SocketAddr, time::Duration};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{
    exporter::SOON,
    http::{get, try_get},
    program::{Program, call, readscope},
    waiting::{wait_for, wait_until},
};

/// Where the demo says that its page is: its first line.
fn page(program: &mut Program) -> SocketAddr {
    let first = wait_for("the first line", SOON, || {
        assert!(program.is_running() || !program.output().is_empty(), "{:?}", program.log());
        program.output().first().cloned()
    });
    let address = first.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
    address.unwrap_or_else(|| panic!("{first:?} is no address of a page")).parse().unwrap()
}

/// The replicas that `/metrics` has reads of.
fn replicas(address: SocketAddr) -> Vec<String> {
    let series = "readscope_reads_total{target=\"mysql/mysql-read\",replica=\"";
    let text = get(address, "/metrics").text();
    let read = text.lines().filter(|line| !line.ends_with(" 0")).filter_map(|line| line.strip_prefix(series));
    read.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn three_replicas_answer_and_then_a_fourth() {
    let listen = ["--web.listen-address", "127.0.0.1:0"];
    // It ends by itself long before the test's patience does; how it ends is another test's affair.
    let mut program = Program::start(&mut readscope(&[&["demo", "--no-tui", "--for", "60s"], &listen[..]].concat()));
    let address = page(&mut program);
    wait_until("three replicas", Duration::from_secs(9), || replicas(address).len() == 3);
    assert_eq!(replicas(address), ["server-100", "server-101", "server-102"]);
    let target = get(address, "/api/v1/targets").json()["targets"][0].clone();
    assert_eq!(target["target"], "mysql/mysql-read");
    let roles: Vec<&str> = members(&target).map(|replica| replica["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["primary", "replica", "replica"]);

    // The fourth joins after 10 s; of 40 answers it gives one with all but certainty.
    wait_until("the fourth replica", Duration::from_secs(30), || replicas(address).len() == 4);
    let target = get(address, "/api/v1/targets").json()["targets"][0].clone();
    let fourth = members(&target).last().unwrap();
    assert_eq!((&fourth["replica"], &fourth["server_id"]), (&Value::from("server-103"), &Value::from(103)));
    assert!(members(&target).all(|replica| replica["expected_share"] == 0.25), "{target}");
    assert_eq!(target["failures"], 0);
    assert_eq!(get(address, "/-/ready").status, 200);
    assert_eq!(program.output().len(), 1, "{:?}", program.output());
    assert_eq!(program.logged(&["mysql-3 starts to answer"]), 1);

    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait(SOON).code(), Some(0));
    assert!(try_get(address, "/-/healthy").is_err());
}

fn members(target: &Value) -> impl Iterator<Item = &Value> {
    target["replicas"].as_array().unwrap().iter()
}

#[test]
fn it_ends_by_itself_after_its_time_with_a_line_an_answer() {
    let ended = call(&["demo", "--for", "3s", "--web.listen-address", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut lines = ended.stdout.lines();
    assert!(lines.next().unwrap().starts_with("http://127.0.0.1:"), "{ended:?}");
    let answers: Vec<_> = lines.collect();
    assert!((1..=13).contains(&answers.len()), "at most one answer every quarter of a second: {answers:#?}");
    for line in answers {
        // As the lab's loop prints them: time, server_id, and here the replica too.
        let [time, server_id, replica] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line:?}");
        assert!(["100", "101", "102"].contains(&server_id), "{line:?}");
        assert_eq!(replica, format!("server-{server_id}"));
    }
}

#[test]
fn without_a_reader_it_goes_on() {
    let mut command = readscope(&["demo", "--for", "1s", "--web.listen-address", "127.0.0.1:0"]);
    let status = Program::start_unread(&mut command).wait(SOON);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = call(&["demo", "--no-tui", "--for", "1s", "--web.listen-address", &address]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    for part in [&*address, "cannot listen", "in use", "--web.listen-address"] {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
}

#[test]
fn its_options_are_checked_like_any_others() {
    call(&["demo", "--for", "14"]).assert_refused(&["--for", "such as 500ms"]);
    call(&["demo", "--address", "mysql-read"]).assert_refused(&["'--address'"]);
}
