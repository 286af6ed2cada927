//! Values of the chart: each one has its effect, and wrong ones are refused with what to do.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{CHART, file, helm, named, refused, rendered, support::commands::run, template};

const ONE: &str = "service=mysql/mysql-read";

fn names(objects: &[Value], kind: &str) -> Vec<String> {
    let of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind
        .map(|object| format!("{}/{}", object["metadata"]["namespace"], object["metadata"]["name"]).replace('"', ""))
        .collect()
}

fn pod<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    &named(objects, kind, name)["spec"]["template"]["spec"]
}

#[test]
fn every_template_passes_the_lint() {
    let everything = "perNode.enabled=true,kubernetesEvents=true,highAvailability=true,web.secret=web,\
                      podMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true,password.external.enabled=true,\
                      password.external.store.name=vault,password.external.key=mysql,labels.team=db,podLabels.team=db,\
                      podAnnotations.a=b,imagePullSecrets[0].name=pull,priorityClassName=high";
    for values in [ONE.to_owned(), format!("{ONE},{everything}"), format!("targets[0].service=a/b,{everything}")] {
        let report = run(helm().args(["lint", "--strict", CHART, "--set", &values]));
        assert!(report.contains("0 chart(s) failed"), "{report}");
        rendered(&[&values]);
    }
}

#[test]
fn roles_are_only_where_the_targets_are() {
    let of = |values: &[&str]| {
        let objects = rendered(values);
        (names(&objects, "Role"), names(&objects, "ClusterRole"))
    };
    let storage = ["null/readscope-persistent-volumes", "null/readscope-storage-classes"].map(str::to_owned).to_vec();
    let one = |namespace: &str| format!("{namespace}/readscope");
    assert_eq!(of(&[ONE]), (vec![one("mysql")], storage.clone()));
    let several = [
        "targets[0].service=shop/reads",
        "targets[1].address=db.example:3306",
        "targets[2].discover.namespaces={team-b,team-a}",
        "targets[2].discover.selector=a=b",
        "targets[3].service=shop/other",
    ];
    assert_eq!(of(&several), (vec![one("shop"), one("team-a"), one("team-b")], storage));
    let everywhere = ["targets[0].service=shop/reads", "targets[1].discover.selector=a=b"];
    assert_eq!(
        of(&[&everywhere[..], &["rbac.storageClasses=false", "rbac.persistentVolumes=false"]].concat()),
        (vec![], vec!["null/readscope".to_owned()])
    );
    assert_eq!(of(&[ONE, "rbac.create=false"]), (vec![], vec![]));
}

#[test]
fn names_labels_and_pods_follow_the_values() {
    let objects = rendered(&[
        ONE,
        "fullnameOverride=probe",
        "labels.team=db",
        "podLabels.pod=yes",
        "image.digest=sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "perNode.enabled=true",
        "perNode.tolerations[0].operator=Exists",
        "nodeSelector.disk=ssd",
        "extraArgs={--log.format=json}",
        "extraEnv[0].name=HTTPS_PROXY",
        "extraEnv[0].value=http://proxy",
        "password.secret=db",
        "password.key=pw",
        "serviceAccount.create=false",
        "serviceAccount.name=other",
        "networkPolicy.mysqlPorts={3306,33060}",
        "podSecurityContext.runAsUser=1000",
    ]);
    for object in &objects {
        assert_eq!(object["metadata"]["labels"]["team"], "db", "{object}");
        assert!(object["metadata"]["name"].as_str().unwrap().starts_with("probe"), "{object}");
    }
    assert!(names(&objects, "ServiceAccount").is_empty());
    assert_eq!(named(&objects, "RoleBinding", "probe")["subjects"][0]["name"], "other");
    let (deployment, node) = (pod(&objects, "Deployment", "probe"), pod(&objects, "DaemonSet", "probe-node"));
    for pod in [deployment, node] {
        let container = &pod["containers"][0];
        assert_eq!(pod["serviceAccountName"], "other");
        assert_eq!(pod["securityContext"]["runAsUser"], 1000);
        assert!(
            container["image"]
                .as_str()
                .unwrap()
                .ends_with("/readscope@sha256:0000000000000000000000000000000000000000000000000000000000000000")
        );
        assert_eq!(container["args"].as_array().unwrap().last().unwrap(), "--log.format=json");
        assert_eq!(pod["volumes"][0]["secret"], json!({"secretName": "db", "optional": true}));
        let environment = container["env"].as_array().unwrap();
        assert!(environment.contains(&json!({"name": "READSCOPE_PASSWORD_FILE", "value": "/etc/readscope/pw"})));
        assert!(environment.contains(&json!({"name": "HTTPS_PROXY", "value": "http://proxy"})));
    }
    assert_eq!((&deployment["nodeSelector"]["disk"], &node["nodeSelector"]), (&json!("ssd"), &Value::Null));
    assert_eq!(node["tolerations"], json!([{"operator": "Exists"}]));
    let egress = &named(&objects, "NetworkPolicy", "probe")["spec"]["egress"];
    assert_eq!(egress[1]["ports"], json!([{"port": 3306}, {"port": 33060}]));

    let prefixed = rendered(&[ONE, "web.routePrefix=/db/readscope", "podMonitor.enabled=true"]);
    let container = &pod(&prefixed, "Deployment", "readscope")["containers"][0];
    assert_eq!(container["args"], json!(["run", "--web.route-prefix=/db/readscope"]));
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/db/readscope/-/ready");
    let endpoint = &named(&prefixed, "PodMonitor", "readscope")["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["path"], "/db/readscope/metrics");

    let plain = rendered(&[
        ONE,
        "networkPolicy.enabled=false",
        "serviceMonitor.enabled=true",
        "serviceMonitor.labels.release=stack",
    ]);
    assert!(names(&plain, "NetworkPolicy").is_empty());
    let monitor = named(&plain, "ServiceMonitor", "readscope");
    assert_eq!(monitor["metadata"]["labels"]["release"], "stack");
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], "http");
}

