//! The components of `deploy/` as kubectl renders them, and whether the program accepts the files of its containers. Needs
//! kubectl, but no cluster.

use std::{fs, process::Command};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{cluster::repository, deploy::Deploy, support::commands::run};

/// Mount paths of the containers.
const MOUNTS: [&str; 3] = ["/etc/readscope-targets", "/etc/readscope-web", "/etc/readscope"];

fn rendered(components: &[&str]) -> Vec<Value> {
    Deploy::with(components).rendered()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = of_kind(objects, kind).into_iter().find(|object| object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The containers of readscope in the Deployment and the `DaemonSet`.
fn containers(objects: &[Value]) -> Vec<&Value> {
    let workloads = [named(objects, "Deployment", "readscope"), named(objects, "DaemonSet", "readscope-node")];
    workloads.map(|workload| &workload["spec"]["template"]["spec"]["containers"][0]).to_vec()
}

/// The files of a container, in a folder for each of its mounts, with a password.
fn files(targets: Option<&str>, web: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for mount in MOUNTS {
        fs::create_dir_all(folder.path().join(&mount[1..])).unwrap();
    }
    let [of_targets, of_web, of_password] = MOUNTS.map(|mount| folder.path().join(&mount[1..]));
    fs::write(of_password.join("password"), "secret\n").unwrap();
    if let Some(targets) = targets {
        fs::write(of_targets.join("targets.yaml"), there(targets, &folder)).unwrap();
    }
    if let Some(web) = web {
        fs::write(of_web.join("web.yaml"), web).unwrap();
        for (fixture, name) in [("server.pem", "tls.crt"), ("server.key", "tls.key"), ("authority.pem", "ca.crt")] {
            fs::copy(repository().join("tests/fixtures/tls").join(fixture), of_web.join(name)).unwrap();
        }
    }
    folder
}

/// A text with the paths of a container inside the folder.
fn there(text: &str, folder: &TempDir) -> String {
    text.replace("/etc/readscope", &folder.path().join("etc/readscope").display().to_string())
}

/// The effective configuration in a container; panics if the program refuses it.
fn checked(container: &Value, folder: &TempDir) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_readscope"));
    command.env_clear();
    for variable in container["env"].as_array().unwrap() {
        // Kubernetes fills this in.
        let value = variable["value"].as_str().unwrap_or("mysql/mysql-read");
        command.env(variable["name"].as_str().unwrap(), there(value, folder));
    }
    for argument in container["args"].as_array().unwrap() {
        command.arg(there(argument.as_str().unwrap(), folder));
    }
    run(command.arg("--config.check"))
}

#[test]
fn cluster_wide_reads_targets_from_the_file_and_has_the_same_permissions_everywhere() {
    let plain = rendered(&["per-node"]);
    for container in containers(&plain) {
        assert!(checked(container, &files(None, None)).contains("service: mysql/mysql-read"));
    }
    let wide = rendered(&["per-node", "cluster-wide"]);
    let rules = &named(&plain, "Role", "readscope")["rules"];
    assert_eq!(&named(&wide, "ClusterRole", "readscope")["rules"], rules);
    assert_eq!(of_kind(&wide, "Role").len() + of_kind(&wide, "RoleBinding").len(), 0);
    let binding = named(&wide, "ClusterRoleBinding", "readscope");
    assert_eq!(binding["roleRef"]["name"], "readscope");
    assert_eq!(binding["subjects"], json!([{"kind": "ServiceAccount", "name": "readscope", "namespace": "readscope"}]));

    let targets = named(&wide, "ConfigMap", "readscope-targets")["data"]["targets.yaml"].as_str().unwrap();
    for container in containers(&wide) {
        let shown = checked(container, &files(Some(targets), None));
        assert!(shown.contains("selector: readscope.io/probe=true"), "{shown}");
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["mountPath"] == MOUNTS[0]), "{mounts:?}");
    }

    // Events are written in the namespaces of the StatefulSets.
    let with_events = rendered(&["per-node", "cluster-wide", "kubernetes-events"]);
    let rules = named(&with_events, "ClusterRole", "readscope")["rules"].as_array().unwrap();
    let create = json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]});
    assert!(rules.contains(&create), "{rules:?}");
}

#[test]
fn tls_and_auth_apply_to_every_probe_and_to_prometheus() {
    let objects = rendered(&["prometheus-operator", "per-node", "tls-and-auth"]);
    let page = fs::read_to_string(repository().join("docs/install.md")).unwrap();
    let example = page.split("```yaml\n").find(|block| block.starts_with("tls_server_config:")).unwrap();
    let hash = bcrypt::hash("password", 4).unwrap();
    let web = example.split("```").next().unwrap().replace("HASH", &hash);
    assert!(web.contains(&hash), "{web}");
    for container in containers(&objects) {
        checked(container, &files(None, Some(&web)));
        // Without credentials, a probe can only check that the port is open.
        for probe in ["livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["tcpSocket"], json!({"port": "http"}), "{container}");
            assert!(container[probe]["httpGet"].is_null(), "{container}");
        }
    }
    for (kind, name) in [("Deployment", "readscope"), ("DaemonSet", "readscope-node")] {
        let volumes = named(&objects, kind, name)["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == "web").unwrap();
        assert_eq!(volume["secret"], json!({"secretName": "readscope-web"}), "not optional: never in the clear");
    }
    let endpoint = &named(&objects, "PodMonitor", "readscope")["spec"]["podMetricsEndpoints"][0];
    assert_eq!(endpoint["scheme"], "https");
    assert_eq!(endpoint["tlsConfig"]["ca"]["secret"], json!({"name": "readscope-web", "key": "ca.crt"}));
    assert_eq!(endpoint["basicAuth"]["password"], json!({"name": "readscope-scrape", "key": "password"}));
    assert_eq!(endpoint["relabelings"].as_array().map(Vec::len), Some(2), "the rest stays");
}

#[test]
fn the_dashboard_has_the_label_of_the_sidecar() {
    let objects = rendered(&["dashboard"]);
    let map = named(&objects, "ConfigMap", "readscope-dashboard");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let dashboard = map["data"]["readscope.json"].as_str().unwrap();
    assert_eq!(dashboard, fs::read_to_string(repository().join("grafana/readscope.json")).unwrap());
    // `kubectl apply` stores the object in an annotation, and annotations have at most 256 KiB.
    let applied = serde_json::to_string(map).unwrap().len();
    assert!(applied < 256 * 1024, "{applied} bytes");
}

#[test]
fn every_pair_of_components_renders() {
    // `topology` is in per-node.
    let all = [
        "prometheus-operator",
        "per-node",
        "dashboard",
        "cluster-wide",
        "kubernetes-events",
        "high-availability",
        "tls-and-auth",
    ];
    let objects = rendered(&all);
    let named =
        |kind, name: &str| named(&objects, kind, name)["spec"]["template"]["spec"]["containers"][0]["args"].clone();
    let web = "--web.config.file=/etc/readscope-web/web.yaml";
    assert_eq!(
        named("Deployment", "readscope"),
        json!(["run", "--kubernetes.events", "--kubernetes.lease=readscope-leader", web])
    );
    assert_eq!(named("DaemonSet", "readscope-node"), json!(["run", "--no-scale-events", web]));
}
