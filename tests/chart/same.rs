//! Chart and kustomize make the same objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    CHART, file, helm, named, rendered,
    support::{commands::run, deploy::Deploy},
    template,
};

const ONE: &str = "service=mysql/mysql-read";

/// Labels that Helm's objects have besides.
const OF_HELM: [&str; 4] =
    ["app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"];

/// The objects by kind, namespace and name, without what only one of the two ways has: a Namespace and the `ConfigMap` that
/// names the Service; the pod of `helm test`, Helm's labels and the policy of pulling images.
fn comparable(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let service = objects.iter().find_map(|object| object["data"]["service"].as_str()).map(str::to_owned);
    let is_shared = |object: &Value| {
        !["Namespace", "Pod"].contains(&object["kind"].as_str().unwrap()) && object["data"]["service"].is_null()
    };
    let mut all = BTreeMap::new();
    for mut object in objects.into_iter().filter(is_shared) {
        simplify(&mut object, service.as_deref());
        let metadata = &object["metadata"];
        let key = format!("{} {}/{}", object["kind"], metadata["namespace"], metadata["name"]);
        assert!(all.insert(key.clone(), object).is_none(), "{key} is there twice");
    }
    all
}

fn simplify(value: &mut Value, service: Option<&str>) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !OF_HELM.contains(&&**key) && key != "imagePullPolicy");
            if map.get("valueFrom").is_some_and(|from| from["configMapKeyRef"]["key"] == "service") {
                *value = json!({"name": map["name"], "value": service});
                return;
            }
            if let Some(targets) = map.get_mut("targets.yaml") {
                *targets = serde_saphyr::from_str(targets.as_str().unwrap()).unwrap();
            }
            for (key, value) in map {
                simplify(value, service);
                // Their order has no meaning.
                if let (true, Value::Array(list)) = (["env", "volumes", "volumeMounts"].contains(&&**key), value) {
                    list.sort_by_key(|item| item["name"].as_str().unwrap().to_owned());
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| simplify(value, service)),
        _ => {}
    }
}

#[track_caller]
fn assert_same(components: &[&str], values: &[&str]) {
    let (chart, kustomize) = (comparable(rendered(values)), comparable(Deploy::with(components).rendered()));
    assert_eq!(chart.keys().collect::<Vec<_>>(), kustomize.keys().collect::<Vec<_>>(), "{components:?}");
    for (key, object) in chart {
        assert_eq!(object, kustomize[&key], "{components:?}: {key}: the chart, and kustomize");
    }
}

#[test]
fn every_component_is_a_value() {
    let operator = ["podMonitor.enabled=true", "prometheusRule.enabled=true"];
    let wide = "targets[0].discover.selector=readscope\\.io/probe=true";
    let web = "web.secret=readscope-web";
    assert_same(&[], &[ONE]);
    assert_same(&["topology"], &[ONE, "topology=true"]);
    assert_same(&["per-node"], &[ONE, "perNode.enabled=true"]);
    assert_same(&["prometheus-operator"], &[ONE, operator[0], operator[1]]);
    assert_same(&["dashboard"], &[ONE, "dashboard.enabled=true"]);
    assert_same(&["kubernetes-events"], &[ONE, "kubernetesEvents=true"]);
    assert_same(&["high-availability"], &[ONE, "highAvailability=true"]);
    assert_same(&["cluster-wide"], &[wide]);
    assert_same(&["tls-and-auth"], &[ONE, web]);
    assert_same(
        &[
            "prometheus-operator",
            "per-node",
            "dashboard",
            "cluster-wide",
            "kubernetes-events",
            "high-availability",
            "tls-and-auth",
        ],
        &[
            wide,
            operator[0],
            operator[1],
            "perNode.enabled=true",
            "dashboard.enabled=true",
            "kubernetesEvents=true",
            "highAvailability=true",
            web,
        ],
    );
}

#[test]
fn a_package_contains_the_rules_and_the_dashboard_of_the_repository() {
    let folder = tempfile::tempdir().unwrap();
    run(helm().args(["package", CHART, "--destination"]).arg(folder.path()));
    let package = folder.path().join(concat!("readscope-", env!("CARGO_PKG_VERSION"), ".tgz"));
    let values = [ONE, "prometheusRule.enabled=true", "dashboard.enabled=true"];
    let text = run(&mut template(package.to_str().unwrap(), &values));
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let rules: Value = serde_saphyr::from_str(&file("deploy/alerts/readscope.rules.yaml")).unwrap();
    assert_eq!(named(&objects, "PrometheusRule", "readscope")["spec"], rules);
    let dashboard = &named(&objects, "ConfigMap", "readscope-dashboard")["data"]["readscope.json"];
    assert_eq!(*dashboard, file("grafana/readscope.json"));
    assert_eq!(objects, rendered(&values), "the package renders as the directory does");
}
