//! The alert rules, checked by promtool.

use std::{path::Path, process::Command};

use crate::obtained;

/// The output of promtool for a file of `deploy/alerts`.
#[track_caller]
fn assert_promtool(task: &str, file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alerts").join(file);
    let output = Command::new(obtained::prometheus().join("usr/bin/promtool")).args([task, "rules"]).arg(path).output();
    let output = output.expect("promtool starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn prometheus_accepts_every_rule() {
    let said = assert_promtool("check", "readscope.rules.yaml");
    assert!(said.contains("rules found"), "{said}");
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let said = assert_promtool("test", "readscope.test.yaml");
    assert!(said.contains("SUCCESS"), "{said}");
}
