//! `check`: verdicts, exit codes and output.

use std::{net::SocketAddr, time::Duration};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{
    closed_port::ClosedPort,
    exporter::SOON,
    program::{Ended, Program, call, readscope},
    replicas::Replicas,
    script::Script,
    server::Server,
    waiting::wait_until,
};

/// `check` with fast probes.
fn check(address: SocketAddr, further: &[&str]) -> Ended {
    let address = address.to_string();
    let usual = ["check", "--address", &address, "--tls", "disabled", "--interval", "2.5ms"];
    call(&[&usual, further].concat())
}

fn json(ended: &Ended) -> Value {
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[test]
fn check_without_a_server_soon_exits_2_with_one_sentence() {
    let closed = ClosedPort::new();
    let address = closed.address();
    let ended = check(address, &[]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    assert!(ended.stdout.starts_with("Down: no read so far (refused: "), "{ended:?}");
    assert!(ended.stdout.ends_with(&format!(" (address {address})\n")), "{ended:?}");
    let result = json(&check(address, &["--output", "json"]));
    assert_eq!((&result["exit_code"], &result["verdict"]), (&Value::from(2), &Value::from("undecided")));
    assert_eq!(result["failures"], result["failures_by_reason"]["refused"]);
    assert!(result["probes"].as_u64().unwrap() < 600, "not all are made: {result}");
    assert_eq!(result["status"], "down");
    assert!(result["reason"].as_str().unwrap().starts_with("Undecided: "), "{result}");
}

#[test]
fn check_of_balanced_replicas_exits_0() {
    let replicas = Replicas::of(&[0, 1, 2], 1);
    let seen = check(replicas.address, &["--probes", "300"]);
    assert_eq!(seen.code, Some(0), "{seen:?}");
    assert_eq!(seen.stdout, "Balanced: 3 of the 3 replicas seen answer, chance alone explains the differences\n");

    let expect = ["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "server-102"];
    let expected = check(replicas.address, &[&["--probes", "300", "--output", "json"], &expect[..]].concat());
    assert_eq!(expected.code, Some(0), "{expected:?}");
    let result = json(&expected);
    assert_eq!(result["exit_code"], 0);
    assert_eq!(result["probes"], 300);
    assert_eq!(result["failures"], 0);
    assert_eq!(result["verdict"], "balanced");
    assert_eq!(result["target"], replicas.address.to_string());
    assert!(result["reason"].as_str().unwrap().starts_with("Balanced: 3 of 3 replicas answer"));
    let p_value = result["p_value"].as_f64().unwrap();
    assert!(p_value > 0.001 && p_value <= 1.0, "{p_value}");
    for field in
        ["evidence_seconds", "threshold_seconds", "culprits", "anomalies", "notices", "last_reads", "last_failures"]
    {
        assert!(result.get(field).is_some(), "{field} is not in {result}");
    }
    let of_replicas = result["replicas"].as_array().unwrap();
    let names: Vec<_> = of_replicas.iter().map(|replica| replica["replica"].as_str().unwrap()).collect();
    assert_eq!(names, ["mysql-0", "mysql-1", "server-102"]);
    assert_eq!(of_replicas.iter().map(|replica| replica["reads"].as_u64().unwrap()).sum::<u64>(), 300);
    assert_eq!([&of_replicas[0]["role"], &of_replicas[1]["role"]], ["primary", "replica"]);
}

#[test]
fn check_exits_1_if_an_expected_replica_never_answers() {
    let replicas = Replicas::of(&[0, 1], 2);
    let expect = ["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "mysql-2"];
    let ended = check(replicas.address, &expect);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("Missing: mysql-2 gave none of "), "{ended:?}");
    assert!(ended.stdout.contains("check that it runs"), "{ended:?}");
    // Too few probes for the test, but the replica is still missing.
    let few = check(replicas.address, &[&["--probes", "4", "--output", "json"], &expect[..]].concat());
    assert_eq!((few.code, &json(&few)["probes"]), (Some(1), &Value::from(4)));
}

#[test]
fn check_exits_1_if_a_replica_gets_twice_its_share() {
    let replicas = Replicas::of(&[0, 0, 1, 2], 3);
    let even = check(replicas.address, &["--output", "json"]);
    assert_eq!(even.code, Some(1), "{even:?}");
    let result = json(&even);
    assert_eq!((&result["exit_code"], &result["verdict"]), (&Value::from(1), &Value::from("unbalanced")));
    assert!(result["p_value"].as_f64().unwrap() <= 0.001, "{result}");
    assert!(result["reason"].as_str().unwrap().starts_with("Unbalanced: server-100 gets "), "{result}");
    assert!(result["probes"].as_u64().unwrap() < 600, "it ends as soon as it is sure: {result}");

    let weights = ["--expect", "mysql-0=2", "--expect", "mysql-1", "--expect", "mysql-2"];
    let weighted = check(replicas.address, &[&["--probes", "400"], &weights[..]].concat());
    assert_eq!(weighted.code, Some(0), "{weighted:?}");
}

#[test]
fn check_exits_1_if_an_unexpected_server_answers() {
    let replicas = Replicas::of(&[0, 1, 2], 4);
    let ended = check(replicas.address, &["--probes", "100", "--expect", "mysql-0", "--expect", "mysql-1"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("Unexpected: server-102 gave "), "{ended:?}");
}

#[test]
fn check_for_a_time_makes_the_probes_of_that_time() {
    let replicas = Replicas::of(&[0], 5);
    let ended = check(replicas.address, &["--for", "250ms", "--output", "json"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(json(&ended)["probes"], 100);
}

#[test]
fn an_interrupted_check_exits_2_with_a_sentence() {
    for (signal, output) in [(Signal::SIGINT, "text"), (Signal::SIGTERM, "json")] {
        let server = Server::playing(Script::good());
        let address = server.address.to_string();
        let usual = ["check", "--address", &address, "--tls", "disabled", "--probes", "1000000", "--output", output];
        let program = Program::start(&mut readscope(&usual));
        wait_until("a few probes", SOON, || server.opened() >= 3);
        program.signal(signal);
        let ended = program.ended(Duration::from_secs(10));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
        assert!(ended.stdout.contains("Undecided: it was interrupted after "), "{ended:?}");
        if output == "json" {
            let result = json(&ended);
            assert_eq!((&result["exit_code"], &result["p_value"]), (&Value::from(2), &Value::Null));
        }
        server.wait_until_closed(0);
    }
}
