//! The lab from end to end: steps A to E of docs/lab.md with kubectl, and the state that readscope shows at each: in its API,
//! its metrics, its page in a browser, and in the dashboard's queries to a Prometheus.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    cluster::{Cluster, repository},
    deployed::{self, metric, scale_event, target},
    mysql,
    support::{
        obtained,
        panels::{Panel, panels},
        prometheus::Prometheus,
        waiting::wait_until,
    },
    turn::Turn,
};

use super::{page::Page, runbook};

/// Time for one step on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Every milestone of a new replica with a new PVC.
const UP: [&str; 11] = [
    "requested",
    "pvc_created",
    "pvc_provisioning",
    "pvc_bound",
    "pod_created",
    "pod_scheduled",
    "sandbox_ready",
    "initialized",
    "pod_ready",
    "endpoint_ready",
    "first_read",
];

/// Panels without data before a scale event.
const OF_EVENTS: [&str; 5] = [
    "Last scale-up: request to first read",
    "From the request to each milestone",
    "Phases: median of the scale events in the range",
    "Uncertainty of the first read",
    "Time to bind a PVC, in the range",
];

/// The panel without data while nothing fails.
const OF_FAILURES: &str = "Failures by reason";

/// The panels without data while nothing is wrong, as in the lab.
const OF_TROUBLE: [&str; 2] = ["Culprits now", "Conditions"];

/// Prints how long each step took; `cargo test -- --nocapture` shows it.
struct Steps(Instant);

impl Steps {
    fn done(&self, step: &str) {
        eprintln!("{:6.1} s  {step}", self.0.elapsed().as_secs_f64());
    }
}

fn ids(target: &Value) -> BTreeSet<u64> {
    let replicas = target["replicas"].as_array().unwrap().iter();
    replicas
        .filter(|replica| replica["reads"].as_u64() > Some(0))
        .filter_map(|replica| replica["server_id"].as_u64())
        .collect()
}

/// The replica of this name in a scale event.
fn replica<'a>(event: &'a Value, name: &str) -> &'a Value {
    event["replicas"].as_array().unwrap().iter().find(|replica| replica["replica"] == name).unwrap()
}

/// Waits until a scale event to this number of replicas has finished.
fn scaled(cluster: &Cluster, to: u64) -> Value {
    wait_until(&format!("the end of the scale event to {to}"), PATIENCE, || {
        let event = scale_event(cluster);
        event["to"] == to && !event["finished"].is_null()
    });
    scale_event(cluster)
}

/// The dashboard's queries without a result so far.
struct Dashboard {
    prometheus: Prometheus,
    open: Vec<Panel>,
}

impl Dashboard {
    /// With the configuration of docs/install.md for a Prometheus without the operator.
    fn start(cluster: &Cluster) -> Self {
        let page = fs::read_to_string(repository().join("docs/install.md")).unwrap();
        let scrape = page.split("```yaml\n").find(|block| block.starts_with("scrape_configs:")).unwrap();
        let scrape = scrape.split("```").next().unwrap();
        let rules = repository().join("deploy/alerts/readscope.rules.yaml");
        let configuration = format!("rule_files: ['{}']\n{scrape}", rules.display());
        let prometheus = Prometheus::start(cluster.inside("env"), &configuration, &[]);
        // Grafana's rate interval for a scrape every 15 s.
        let mut open = panels("1m");
        // The lab has too few connections of clients to compare them.
        for (_, expressions) in &mut open {
            expressions.retain(|expression| !expression.contains("readscope_clients_uneven"));
        }
        Self { prometheus, open }
    }

    /// Asserts that none of the alerts has fired.
    fn called_nobody(&self) {
        let fired = "count by (alertname) (count_over_time(ALERTS{alertstate=\"firing\"}[1h]))";
        let fired = self.prometheus.query(fired, "alertname");
        assert!(fired.is_empty(), "{fired:?}");
    }

    /// Waits until all queries have had a result, except those of these panels.
    fn answers_all_but(&mut self, panels: &[&str]) {
        wait_until("the dashboard's queries", PATIENCE, || {
            for (_, expressions) in &mut self.open {
                expressions.retain(|expression| self.prometheus.values(expression) == 0);
            }
            self.open.retain(|(_, expressions)| !expressions.is_empty());
            self.open.iter().all(|(title, _)| panels.contains(&&**title))
        });
    }
}

