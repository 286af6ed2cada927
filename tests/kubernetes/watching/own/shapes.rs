//! Services that lead to servers in other ways than by a selector for pods with their own names.

use std::{collections::BTreeSet, fs, net::SocketAddr};

use serde_json::{Value, json};

use crate::{
    WITHIN,
    lab::Lab,
    support::{
        commands::mortal,
        exporter::{Exporter, Metrics},
        prometheus::Prometheus,
        rules::Rules,
        waiting::wait_until,
    },
};

/// An alert that waits for 15 minutes fires after a minute.
const QUICKER: u64 = 15;

const SHAPES: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: mysql-manual, namespace: mysql}
  spec: {ports: [{port: 3306}]}
- apiVersion: v1
  kind: Service
  metadata: {name: mysql-external, namespace: mysql}
  spec: {type: ExternalName, externalName: mysql-read.mysql.svc.cluster.local}
- apiVersion: v1
  kind: Service
  metadata: {name: mysql-sticky, namespace: mysql}
  spec: {selector: {app: mysql}, ports: [{port: 3306}], sessionAffinity: ClientIP}
- apiVersion: v1
  kind: Service
  metadata: {name: mysql-proxied, namespace: mysql}
  spec: {selector: {app: haproxy}, ports: [{port: 6447, targetPort: 3306}]}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: haproxy, namespace: mysql}
  data:
    haproxy.cfg: |
      global
        maxconn 200
      defaults
        mode tcp
        timeout connect 10s
        timeout client 1m
        timeout server 1m
      listen mysql
        bind :3306
        balance random
        server mysql-0 mysql-0.mysql.mysql.svc.cluster.local:3306
        server mysql-1 mysql-1.mysql.mysql.svc.cluster.local:3306
        server mysql-2 mysql-2.mysql.mysql.svc.cluster.local:3306
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: haproxy, namespace: mysql}
  spec:
    replicas: 2
    selector: {matchLabels: {app: haproxy}}
    template:
      metadata: {labels: {app: haproxy}}
      spec:
        terminationGracePeriodSeconds: 1
        containers:
        - name: haproxy
          image: "localhost/haproxy:test"
          imagePullPolicy: Never
          args: ["-f", "/etc/haproxy/haproxy.cfg"]
          volumeMounts: [{name: haproxy, mountPath: /etc/haproxy}]
          readinessProbe: {tcpSocket: {port: 3306}, periodSeconds: 1}
        volumes: [{name: haproxy, configMap: {name: haproxy}}]
"#;

/// Each Service, the verdict, and a part of what the routing says.
const EXPECTED: [(&str, &str, &str); 6] = [
    ("mysql/mysql", "balanced", "the Service is headless"),
    ("mysql/mysql-read", "balanced", "spreads connections evenly"),
    ("mysql/mysql-manual", "balanced", "spreads connections evenly"),
    ("mysql/mysql-external", "balanced", "the Service is an ExternalName"),
    ("mysql/mysql-proxied", "balanced", "reads go through proxies"),
    ("mysql/mysql-sticky", "undecided", "sessionAffinity: ClientIP"),
];

const REPLICAS: [&str; 3] = ["mysql-0", "mysql-1", "mysql-2"];

