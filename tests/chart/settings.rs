//! The settings of the alerts: the component and the chart change the same.

use serde_json::Value;

use crate::{named, rendered, support::deploy::Deploy};

/// Changes the settings as an overlay does, between the two components.
const OVERLAY: &str = r"
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../deploy/base]
components: [../deploy/components/prometheus-operator, settings, ../deploy/components/alert-settings]
";

const SETTINGS: &str = r#"
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- target: {kind: ConfigMap, name: readscope-alert-settings}
  patch: |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: readscope-alert-settings}
    data:
      job: db-.*
      namespaces: shop|mysql
      objective: "0.999"
      PVCPending-threshold: "600"
      ScaleStuck-threshold: "1200"
      StaleReads-threshold: "0.25"
      ProbesSkipped-threshold: "0.5"
      TargetDown-for: 17m
      ReadsUnbalanced-for: 3m
"#;

/// Each rule, without `for: 0s`, which is the default, and without the end of the last line.
fn rules(objects: &[Value]) -> Vec<Value> {
    let groups = named(objects, "PrometheusRule", "readscope")["spec"]["groups"].as_array().unwrap();
    let mut rules: Vec<Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect();
    for rule in &mut rules {
        rule["expr"] = rule["expr"].as_str().unwrap().trim_end().into();
        rule.as_object_mut().unwrap().retain(|key, value| key != "for" || value != "0s");
    }
    rules
}

#[track_caller]
fn assert_same(component: &[Value], chart: &[Value]) {
    assert_eq!(component.len(), chart.len());
    for (component, chart) in component.iter().zip(chart) {
        assert_eq!(component, chart);
    }
}

#[test]
fn the_component_changes_what_the_chart_changes() {
    let deploy = Deploy::with(&[]);
    deploy.beside("overlay/settings", SETTINGS);
    let objects = deploy.overlaid(OVERLAY);
    assert!(!objects.iter().any(|object| object["metadata"]["name"] == "readscope-alert-settings"));
    let alert = |name: &str, what: &str| format!("prometheusRule.alerts.Readscope{name}.{what}");
    let values = [
        "service=mysql/mysql-read",
        "prometheusRule.enabled=true",
        "prometheusRule.selector.job=db-.*",
        "prometheusRule.selector.namespaces=shop|mysql",
        "prometheusRule.objective=0.999",
        &alert("PVCPending", "threshold=600"),
        &alert("ScaleStuck", "threshold=1200"),
        &alert("StaleReads", "threshold=0.25"),
        &alert("ProbesSkipped", "threshold=0.5"),
        &alert("TargetDown", "for=17m"),
        &alert("ReadsUnbalanced", "for=3m"),
    ];
    let chart = rules(&rendered(&values));
    assert_same(&rules(&objects), &chart);
    let left = |rule: &&Value| {
        ["namespace=~\".*\"", "job=~\".+\""].iter().any(|old| rule["expr"].as_str().unwrap().contains(old))
    };
    assert_eq!(chart.iter().find(left), None);
}

#[test]
fn without_changes_the_component_only_sets_the_job() {
    let components = ["prometheus-operator", "alert-settings"];
    let settings = rules(&Deploy::with(&components).rendered());
    let plain = rules(&rendered(&[
        "service=mysql/mysql-read",
        "prometheusRule.enabled=true",
        "prometheusRule.selector.job=readscope",
    ]));
    assert_same(&settings, &plain);
}
