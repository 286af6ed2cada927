//! readscope in a cluster, deployed by `deploy/`.

use std::time::Duration;

use serde_json::Value;

use crate::{
    cluster::Cluster,
    deploy::Deploy,
    image,
    mysql::{self, ROLLOUT},
    support::waiting::{wait_for, wait_until},
};

/// The labels of the Deployment's pod.
pub(crate) const EXPORTER: &str = "app.kubernetes.io/component=exporter";

/// Path of the Service in the API server's proxy.
const SERVICE: &str = "get --raw /api/v1/namespaces/readscope/services/readscope:http/proxy";

/// Applies `deploy/`.
pub(crate) fn apply(cluster: &Cluster) -> String {
    cluster.import(&image::archive());
    cluster.kubectl("apply -k deploy")
}

/// Applies an edited copy.
pub(crate) fn apply_from(cluster: &Cluster, deploy: &Deploy) -> String {
    cluster.import(&image::archive());
    cluster.kubectl(&format!("apply -k {}", deploy.path()))
}

/// Applies it beside the MySQL of `manifests/`, and waits until it is ready.
pub(crate) fn deploy(cluster: &Cluster) {
    apply(cluster);
    make_secret(cluster);
    restart(cluster);
}

/// Creates the Secret with its password, as the documentation describes.
pub(crate) fn make_secret(cluster: &Cluster) {
    let password = mysql::password(cluster, "readscope");
    cluster.kubectl_reads("-n readscope create secret generic readscope --from-file=password=/dev/stdin", &password);
}

/// Restarts it and waits until it is ready.
pub(crate) fn restart(cluster: &Cluster) {
    cluster.kubectl("-n readscope rollout restart deployment/readscope");
    roll_out(cluster);
}

/// Waits until it is ready.
pub(crate) fn roll_out(cluster: &Cluster) {
    cluster.kubectl(&format!("-n readscope rollout status deployment/readscope {ROLLOUT}"));
}

/// The pods with these labels, once all are ready and none is terminating. After a rollout, old pods are still listed.
pub(crate) fn settled_pods(cluster: &Cluster, labels: &str) -> Vec<Value> {
    wait_for(&format!("the old pods of {labels} to go"), Duration::from_secs(120), || {
        let list: Value =
            serde_json::from_str(&cluster.kubectl(&format!("-n readscope get pods -l {labels} -o json"))).unwrap();
        let pods = list["items"].as_array().unwrap().clone();
        (!pods.is_empty() && pods.iter().all(mysql::is_ready)).then_some(pods)
    })
}

/// Waits until a container has ended with this message, as `kubectl describe pod` shows it.
pub(crate) fn ends_saying(cluster: &Cluster, namespace: &str, words: &str) {
    wait_until(&format!("a pod that ended saying {words:?}"), Duration::from_secs(120), || {
        cluster.kubectl(&format!("-n {namespace} get pods -o json")).contains(words)
    });
}

/// The body that it serves at a path.
pub(crate) fn fetch(cluster: &Cluster, path: &str) -> String {
    wait_for("an answer through the API server", Duration::from_secs(60), || {
        cluster.try_kubectl(&format!("{SERVICE}{path}")).ok()
    })
}

/// The one target, as the API shows it.
pub(crate) fn target(cluster: &Cluster) -> Value {
    let targets: Value = serde_json::from_str(&fetch(cluster, "/api/v1/targets")).unwrap();
    targets["targets"][0].clone()
}

/// The newest scale event, as the API shows it.
pub(crate) fn scale_event(cluster: &Cluster) -> Value {
    let events: Value = serde_json::from_str(&fetch(cluster, "/api/v1/scale-events")).unwrap();
    events["scale_events"][0].clone()
}

/// The values of the series of a metric whose labels contain `label`.
pub(crate) fn metric(cluster: &Cluster, name: &str, label: &str) -> Vec<f64> {
    let text = fetch(cluster, "/metrics");
    let of_metric = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    let lines = text.lines().filter(of_metric).filter(|line| line.contains(label));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

/// Memory of its container in bytes.
pub(crate) fn memory(cluster: &Cluster) -> u64 {
    let stats: Value =
        serde_json::from_str(&cluster.kubectl("get --raw /api/v1/nodes/node1/proxy/stats/summary")).unwrap();
    let pods = stats["pods"].as_array().unwrap();
    let name = &settled_pods(cluster, EXPORTER)[0]["metadata"]["name"];
    let own = pods.iter().find(|pod| pod["podRef"]["name"] == *name).unwrap();
    own["containers"][0]["memory"]["workingSetBytes"].as_u64().unwrap()
}
