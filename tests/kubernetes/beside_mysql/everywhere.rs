//! The components of `deploy/` for a whole cluster: a probe on each node, targets selected by a label in all namespaces,
//! and TLS with a password, scraped by a real Prometheus.

use std::{fs, path::Path, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use crate::{
    cluster::{Cluster, repository},
    deploy::Deploy,
    deployed, mysql,
    support::{certificates::Authority, obtained, prometheus::Prometheus, waiting::wait_until},
    turn::Turn,
};

/// For changes that take seconds, on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

const PASSWORD: &str = "correct horse";

/// Files of a test.
struct Files(TempDir);

impl Files {
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }
}

#[test]
fn labelled_services_are_probed_from_every_node_and_scraped_over_tls() {
    obtained::prometheus();
    let cluster = Turn::beside_mysql();
    let files = files();
    let deploy = Deploy::with(&["per-node", "cluster-wide", "kubernetes-events", "tls-and-auth"]);
    deployed::apply_from(&cluster, &deploy);
    wait_until("pods that wait for the Secret", WITHIN, || {
        cluster.kubectl("-n readscope get events").contains("secret \"readscope-web\" not found")
    });
    make_secrets(&cluster, &files);
    deployed::make_secret(&cluster);
    deployed::restart(&cluster);
    cluster.kubectl("-n readscope rollout restart daemonset/readscope-node");
    cluster.kubectl(&format!("-n readscope rollout status daemonset/readscope-node {}", mysql::ROLLOUT));

    let probes = deployed::settled_pods(&cluster, "app.kubernetes.io/component=node-probe");
    assert_eq!(probes.len(), 1, "one node, one probe");
    let node = probes[0]["status"]["podIP"].as_str().unwrap().to_owned();
    let prometheus = Prometheus::start(cluster.inside("env"), &configuration(&files, &node), &[]);
    let holds = |what: &str, expression: &str, series: usize| {
        wait_until(what, WITHIN, || prometheus.values(expression) == series);
    };
    holds("both probes to be scraped", "up{job=\"readscope\"} == 1", 2);
    holds("other scrapes to fail", "up{job=~\"in_the_clear|without_a_password\"} == 0", 2);

    elsewhere(&cluster);
    holds("no target without a label", "absent(readscope_target_up)", 1);
    cluster.kubectl("label service -n mysql mysql-read readscope.io/probe=true");
    cluster.kubectl("label service -n shop reads readscope.io/probe=true");
    for target in ["mysql/mysql-read", "shop/reads"] {
        holds("both probes to see it", &format!("readscope_target_up{{target=\"{target}\"}} == 1"), 2);
        holds(
            "reads of the right replicas",
            &format!("readscope_reads_total{{target=\"{target}\",replica=~\".*1.*\"}} > 0"),
            2,
        );
    }
    holds("the shares of three", "abs(readscope_replica_expected_share{target=\"mysql/mysql-read\"} - 1/3) < 0.01", 6);

    mysql::scale(&cluster, 4);
    holds("the first read of the fourth", "readscope_milestone_timestamp_seconds{milestone=\"first_read\"} > 0", 1);
    holds("the fourth on both", "readscope_reads_total{target=\"mysql/mysql-read\",replica=\"mysql-3\"} > 0", 2);
    holds("one probe that reports it", "readscope_scale_events_total{direction=\"up\"} == 1", 1);
    holds("and no other one", "readscope_scale_events_total{direction=\"up\"}", 1);
    let events = cluster.kubectl("-n mysql get events --field-selector reason=Scaling -o name");
    assert_eq!(events.lines().count(), 1, "{events}");

    cluster.kubectl("label service -n shop reads readscope.io/probe-");
    holds("its end", "absent(readscope_target_up{target=\"shop/reads\"})", 1);
    holds("the other to stay", "readscope_target_up{target=\"mysql/mysql-read\"} == 1", 2);
    assert!(!logs(&cluster).contains("not allowed"), "{}", logs(&cluster));
}

/// A certificate for the name that docs/install.md wants, the web configuration that it shows, and a password.
fn files() -> Files {
    let files = Files(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
    let authority = Authority::new(files.0.path(), "tests");
    let server = authority.server("DNS:readscope.readscope.svc");
    let copy = |from: &Path, name: &str| fs::copy(from, files.0.path().join(name)).unwrap();
    copy(&authority.certificate(), "ca.crt");
    copy(&server.certificate, "tls.crt");
    copy(&server.key, "tls.key");
    let page = fs::read_to_string(repository().join("docs/install.md")).unwrap();
    let example = page.split("```yaml\n").find(|block| block.starts_with("tls_server_config:")).unwrap();
    let web = example.split("```").next().unwrap().replace("HASH", &bcrypt::hash(PASSWORD, 4).unwrap());
    files.write("web.yaml", &web);
    files.write("password", PASSWORD);
    files
}

fn make_secrets(cluster: &Cluster, files: &Files) {
    let from = ["web.yaml", "tls.crt", "tls.key", "ca.crt"].map(|name| format!("--from-file={}", files.path(name)));
    cluster.kubectl(&format!("-n readscope create secret generic readscope-web {}", from.join(" ")));
}

/// Scrape jobs as docs/install.md describes them.
fn configuration(files: &Files, node: &str) -> String {
    let authority = format!("ca_file: '{}', server_name: readscope.readscope.svc", files.path("ca.crt"));
    let job = |name: &str, how: &str, targets: &str| {
        format!("- {{job_name: {name}, honor_labels: true, {how}, static_configs: [{{targets: [{targets}]}}]}}\n")
    };
    let service = "'readscope.readscope.svc:10306'";
    let password = format!("basic_auth: {{username: prometheus, password_file: '{}'}}", files.path("password"));
    let tls = format!("scheme: https, tls_config: {{{authority}}}");
    [
        "global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs:\n".to_owned(),
        job("readscope", &format!("{tls}, {password}"), &format!("{service}, '{node}:10306'")),
        job("without_a_password", &tls, service),
        job("in_the_clear", &password, service),
    ]
    .concat()
}

/// A Service in another namespace, with one of the lab's servers behind it.
fn elsewhere(cluster: &Cluster) {
    let address = cluster.kubectl("-n mysql get pod mysql-1 -o jsonpath={.status.podIP}");
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "reads", "namespace": "shop"},
         "spec": {"ports": [{"name": "mysql", "port": 3306}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
         "metadata": {"name": "reads-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "reads"}},
         "addressType": "IPv4", "ports": [{"name": "mysql", "port": 3306}],
         "endpoints": [{"addresses": [address], "conditions": {"ready": true}}]},
    ]});
    cluster.kubectl_reads("apply -f -", &objects.to_string());
}

fn logs(cluster: &Cluster) -> String {
    cluster.kubectl("-n readscope logs -l app.kubernetes.io/name=readscope --tail=-1")
}
