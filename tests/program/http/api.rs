//! The API and the exposition of a given snapshot.

use readscope::{model::Snapshot, view::metrics::Exposition};
use serde_json::Value;

use super::paths::{CONFIGURATION, assert_guarded, served};
use crate::support::{
    golden,
    http::get,
    site::{Served, nothing, snapshot},
};

fn exposition(snapshot: &Snapshot) -> String {
    let mut text = Vec::new();
    Exposition::default().write(snapshot, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn the_exposition_of_a_snapshot_has_this_text() {
    let exposition = exposition(&snapshot());
    let ours = exposition.lines().filter(|line| !line.contains("process_"));
    let rustc = readscope::view::metrics::RUSTC;
    let without_versions =
        |line: &str| line.replace(env!("CARGO_PKG_VERSION"), "VERSION").replace(rustc, "RUSTC") + "\n";
    let text: String = ours.map(without_versions).collect();
    golden::assert_is("tests/fixtures/metrics.txt", &text);
    let names = ["process_cpu_seconds_total", "process_open_fds", "process_resident_memory_bytes"];
    for name in names {
        assert!(exposition.lines().any(|line| line.starts_with(name)), "{name}");
    }
}

#[test]
fn before_the_first_probe_every_reason_and_no_replica_has_a_series() {
    let exposition = exposition(&nothing());
    let failures = "readscope_probe_failures_total{";
    assert_eq!(exposition.lines().filter(|line| line.starts_with(failures) && line.ends_with(" 0")).count(), 11);
    assert!(exposition.contains("readscope_probes_total{target=\"mysql/mysql-read\"} 0"));
    assert!(!exposition.contains("readscope_replica_share{"));
    assert!(!exposition.contains("readscope_reads_total{"));
}

/// A time as the API writes it: RFC 3339, UTC, milliseconds.
fn is_time(value: &Value) -> bool {
    let form = "dddd-dd-ddTdd:dd:dd.dddZ";
    let fits = |(c, f): (char, char)| if f == 'd' { c.is_ascii_digit() } else { c == f };
    value.as_str().is_some_and(|text| text.len() == form.len() && text.chars().zip(form.chars()).all(fits))
}

fn assert_has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "{field} is not in {value}");
    }
}

#[test]
fn the_api_has_every_field_of_the_contract() {
    let site = served();
    let answer = get(site.address, "/api/v1/targets").json();
    let target = &answer["targets"][0];
    let fields = ["target", "verdict", "reason", "probes", "failures", "evidence_seconds", "threshold_seconds"];
    assert_has(target, &fields);
    assert_has(target, &["replicas", "culprits", "anomalies", "notices", "last_reads", "last_failures"]);
    assert_eq!(target["target"], "mysql/mysql-read");
    assert_eq!((&target["probes"], &target["failures"]), (&Value::from(4), &Value::from(1)));

    let replicas = target["replicas"].as_array().unwrap();
    assert_eq!(replicas.len(), 3);
    for replica in replicas {
        assert_has(replica, &["replica", "server_id", "server_uuid", "role", "version", "reads", "share"]);
        assert_has(replica, &["expected_share", "share_lower", "share_upper", "lag_seconds", "pod_probe_up"]);
    }
    let [mysql_1, mysql_2, server_100] = replicas.as_slice() else { unreachable!("there are three") };
    assert_eq!((&mysql_1["replica"], &mysql_1["server_id"]), (&Value::from("mysql-1"), &Value::from(101)));
    assert_eq!((&mysql_1["role"], &mysql_1["reads"]), (&Value::from("replica"), &Value::from(2)));
    assert!((mysql_1["share"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-9);
    assert!((mysql_2["expected_share"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9);
    for field in ["server_id", "server_uuid", "role", "version", "lag_seconds", "pod_probe_up"] {
        assert_eq!(mysql_2[field], Value::Null, "{field} of a replica that has not answered");
    }
    assert_eq!((&mysql_2["replica"], &mysql_2["reads"]), (&Value::from("mysql-2"), &Value::from(0)));
    assert_eq!((&server_100["role"], &server_100["server_uuid"]), (&Value::from("primary"), &Value::Null));

    let answers = target["last_reads"].as_array().unwrap();
    assert_eq!(answers.len(), 3);
    for answer in answers {
        assert_has(answer, &["time", "replica", "server_id", "duration_seconds"]);
        assert!(is_time(&answer["time"]), "{answer}");
        assert_eq!(answer["duration_seconds"], 0.003_906_25);
    }
    let failures = target["last_failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1);
    assert!(is_time(&failures[0]["time"]), "{failures:?}");
    assert_eq!(failures[0]["reason"], "refused");
    assert_eq!(failures[0]["duration_seconds"], 1.0);
}

#[test]
fn before_the_first_probe_the_api_has_no_replicas_and_readscope_is_not_ready() {
    let site = Served::showing(nothing(), CONFIGURATION);
    let target = get(site.address, "/api/v1/targets").json()["targets"][0].clone();
    assert_eq!((&target["probes"], &target["verdict"]), (&Value::from(0), &Value::from("undecided")));
    assert_eq!(target["replicas"], Value::Array(Vec::new()));
    for path in ["/-/ready", "/readyz"] {
        let answer = get(site.address, path);
        assert_eq!(answer.status, 503);
        assert_eq!(answer.text(), "The first probe of mysql/mysql-read has not finished yet.\n");
        assert_guarded(&answer);
    }
    assert_eq!(get(site.address, "/-/healthy").status, 200);
}
