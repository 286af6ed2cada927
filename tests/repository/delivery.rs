//! The files that are delivered with the program are consistent with each other.

use serde_json::Value;

use crate::read;

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

#[test]
fn the_operator_has_the_same_alerts_as_the_rule_read() {
    let rules = yaml("deploy/alerts/readscope.rules.yaml");
    let object = yaml("deploy/components/prometheus-operator/rules.yaml");
    assert_eq!(
        (&object["apiVersion"], &object["kind"]),
        (&"monitoring.coreos.com/v1".into(), &"PrometheusRule".into())
    );
    assert!(rules["groups"].is_array());
    assert_eq!(object["spec"], rules);
}

#[test]
fn the_version_of_the_manifest_is_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(yaml("deploy/kustomization.yaml")["images"][0]["newTag"], version, "the image of deploy/");
    let chart = yaml("deploy/chart/Chart.yaml");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&version.into(), &version.into()), "deploy/chart");
    let changes = read("CHANGELOG.md");
    let heads: Vec<&str> = changes.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(heads.first().is_some_and(|head| head.contains("Unreleased") || head.contains(version)), "{heads:?}");
}
