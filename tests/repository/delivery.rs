//! The files that are delivered with the program are consistent with each other.

use serde_json::Value;

use crate::{read, support::golden};

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

/// A `PrometheusRule` with the groups of the rule file.
const RULES_HEAD: &str = "\
# Made from ../../alerts/readscope.rules.yaml: the same groups, two columns further in. tests/repository/delivery.rs compares them.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: readscope
  namespace: readscope
  labels: {app.kubernetes.io/name: readscope}
spec:
";

#[test]
fn the_operator_has_the_same_rules_as_the_rule_file() {
    let rules = read("deploy/alerts/readscope.rules.yaml");
    let groups = rules.lines().skip_while(|line| *line != "groups:");
    let further_in = |line: &str| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") };
    let text = groups.map(further_in).collect::<String>();
    golden::assert_is("deploy/components/prometheus-operator/rules.yaml", &format!("{RULES_HEAD}{text}"));
    assert_eq!(
        yaml("deploy/components/prometheus-operator/rules.yaml")["spec"]["groups"],
        yaml("deploy/alerts/readscope.rules.yaml")["groups"]
    );
}

#[test]
fn every_scrape_keeps_the_namespace_of_the_database() {
    let monitor = yaml("deploy/components/prometheus-operator/pod-monitor.yaml");
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["honorLabels"], true);
    // The chart's monitors are compared with it in tests/chart.
    let page = read("docs/install.md");
    let in_page = page.split("```yaml\n").find(|block| block.starts_with("scrape_configs:")).unwrap();
    let in_page = serde_saphyr::from_str::<Value>(in_page.split("```").next().unwrap()).unwrap();
    for scrape in [yaml("examples/prometheus.yml"), in_page] {
        let job = &scrape["scrape_configs"][0];
        assert_eq!(job["honor_labels"], true, "{job}");
        assert_eq!(job["static_configs"][0]["labels"]["namespace"], "readscope", "{job}");
    }
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