#[test]
fn the_test_judges_the_reads_unless_services_are_discovered() {
    let args =
        |value: &str| named(&rendered(&[value]), "Pod", "readscope-test")["spec"]["containers"][0]["args"].clone();
    assert_eq!(args(ONE), json!(["check", "--for", "10s"]));
    assert_eq!(args("targets[0].service=a/b"), json!(["check", "--for", "10s"]));
    assert_eq!(args("targets[0].discover.selector=a"), json!(["run", "--config.check"]));
}

#[test]
fn a_password_can_come_from_another_store() {
    let objects = rendered(&[
        ONE,
        "password.external.enabled=true",
        "password.external.store.name=vault",
        "password.external.key=mysql/readscope",
        "password.external.property=password",
    ]);
    let spec = &named(&objects, "ExternalSecret", "readscope")["spec"];
    assert_eq!(spec["secretStoreRef"], json!({"kind": "ClusterSecretStore", "name": "vault"}));
    assert_eq!(spec["target"]["name"], "readscope");
    let remote = json!({"key": "mysql/readscope", "property": "password"});
    assert_eq!(spec["data"], json!([{"secretKey": "password", "remoteRef": remote}]));
}

#[test]
fn the_documented_values_are_valid() {
    let page = file("docs/helm.md");
    let values = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.yaml");
    std::fs::write(&path, values).unwrap();
    let text = run(template(CHART, &[]).arg("--values").arg(path));
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    assert_eq!(names(&objects, "Role"), ["mysql/readscope", "team-a/readscope", "readscope/readscope-lease"]);
    assert_eq!(names(&objects, "DaemonSet"), ["readscope/readscope-node"]);
    let rules = named(&objects, "PrometheusRule", "readscope").to_string();
    assert!(
        rules.contains("> 0.2") && rules.contains("0.999 + vector(0)") && !rules.contains("ReadscopePVCPending\""),
        "{rules}"
    );
}

