//! A replica without reads raises an alarm; replicas that come, go or restart raise none.

use serde_json::Value;

use crate::{kube_proxy::Frozen, lab::Lab, support::exporter::Exporter};

/// An alarm takes about fifty reads and clears within a few hundred.
const QUICKLY: [&str; 2] = ["--interval", "40ms"];

#[test]
fn no_alarm_for_a_rolling_update_a_new_replica_or_flapping_readiness() {
    let lab = Lab::own();
    let mut probe = lab.readscope("mysql/mysql-read", &QUICKLY);
    probe.balanced(3);
    lab.kubectl("-n mysql rollout restart statefulset/mysql");
    lab.settle();
    assert_quiet(&mut probe, 3);
    lab.scale(4);
    probe.finished_events(1);
    assert_quiet(&mut probe, 4);
    for _ in 0..3 {
        for (change, routed) in [("touch", 3), ("rm", 4)] {
            lab.kubectl(&format!("-n mysql exec mysql-1 -- {change} /tmp/not-ready"));
            probe.target_until("the endpoints", |target| (endpoints(target).len() == routed).then_some(()));
            let reads = probe.metrics().reads();
            probe.scrape_until("reads", |now| now.reads() >= reads + 150);
        }
    }
    assert_quiet(&mut probe, 4);
}

#[test]
fn an_endpoint_without_its_rule_is_reported_until_the_rule_is_back() {
    let lab = Lab::own();
    let mut probe = lab.readscope("mysql/mysql-read", &QUICKLY);
    probe.balanced(3);
    let frozen = Frozen::kube_proxy(&lab);
    let address = frozen.forget_first_endpoint();
    let dead = endpoints(&probe.target()).into_iter().find(|(_, at)| *at == address).expect("it is an endpoint").0;
    let now = probe.scrape_until("the alarm", |now| now.sum("readscope_unbalanced", "") == 1);
    let culprit = format!("replica=\"{dead}\",kind=\"dead\"");
    let culprits = now.text().lines().filter(|line| line.starts_with("readscope_imbalance_culprit{"));
    assert_eq!(culprits.filter(|line| line.contains(&culprit)).count(), 1, "{culprit} in {}", now.text());
    let target =
        probe.target_until("the sentence", |target| (target["verdict"] == "unbalanced").then(|| target.clone()));
    let reason = target["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("{dead} gets none of the reads where 33 % is expected")), "{reason}");
    assert_eq!(
        target["routing"]["endpoints"].as_array().map(Vec::len),
        Some(3),
        "Kubernetes still lists all endpoints"
    );

    drop(frozen);
    probe.balanced(3);
    let now = probe.metrics();
    assert_eq!((now.sum("readscope_unbalanced", ""), now.sum("readscope_imbalance_alarms_total", "")), (0, 1));
}

/// Asserts that there was no alarm and no anomaly, once this number of replicas is balanced.
fn assert_quiet(probe: &mut Exporter, replicas: usize) {
    probe.balanced(replicas);
    let now = probe.metrics();
    let counts = (now.sum("readscope_imbalance_alarms_total", ""), now.sum("readscope_anomalies_total", ""));
    assert_eq!(counts, (0, 0), "{:#?}", probe.program.log());
}

/// The names and addresses of the endpoints that are routed to.
fn endpoints(target: &Value) -> Vec<(String, String)> {
    let endpoints = target["routing"]["endpoints"].as_array().into_iter().flatten();
    let routed = endpoints.filter(|endpoint| endpoint["routed"] == true);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    routed.map(|endpoint| (text(&endpoint["replica"]), text(&endpoint["addresses"][0]))).collect()
}