#[test]
fn every_shape_of_service_is_judged_without_a_false_alarm() {
    let lab = Lab::own();
    with_full_host_names(&lab, "true");
    lab.apply(SHAPES);
    lab.apply(&slice(&lab));
    lab.kubectl("-n mysql rollout status deployment/haproxy --timeout=400s");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("readscope.yaml");
    fs::write(folder.path().join("password"), "readscope").unwrap();
    let services = EXPECTED.map(|(service, ..)| format!("  - service: {service}\n")).concat();
    let defaults = "defaults: {password_file: password, interval: 100ms, timeout: 30s}";
    fs::write(&file, format!("{defaults}\ntargets:\n{services}")).unwrap();
    let mut probe = lab.readscope_of(&file);
    let prometheus = scraped(probe.address, folder.path());
    for (service, verdict, why) in EXPECTED {
        wait_until(&format!("{verdict} reads of {service}"), WITHIN, || {
            assert!(probe.program.is_running(), "it ends: {:#?}", probe.program.log());
            target(&probe, service)["verdict"] == verdict
        });
        let target = target(&probe, service);
        assert!(target["routing"]["why"].as_str().unwrap().contains(why), "{target:#}");
    }
    // For longer than any alert of the quicker rules waits.
    let reads = |now: &Metrics, service| now.sum("readscope_reads_total", &format!("target=\"{service}\""));
    probe.scrape_until("reads of 80 s", |now| EXPECTED.iter().all(|(service, ..)| reads(now, service) >= 800));
    for (service, verdict, _) in EXPECTED {
        let target = target(&probe, service);
        assert_eq!(target["verdict"], verdict, "{target:#}");
        let names: BTreeSet<_> = target["replicas"].as_array().unwrap().iter().map(name).collect();
        assert_eq!(names, REPLICAS.map(str::to_owned).into(), "{target:#}");
        let notices: Vec<_> = target["notices"].as_array().unwrap().iter().map(Value::to_string).collect();
        assert!(!notices.iter().any(|notice| notice.contains("gave none")), "{notices:#?}");
    }
    let sticky = target(&probe, "mysql/mysql-sticky");
    assert!(sticky["reason"].as_str().unwrap().contains("sessionAffinity: ClientIP"), "{sticky:#}");
    let now = probe.metrics();
    assert_eq!(now.sum("readscope_anomalies_total", ""), 0, "{:#?}", probe.program.log());
    assert_eq!(now.sum("readscope_imbalance_alarms_total", ""), 0, "{:#?}", probe.program.log());
    assert_eq!(probe.program.logged(&["gave none of the last"]), 0, "{:#?}", probe.program.log());
    // A busy machine may delay probes. Session affinity leaves the verdict undecided.
    let busy = "ALERTS{alertstate=\"firing\",alertname!~\"ReadscopeProbesSkipped|ReadscopeReadsFailing.*|ReadscopeUndecided\"}";
    assert_eq!(
        prometheus.query(&format!("max_over_time({busy}[1h])"), "alertname").into_keys().collect::<Vec<_>>(),
        [""; 0]
    );

    // The check waits for the names too.
    for (service, verdict, _) in EXPECTED {
        let options = ["check", "--service", service, "--interval", "20ms", "--timeout", "30s"];
        let output = lab.call(&lab.cluster().kubeconfig(), &options).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = if verdict == "balanced" { 0 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{service}: {said}");
    }

    lab.kubectl("-n mysql delete deployment/haproxy configmap/haproxy endpointslice/mysql-manual-1");
    lab.kubectl("-n mysql delete service mysql-manual mysql-external mysql-sticky mysql-proxied");
    with_full_host_names(&lab, "null");
}

/// Whether the host names of the pods have a domain.
fn with_full_host_names(lab: &Lab, value: &str) {
    let patch = format!(r#"{{"spec":{{"template":{{"spec":{{"setHostnameAsFQDN":{value}}}}}}}}}"#);
    lab.kubectl(&format!("-n mysql patch statefulset mysql --patch {patch}"));
    lab.settle();
    let name = if value == "true" { "mysql-1.mysql.mysql.svc.cluster.local" } else { "mysql-1" };
    assert_eq!(lab.kubectl("-n mysql exec mysql-1 -- hostname").trim(), name);
}

/// The pods' addresses in an `EndpointSlice` made by hand, which names no pod.
fn slice(lab: &Lab) -> String {
    let address = |pod: &str| lab.object(&format!("pod/{pod}"))["status"]["podIP"].as_str().unwrap().to_owned();
    let endpoints: Vec<_> = REPLICAS.map(|pod| json!({"addresses": [address(pod)]})).into();
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "mysql-manual-1", "namespace": "mysql",
            "labels": {"kubernetes.io/service-name": "mysql-manual"}},
        "ports": [{"port": 3306, "protocol": "TCP"}], "endpoints": endpoints,
    });
    slice.to_string()
}

/// A Prometheus with the shipped rules, only quicker.
fn scraped(address: SocketAddr, folder: &std::path::Path) -> Prometheus {
    let rules = folder.join("rules.yaml");
    fs::write(&rules, Rules::quicker_by(QUICKER).text()).unwrap();
    let configuration = format!(
        "global: {{scrape_interval: 4s, scrape_timeout: 4s, evaluation_interval: 1s}}
rule_files: ['{}']
scrape_configs: [{{job_name: readscope, honor_labels: true, static_configs: [{{targets: ['{address}']}}]}}]\n",
        rules.display()
    );
    Prometheus::start(mortal("env"), &configuration, &[])
}

fn name(replica: &Value) -> String {
    replica["replica"].as_str().unwrap().to_owned()
}

fn target(probe: &Exporter, name: &str) -> Value {
    let shown = crate::support::http::get(probe.address, "/api/v1/targets").json();
    let targets = shown["targets"].as_array().unwrap();
    targets.iter().find(|target| target["target"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
}