#[test]
fn the_lab_shows_the_expected_state_at_each_step() {
    obtained::prometheus();
    obtained::browser();
    let cluster = Turn::from_nothing();
    let steps = Steps(Instant::now());
    steps.done("the cluster is up");

    pvcs_are_bound(&cluster);
    let ready = Instant::now();
    let mut dashboard = Dashboard::start(&cluster);
    let mut page = Page::open(&cluster);
    page.shows(3, "#pvcs tr", r"data-mysql-[012]\s+Bound");
    steps.done("A: three PVCs are bound");
    a_write_is_read_back(&cluster);
    steps.done("B: a write on the primary is read through mysql-read");
    three_servers_answer(&cluster);
    page.shows(3, "#replicas tr", r"mysql-[012]\s[\s\S]*(primary|replica)\s+10[012]\s");
    page.shows(3, "#shares tr", r"mysql-[012]\s[\s\S]*33\.3 %");
    page.shows(1, "#verdict-word", "^Balanced$");
    steps.done("C: three servers answer");
    dashboard.answers_all_but(&[&OF_EVENTS[..], &OF_TROUBLE, &[OF_FAILURES]].concat());
    steps
        .done(&format!("C: the dashboard's queries, {:.0} s after the pods were ready", ready.elapsed().as_secs_f64()));
    a_fourth_replica_joins_and_leaves(&cluster, &mut page);
    steps.done("D: 3, 4, 3, 5 replicas");
    dashboard.answers_all_but(&[&OF_TROUBLE[..], &[OF_FAILURES]].concat());
    steps.done("D: the dashboard's queries about scale events");
    dashboard.called_nobody();
    runbook::commands_work(&cluster);
    steps.done("D: the runbook's commands");
    eprintln!("{:6.1} MiB of memory for readscope", mebibytes(deployed::memory(&cluster)));
    nothing_is_left(&cluster, &mut page);
    dashboard.answers_all_but(&OF_TROUBLE);
    page.close();
    steps.done("E: nothing is left");
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

fn pvcs_are_bound(cluster: &Cluster) {
    // Without passwords, both report the missing Secret.
    mysql::apply(cluster);
    deployed::apply(cluster);
    deployed::ends_saying(cluster, "mysql", "create secret generic mysql-passwords");
    deployed::ends_saying(cluster, "readscope", "check that the Secret exists and has this key");
    mysql::make_secret(cluster);
    deployed::make_secret(cluster);
    // Without the growing pause after crashes.
    cluster.kubectl("-n mysql delete pod mysql-0");
    // A busy machine does not reach this timeout. The change restarts readscope.
    cluster.kubectl("-n readscope set env deployment/readscope READSCOPE_TIMEOUT=20s");
    mysql::roll_out(cluster);
    deployed::roll_out(cluster);

    let pvcs = cluster.kubectl("-n mysql get pvc --no-headers");
    assert_eq!(pvcs.lines().filter(|line| line.contains("Bound")).count(), 3, "{pvcs}");
    wait_until("three bound PVCs", PATIENCE, || {
        let target = target(cluster);
        let pvcs = target["pvcs"].as_array();
        pvcs.is_some_and(|pvcs| pvcs.len() == 3 && pvcs.iter().all(|pvc| pvc["phase"] == "Bound"))
    });
    assert_eq!(metric(cluster, "readscope_persistentvolumeclaim_pending_seconds", "persistentvolumeclaim="), [0.0; 3]);
}

fn a_write_is_read_back(cluster: &Cluster) {
    mysql::start_client(cluster);
    let write = "CREATE DATABASE test; CREATE TABLE test.messages (message VARCHAR(250)); \
                 INSERT INTO test.messages VALUES ('hello')";
    mysql::query(cluster, "mysql-0.mysql", write);
    let read = "SELECT message FROM test.messages";
    for replica in ["mysql-1.mysql", "mysql-2.mysql"] {
        // A replica may lag a little.
        wait_until("the row", PATIENCE, || {
            mysql::try_query(cluster, replica, read).is_ok_and(|rows| rows == "hello\n")
        });
        let refused = mysql::try_query(cluster, replica, "DELETE FROM test.messages").unwrap_err();
        assert!(refused.contains("read-only"), "{refused}");
    }
    for _ in 0..6 {
        assert_eq!(mysql::query(cluster, "mysql-read", read), "hello\n");
    }
}

fn three_servers_answer(cluster: &Cluster) {
    wait_until("three ids", PATIENCE, || ids(&target(cluster)) == BTreeSet::from([100, 101, 102]));
    let shown = target(cluster);
    for replica in shown["replicas"].as_array().unwrap() {
        let role = if replica["server_id"] == 100 { "primary" } else { "replica" };
        assert_eq!(replica["role"], role, "{replica}");
        assert!((replica["expected_share"].as_f64().unwrap() - 1.0 / 3.0).abs() < 1e-9, "{replica}");
    }
    assert_eq!(metric(cluster, "readscope_target_up", "mysql/mysql-read"), [1.0]);
    assert!(metric(cluster, "readscope_reads_total", "replica=").iter().all(|reads| *reads > 0.0));
}

fn a_fourth_replica_joins_and_leaves(cluster: &Cluster, page: &mut Page) {
    mysql::scale(cluster, 4);
    let event = scaled(cluster, 4);
    page.shows(1, "#events summary", r"^3 → 4 replicas\s+in [0-9.]+ s");
    page.shows(1, "#replicas tr", r"mysql-3\s[\s\S]*replica\s+103\s");
    page.shows(1, "#pvcs tr", r"data-mysql-3\s+Bound");
    let new = replica(&event, "mysql-3");
    assert_eq!(new["pvc_reused"], false, "{new}");
    for milestone in UP {
        assert!(new["milestones"][milestone].is_string(), "{milestone} in {new}");
    }
    let times =
        ["pvc_created", "pvc_bound", "pod_ready", "endpoint_ready"].map(|name| new["milestones"][name].as_str());
    assert!(times.is_sorted(), "{new}");
    eprintln!("          from 3 to 4 replicas: {}", new["phases"]);
    assert!(ids(&target(cluster)).contains(&103));

    mysql::scale(cluster, 3);
    let event = scaled(cluster, 3);
    let old = replica(&event, "mysql-3");
    assert!(old["milestones"]["pod_gone"].is_string(), "{old}");
    assert!(cluster.kubectl("-n mysql get pvc data-mysql-3 --no-headers").contains("Bound"), "the PVC stays");
    page.shows(1, "#events summary", r"^4 → 3 replicas\s+in [0-9.]+ s");

    mysql::query(cluster, "mysql-0.mysql", "INSERT INTO test.messages VALUES ('while mysql-3 was away')");
    mysql::scale(cluster, 5);
    let event = scaled(cluster, 5);
    assert_eq!(replica(&event, "mysql-3")["pvc_reused"], true, "{event}");
    assert_eq!(replica(&event, "mysql-4")["pvc_reused"], false, "{event}");
    wait_until("five ids", PATIENCE, || ids(&target(cluster)) == (100..105).collect());
    page.shows(1, "#events summary", r"^3 → 5 replicas\s+in [0-9.]+ s");
    page.shows(5, "#replicas tr", r"mysql-[0-4]\s[\s\S]*\s10[0-4]\s");
    for host in ["mysql-3.mysql", "mysql-4.mysql"] {
        assert_eq!(mysql::query(cluster, host, "SELECT COUNT(*) FROM test.messages"), "2\n", "{host}");
    }
    assert_eq!(metric(cluster, "readscope_scale_events_total", "direction=\"up\""), [2.0]);
    assert_eq!(metric(cluster, "readscope_scale_events_total", "direction=\"down\""), [1.0]);
}

fn nothing_is_left(cluster: &Cluster, page: &mut Page) {
    cluster.kubectl("delete namespace mysql --timeout=180s");
    wait_until("the end of everything about pvcs", PATIENCE, || {
        target(cluster)["pvcs"].as_array().is_none_or(Vec::is_empty)
            && metric(cluster, "readscope_persistentvolumeclaim_pending_seconds", "").is_empty()
    });
    wait_until("the target to be down", PATIENCE, || {
        metric(cluster, "readscope_target_up", "mysql/mysql-read") == [0.0]
    });
    page.shows(0, "#pvcs tr", "data-mysql");
    page.shows(1, "#verdict-word", "^Down$");
    assert!(metric(cluster, "readscope_statefulset_replicas", "").is_empty());
    wait_until("no expected replicas", PATIENCE, || {
        let shown = target(cluster);
        let replicas = shown["replicas"].as_array().unwrap();
        replicas.iter().all(|replica| replica["expected_share"] == 0.0)
            && metric(cluster, "readscope_replica_expected_share", "").iter().all(|share| *share == 0.0)
    });
    assert!(metric(cluster, "readscope_scale_in_progress", "").iter().all(|running| *running == 0.0));
    // Counters of a replica end five minutes after its pod, so that a last scrape has them.
    wait_until("the end of the replicas' series", Duration::from_secs(420), || {
        metric(cluster, "readscope_reads_total", "replica=").is_empty()
    });
    assert!(metric(cluster, "readscope_replica_info", "").is_empty());
    assert_eq!(metric(cluster, "readscope_replica_expected_share", ""), [0.0; 0]);
    assert_eq!(target(cluster)["replicas"], serde_json::json!([]));
    page.shows(0, "#replicas tr, #shares tr, #pvcs tr", "mysql");
}
