//! A drain of readscope's own node.

use std::time::Duration;

use crate::{
    deployed::{self, metric, target},
    support::waiting::wait_until,
    turn::Turn,
};

/// For changes that take seconds, on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

#[test]
fn readscope_whose_node_is_drained_returns_without_alarm_and_scale_event() {
    let cluster = Turn::beside_mysql();
    deployed::deploy(&cluster);
    let reads = || metric(&cluster, "readscope_reads_total", "").iter().sum::<f64>();
    wait_until("reads", WITHIN, || reads() >= 20.0);
    let before = deployed::settled_pods(&cluster, deployed::EXPORTER)[0]["metadata"]["name"].clone();

    let drained = cluster
        .kubectl("drain node1 --pod-selector=app.kubernetes.io/name=readscope --delete-emptydir-data --timeout=120s");
    assert!(drained.contains(&format!("pod/{} evicted", before.as_str().unwrap())), "{drained}");
    // The only node takes no pod.
    wait_until("the next pod to be Pending", WITHIN, || {
        let pods = cluster.kubectl(&format!("-n readscope get pods -l {} -o json", deployed::EXPORTER));
        pods.contains("node(s) were unschedulable")
    });
    cluster.kubectl("uncordon node1");
    deployed::roll_out(&cluster);

    wait_until("every replica", WITHIN, || metric(&cluster, "readscope_reads_total", "").len() == 3);
    wait_until("a verdict", WITHIN, || target(&cluster)["verdict"] == "balanced");
    let target = target(&cluster);
    assert_eq!((&target["status"], &target["anomalies"]), (&"ok".into(), &serde_json::json!([])), "{target:#}");
    for counter in ["readscope_scale_events_total", "readscope_imbalance_alarms_total"] {
        let counts = metric(&cluster, counter, "");
        assert!(!counts.is_empty() && counts.iter().all(|count| *count < 1.0), "{counter}: {counts:?}");
    }
}
