//! The MySQL of `manifests/`, in a cluster.

use std::time::Duration;

use serde_json::Value;

use crate::{cluster::Cluster, support::waiting::wait_until};

/// Time limit of a rollout on a busy machine.
pub(crate) const ROLLOUT: &str = "--timeout=400s";

/// Deploys it, and waits until it is ready.
pub(crate) fn deploy(cluster: &Cluster) {
    apply(cluster);
    make_secret(cluster);
    roll_out(cluster);
}

/// Removes readscope, and restores the three replicas of MySQL.
pub(crate) fn restore(cluster: &Cluster) {
    cluster.run("provisioner", &["start"]);
    cluster.remove_readscope();
    cluster.kubectl("-n mysql label service mysql-read readscope.io/probe-");
    scale(cluster, 3);
    cluster.kubectl("-n mysql delete pvc data-mysql-3 data-mysql-4 --ignore-not-found --timeout=120s");
}

/// Applies the manifests.
pub(crate) fn apply(cluster: &Cluster) -> String {
    cluster.kubectl("apply -k manifests")
}

/// Creates the Secret as in docs/lab.md, with passwords that need quoting.
pub(crate) fn make_secret(cluster: &Cluster) {
    let line = |account| format!("{account}={account}'\"\\&$({:08x})\n", rand::random::<u32>());
    let accounts = ["root", "replication", "readscope", "lab"].map(line).concat();
    cluster.kubectl_reads("-n mysql create secret generic mysql-passwords --from-env-file=/dev/stdin", &accounts);
}

/// The password of an account, as the Secret has it.
pub(crate) fn password(cluster: &Cluster, account: &str) -> String {
    let template = format!("go-template={{{{.data.{account}|base64decode}}}}");
    cluster.kubectl(&format!("-n mysql get secret mysql-passwords -o {template}"))
}

/// Waits until all replicas of the StatefulSet are ready.
pub(crate) fn roll_out(cluster: &Cluster) {
    cluster.kubectl(&format!("-n mysql rollout status statefulset/mysql {ROLLOUT}"));
}

/// Whether a pod is ready and stays.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    pod["metadata"]["deletionTimestamp"].is_null() && conditions.is_some_and(|all| all.iter().any(ready))
}

/// Deletes a pod and waits until its StatefulSet has replaced it. `kubectl wait` fails at once for a missing pod, and
/// `rollout status` may still count the old one.
pub(crate) fn replace_pod(cluster: &Cluster, pod: &str) {
    cluster.kubectl(&format!("-n mysql delete pod {pod}"));
    wait_until(&format!("{pod} to be ready again"), Duration::from_secs(400), || {
        let pod = cluster.try_kubectl(&format!("-n mysql get pod {pod} -o json"));
        pod.is_ok_and(|pod| is_ready(&serde_json::from_str(&pod).unwrap()))
    });
}

/// Starts the client pod of the lab.
pub(crate) fn start_client(cluster: &Cluster) {
    cluster.kubectl("apply -f manifests/client.yaml");
    cluster.kubectl("-n mysql wait --for=condition=Ready pod/mysql-client --timeout=120s");
}

/// The output of `mysql` in that pod for a statement.
pub(crate) fn query(cluster: &Cluster, host: &str, statement: &str) -> String {
    try_query(cluster, host, statement).unwrap_or_else(|error| panic!("{statement}: {error}"))
}

/// Its output, or its error.
pub(crate) fn try_query(cluster: &Cluster, host: &str, statement: &str) -> Result<String, String> {
    let words = "-n mysql exec mysql-client -- mysql --batch --skip-column-names --host";
    cluster.try_kubectl_words(words.split(' ').chain([host, "--execute", statement]))
}

/// Runs a statement as root on the primary.
pub(crate) fn administer(cluster: &Cluster, statement: &str) {
    let words = "-n mysql exec mysql-0 -c mysql -- mysql --execute";
    cluster.try_kubectl_words(words.split(' ').chain([statement])).unwrap();
}

/// Scales, and waits until the pods are there or gone.
pub(crate) fn scale(cluster: &Cluster, replicas: u32) {
    cluster.kubectl(&format!("-n mysql scale statefulset/mysql --replicas={replicas}"));
    roll_out(cluster);
    let pods = "-n mysql get pods -l app=mysql -o name";
    wait_until("the pods", Duration::from_secs(120), || {
        cluster.kubectl(pods).lines().count() == usize::try_from(replicas).unwrap()
    });
}
