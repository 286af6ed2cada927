//! The table of `check`, and its exports.

use std::fs;

use serde_json::Value;

use crate::support::{
    program::{Ended, call},
    replicas::Replicas,
};

fn check(replicas: &Replicas, further: &[&str]) -> Ended {
    let address = replicas.address.to_string();
    let usual = ["check", "--address", &address, "--tls", "disabled", "--interval", "2.5ms", "--probes", "60"];
    call(&[&usual[..], &["--expect", "mysql-0", "--expect", "mysql-1"], further].concat())
}

#[test]
fn check_prints_a_row_per_replica_before_the_sentence() {
    let replicas = Replicas::of(&[0, 1], 1);
    let ended = check(&replicas, &[]);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        words(lines[0]),
        ["replica", "reads", "share", "interval", "expected", "pod", "probe", "clients"],
        "{ended:?}"
    );
    let reads: u64 = lines[1..3].iter().map(|line| words(line)[1].parse::<u64>().unwrap()).sum();
    assert_eq!((lines.len(), reads), (4, 60), "{ended:?}");
    assert!(lines[1].starts_with("mysql-0 ") && lines[2].starts_with("mysql-1 "), "{ended:?}");
    assert!(lines[3].starts_with("Balanced: "), "{ended:?}");
    assert!(lines[..3].iter().all(|line| line.chars().count() == lines[0].chars().count()), "{ended:?}");
}

#[test]
fn exports_go_to_files_beside_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let of = |format: &str, name: &str| format!("{format}={}", path(name).display());
    let replicas = Replicas::of(&[0, 1], 1);
    let exports = [of("json", "a.json"), of("csv", "a.csv"), of("markdown", "a.md")];
    let arguments: Vec<&str> = exports.iter().flat_map(|export| ["--export", export.as_str()]).collect();
    let ended = check(&replicas, &arguments);
    assert_eq!((ended.code, ended.stdout.lines().count()), (Some(0), 4), "{ended:?}");
    let json: Value = serde_json::from_str(&fs::read_to_string(path("a.json")).unwrap()).unwrap();
    let result = &json["results"][0];
    assert_eq!((&result["exit_code"], &result["verdict"]), (&Value::from(0), &Value::from("balanced")));
    assert_eq!(result["replicas"].as_array().unwrap().len(), 2);
    let csv = fs::read_to_string(path("a.csv")).unwrap();
    let header: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let first: Vec<&str> = csv.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(first.len(), header.len(), "{csv}");
    assert_eq!(first[..4], [replicas.address.to_string().as_str(), "balanced", "0", "mysql-0"], "{csv}");
    assert_eq!(first[4].parse::<u64>().unwrap(), result["replicas"][0]["reads"].as_u64().unwrap(), "{csv}");
    assert_eq!(first[5], result["replicas"][0]["share"].to_string(), "{csv}");
    let markdown = fs::read_to_string(path("a.md")).unwrap();
    assert!(markdown.starts_with("| replica | reads |") && markdown.contains("\n\nBalanced: "), "{markdown}");
}

#[test]
fn an_export_without_a_file_is_all_that_is_printed() {
    let replicas = Replicas::of(&[0, 1], 1);
    let csv = check(&replicas, &["--export", "csv"]);
    assert_eq!((csv.code, csv.stdout.lines().count()), (Some(0), 3), "{csv:?}");
    assert!(csv.stdout.starts_with("target,verdict,exit_code,replica,"), "{csv:?}");
    let json: Value = serde_json::from_str(&check(&replicas, &["--export", "json"]).stdout).unwrap();
    assert_eq!(json["results"][0]["target"], replicas.address.to_string());
}

#[test]
fn wrong_exports_are_refused_before_the_check() {
    let check = |export: &str| call(&["check", "--address", "127.0.0.1:1", "--export", export]);
    for wrong in ["xml", "", "csv=", "=a.csv", "CSV=a"] {
        check(wrong).assert_refused(&["--export", "write json, csv or markdown", "csv=reads.csv"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone/a.csv");
    let gone = gone.to_str().unwrap();
    check(&format!("csv={gone}")).assert_refused(&["cannot write the export to", gone, "No such file"]);
}
