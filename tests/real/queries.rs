//! The queries of docs/queries.md to a real Prometheus, with series as kube-state-metrics and `mysqld_exporter` write them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use readscope::view::metrics::definitions;

use crate::{
    namespace::Namespace,
    program::mortal,
    prometheus::Prometheus,
    support::{
        metric_reference::series,
        program::{Program, readscope},
        waiting::wait_until,
    },
};

/// The demo scales a replica up once in this time, at four times its own speed.
const WITHIN: Duration = Duration::from_secs(240);

/// Of the demo, with the one that comes and goes.
const REPLICAS: usize = 4;

/// Of a target without pods, as readscope writes it.
const WITHOUT_POD: &str = "readscope_replica_info{target=\"a\",replica=\"server-1\",pod=\"\",node=\"\"} 1\n";

/// Serves texts by their paths.
fn serve(texts: [(&'static str, String); 3]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = client.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let text =
                texts.iter().find(|(path, _)| request.starts_with(&format!("GET {path} "))).map(|(_, text)| text);
            let body = text.map_or("", String::as_str);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
            // Prometheus scrapes again.
            let _ = write!(client, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

fn kube_state_metrics() -> String {
    let of_replica = |ordinal: u8| {
        format!(
            "kube_pod_info{{namespace=\"mysql\",pod=\"mysql-{ordinal}\",uid=\"u{ordinal}\",host_ip=\"10.0.0.1\",\
             pod_ip=\"10.1.0.{ordinal}\",node=\"worker-{ordinal}\",created_by_kind=\"StatefulSet\",\
             created_by_name=\"mysql\",priority_class=\"\",host_network=\"false\"}} 1\n\
             kube_persistentvolumeclaim_info{{namespace=\"mysql\",persistentvolumeclaim=\"data-mysql-{ordinal}\",\
             storageclass=\"fast\",volumename=\"pvc-{ordinal}\",volumemode=\"Filesystem\"}} 1\n"
        )
    };
    (0..4).map(of_replica).collect()
}

/// The blocks of a page.
fn queries() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/queries.md")).unwrap();
    page.split("```promql\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_documented_query_returns_series() {
    let _namespace = Namespace::enter();
    let arguments = ["demo", "--no-tui", "--speed", "4", "--web.listen-address", "127.0.0.1:10306"];
    let mut demo = Program::start(&mut readscope(&arguments));
    let others =
        serve([("/ksm", kube_state_metrics()), ("/mysqld", "mysql_up 1\n".into()), ("/none", WITHOUT_POD.into())]);
    // A sidecar has the namespace and pod of its target.
    let sidecar =
        |ordinal: u8| format!("{{targets: ['{others}'], labels: {{namespace: mysql, pod: mysql-{ordinal}}}}}");
    let sidecars = [0, 1, 2, 3].map(sidecar).join(", ");
    let of_readscope = "labels: {namespace: readscope, pod: readscope-x, node: worker-9}";
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- {{job_name: readscope, honor_labels: true, static_configs: [{{targets: ['127.0.0.1:10306'], {of_readscope}}}]}}
- {{job_name: without-pods, honor_labels: true, metrics_path: /none, static_configs: [{{targets: ['{others}'], {of_readscope}}}]}}
- {{job_name: kube-state-metrics, honor_labels: true, metrics_path: /ksm,
    static_configs: [{{targets: ['{others}'], labels: {{namespace: monitoring, pod: ksm-x}}}}]}}
- {{job_name: mysqld, metrics_path: /mysqld, static_configs: [{sidecars}]}}\n"
    );
    let prometheus = Prometheus::start(mortal("env"), &configuration, &[]);
    let mut open = queries();
    assert_eq!(open.len(), 14, "{open:#?}");
    let (info, pending, up) = (open[0].clone(), open[1].clone(), open[2].clone());
    assert!(open.iter().all(|query| !query.contains("label_replace")));
    let end = Instant::now() + WITHIN;
    wait_until("a result of every query", 2 * WITHIN, || {
        assert!(demo.is_running(), "{:?}", demo.log());
        open.retain(|query| prometheus.values(query) == 0);
        open.is_empty() || Instant::now() > end
    });
    assert!(open.is_empty(), "nothing in {WITHIN:?} for {open:#?}");
    let nodes = prometheus.query(&format!("{info} == 1"), "node");
    assert!(nodes.keys().all(|node| node.starts_with("worker-")) && nodes.len() >= 3, "{nodes:?}");
    assert_eq!(prometheus.query(&pending, "storageclass").into_keys().collect::<Vec<_>>(), ["fast"]);
    assert!(prometheus.query(&up, "replica").len() >= 3);

    // The reference does not promise too few.
    let counted = prometheus.query("count by (__name__) ({job=\"readscope\",__name__=~\"readscope_.+\"})", "__name__");
    for metric in definitions() {
        let of_family =
            |name: &str| ["", "_bucket", "_sum", "_count"].iter().any(|end| metric.name.to_owned() + end == name);
        let found: f64 = counted.iter().filter(|(name, _)| of_family(name)).map(|(_, count)| count).sum();
        let (all, each) = series(metric);
        assert!(found <= f64::from(u32::try_from(all + REPLICAS * each).unwrap()), "{}: {found}", metric.name);
    }

    // The namespace is that of the database, or else that of readscope; the pod is never that of readscope.
    let namespaces = |query: &str| prometheus.query(query, "namespace").into_keys().collect::<Vec<_>>();
    assert_eq!(namespaces("readscope_target_up"), ["mysql"]);
    assert_eq!(namespaces("readscope_build_info"), ["readscope"]);
    assert_eq!(namespaces("readscope_replica_info{target=\"a\"}"), ["readscope"]);
    assert_eq!(prometheus.values("readscope_replica_info{target=\"a\",pod=\"\",node=\"\"}"), 1);
    assert_eq!(prometheus.values("readscope_replica_info{pod=~\"readscope.*\"}"), 0);
}