/// The alerts of the chart by name, with these values.
fn alerts(values: &[&str]) -> Vec<Value> {
    let objects = rendered(&[&[ONE, "prometheusRule.enabled=true"], values].concat());
    let groups = named(&objects, "PrometheusRule", "readscope")["spec"]["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn a_value_changes_one_alert_and_nothing_else() {
    let plain = alerts(&[]);
    let change = |alert: &Value, what: &str| {
        alerts(&[&format!("prometheusRule.alerts.{}.{what}", alert["alert"].as_str().unwrap())])
    };
    let mut thresholds = 0;
    for (index, alert) in plain.iter().enumerate().filter(|(_, rule)| rule["alert"].is_string()) {
        let without = change(alert, "enabled=false");
        assert_eq!(without.len(), plain.len() - 1);
        assert!(!without.contains(alert));

        let mut expected = plain.clone();
        expected[index]["for"] = json!("17m");
        assert_eq!(change(alert, "for=17m"), expected);

        let set = format!("prometheusRule.alerts.{}.threshold=123.5", alert["alert"].as_str().unwrap());
        let expression = alert["expr"].as_str().unwrap();
        let number = expression.lines().find_map(|line| {
            let (_, number) = line.trim_end().rsplit_once("> ")?;
            number.parse::<f64>().ok().filter(|number| *number > 0.0).map(|_| number)
        });
        if let Some(number) = number {
            expected = plain.clone();
            expected[index]["expr"] = json!(expression.replacen(&format!("> {number}"), "> 123.5", 1));
            assert_eq!(alerts(&[&set]), expected);
            thresholds += 1;
        } else {
            let error = refused(&[ONE, "prometheusRule.enabled=true", &set]);
            assert!(error.contains("has no threshold; remove prometheusRule.alerts."), "{error}");
        }
    }
    assert!(thresholds >= 5, "{thresholds}");
}

#[test]
fn wrong_values_are_refused_with_what_to_do() {
    let fleet = "targets[0].service=mysql/mysql-read";
    for (values, sentence) in [
        (
            &[][..],
            "no Service to probe is set; set service to NAMESPACE/NAME, for example --set service=mysql/mysql-read, or list several in targets",
        ),
        (
            &[ONE, fleet],
            "service and targets are both set; set only one of them: to change from service to targets, add --set service=null",
        ),
        (&["service=mysql-read"], "service is \"mysql-read\"; write NAMESPACE/NAME, for example mysql/mysql-read"),
        (
            &[ONE, "defaults.interval=2s"],
            "defaults has an effect only with targets; list the Service there: --set service=null --set targets[0].service=mysql/mysql-read",
        ),
        (
            &[ONE, "podMonitor.enabled=true", "serviceMonitor.enabled=true"],
            "podMonitor and serviceMonitor are both enabled, so Prometheus would scrape each pod twice; enable only one of them",
        ),
        (
            &[ONE, "perNode.enabled=true", "serviceMonitor.enabled=true"],
            "serviceMonitor does not scrape the pods of perNode; enable podMonitor instead",
        ),
        (&[ONE, "password.external.enabled=true"], "set password.external.store.name and password.external.key"),
        (
            &[ONE, "prometheusRule.enabled=true", "prometheusRule.alerts.ReadscopeDwon.for=1m"],
            "prometheusRule.alerts.ReadscopeDwon is not an alert of readscope; the alerts are ReadscopeTargetDown, ",
        ),
        (&[ONE, "servise=a/b"], "additional properties 'servise' not allowed"),
        (&[ONE, "web.secrets=a"], "at '/web': additional properties 'secrets' not allowed"),
        (&[ONE, "kubernetesEvents=ja"], "at '/kubernetesEvents': got string, want boolean"),
    ] {
        let error = refused(values);
        assert!(error.contains(sentence), "{values:?}: {error}");
    }
}

/// The paths of the keys of a mapping; a mapping in `open` may have any keys.
fn keys(value: &Value, path: &str, open: &BTreeSet<String>, into: &mut BTreeSet<String>) {
    into.insert(path.to_owned());
    for (key, value) in value.as_object().into_iter().flatten().filter(|_| !open.contains(path)) {
        keys(value, &format!("{path}/{key}"), open, into);
    }
}

fn schema_keys(schema: &Value, path: &str, open: &mut BTreeSet<String>, into: &mut BTreeSet<String>) {
    into.insert(path.to_owned());
    match schema["properties"].as_object() {
        Some(properties) => {
            assert_eq!(schema["additionalProperties"], false, "{path}");
            for (key, schema) in properties {
                schema_keys(schema, &format!("{path}/{key}"), open, into);
            }
        }
        None => {
            open.insert(path.to_owned());
        }
    }
}

#[test]
fn the_schema_has_the_keys_of_the_values() {
    let schema = serde_json::from_str(&file("deploy/chart/values.schema.json")).unwrap();
    let values: Value = serde_saphyr::from_str(&file("deploy/chart/values.yaml")).unwrap();
    let (mut open, mut of_schema, mut of_values) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    schema_keys(&schema, "", &mut open, &mut of_schema);
    keys(&values, "", &open, &mut of_values);
    // Helm adds it to the values of every chart.
    of_schema.remove("/global");
    assert_eq!(of_schema, of_values);
}

#[test]
fn an_ingress_serves_the_prefix_on_each_host() {
    assert!(names(&rendered(&[ONE]), "Ingress").is_empty());
    let objects = rendered(&[
        ONE,
        "ingress.enabled=true",
        "ingress.className=nginx",
        "ingress.hosts={a.example,b.example}",
        "ingress.annotations.team=db",
        "ingress.tls[0].secretName=tls",
        "ingress.tls[0].hosts={a.example}",
        "web.routePrefix=/readscope",
    ]);
    let ingress = named(&objects, "Ingress", "readscope");
    let backend = json!({"service": {"name": "readscope", "port": {"name": "http"}}});
    let rule = |host: &str| {
        let path = json!({"path": "/readscope", "pathType": "Prefix", "backend": backend});
        json!({"host": host, "http": {"paths": [path]}})
    };
    assert_eq!(ingress["metadata"]["annotations"]["team"], "db");
    assert_eq!(
        ingress["spec"],
        json!({
            "ingressClassName": "nginx", "rules": [rule("a.example"), rule("b.example")],
            "tls": [{"secretName": "tls", "hosts": ["a.example"]}],
        })
    );
    let at_root = rendered(&[ONE, "ingress.enabled=true", "ingress.hosts={a.example}"]);
    let spec = &named(&at_root, "Ingress", "readscope")["spec"];
    assert_eq!(spec["rules"][0]["http"]["paths"][0]["path"], "/");
    assert_eq!((&spec["ingressClassName"], &spec["tls"]), (&Value::Null, &Value::Null));
    let error = refused(&[ONE, "ingress.enabled=true"]);
    assert!(error.contains("ingress is enabled without a host") && error.contains("ingress.hosts={"), "{error}");
}
