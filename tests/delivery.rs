//! What is delivered beside the program says the same as the program, and as what it is made from.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{fs, path::Path};

use support::golden;

/// What stands above the rules as the operator wants them.
const RULES_HEAD: &str = "\
# Made from ../../alerts/readscope.rules.yaml; tests/delivery.rs compares them.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: readscope
  namespace: readscope
  labels: {app.kubernetes.io/name: readscope}
spec:
";

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The alerts as an object of the operator: the rules' file, two columns further in.
fn prometheus_rule() -> String {
    let rules = file("deploy/alerts/readscope.rules.yaml");
    let begin = rules.find("\ngroups:").unwrap() + 1;
    let indented =
        rules[begin..].lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") });
    format!("{RULES_HEAD}{}", indented.collect::<String>())
}

#[test]
fn the_operator_has_the_same_alerts_as_everybody() {
    golden::assert_is("deploy/components/prometheus-operator/rules.yaml", &prometheus_rule());
}

#[test]
fn the_version_is_that_of_the_manifest_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(file("deploy/kustomization.yaml").contains(&format!("\n  newTag: {version}\n")), "the image of deploy/");
    let changes = file("CHANGELOG.md");
    let heads: Vec<&str> = changes.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(heads.first().is_some_and(|head| head.contains("Unreleased") || head.contains(version)), "{heads:?}");
}
