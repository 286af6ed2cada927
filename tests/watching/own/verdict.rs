//! Who gets no reads is accused; who comes, goes or is made anew is not.

use std::process::Stdio;

use serde_json::Value;

use crate::{
    lab::{Lab, WITHIN},
    support::{exporter::Exporter, waiting::wait_for},
};

/// An alarm takes about fifty answers and is over within a few hundred.
const QUICKLY: [&str; 2] = ["--interval", "20ms"];

#[test]
fn a_rolling_update_a_new_replica_and_a_flapping_readiness_alarm_nobody() {
    let lab = Lab::own();
    let mut probe = lab.readscope("mysql/mysql-read", &QUICKLY);
    balanced(&mut probe, 3);
    lab.kubectl(&["--namespace", "mysql", "rollout", "restart", "statefulset/mysql"]);
    lab.settle();
    assert_quiet(&mut probe, 3);
    lab.scale(4);
    probe.finished_events(1);
    assert_quiet(&mut probe, 4);
    for _ in 0..3 {
        for (change, routed) in [("touch", 3), ("rm", 4)] {
            lab.kubectl(&["--namespace", "mysql", "exec", "mysql-1", "--", change, "/tmp/not-ready"]);
            probe.target_until("the endpoints", |target| (endpoints(target).len() == routed).then_some(()));
            let reads = probe.metrics().reads();
            probe.scrape_until("reads", |now| now.reads() >= reads + 150);
        }
    }
    assert_quiet(&mut probe, 4);
}

#[test]
fn an_endpoint_without_its_rule_is_named_until_it_has_it_again() {
    let lab = Lab::own();
    let mut probe = lab.readscope("mysql/mysql-read", &QUICKLY);
    balanced(&mut probe, 3);
    let frozen = Frozen::kube_proxy(&lab);
    let address = forget_first_endpoint(&lab);
    let dead = endpoints(&probe.target()).into_iter().find(|(_, at)| *at == address).expect("it is an endpoint").0;
    let now = probe.scrape_until("the alarm", |now| now.sum("readscope_unbalanced", "") == 1);
    let culprit = format!("replica=\"{dead}\",kind=\"dead\"");
    let culprits = now.text().lines().filter(|line| line.starts_with("readscope_imbalance_culprit{"));
    assert_eq!(culprits.filter(|line| line.contains(&culprit)).count(), 1, "{culprit} in {}", now.text());
    let target =
        probe.target_until("the sentence", |target| (target["verdict"] == "unbalanced").then(|| target.clone()));
    let reason = target["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("{dead} gets none of the reads where 33 % is expected")), "{reason}");
    assert_eq!(target["routing"]["endpoints"].as_array().map(Vec::len), Some(3), "Kubernetes knows nothing of it");

    drop(frozen);
    balanced(&mut probe, 3);
    let now = probe.metrics();
    assert_eq!((now.sum("readscope_unbalanced", ""), now.sum("readscope_imbalance_alarms_total", "")), (0, 1));
}

/// Waits until so many replicas are found to be balanced.
fn balanced(probe: &mut Exporter, replicas: usize) {
    let sentence = format!("{replicas} of {replicas} replicas answer");
    probe.target_until("balanced reads", |target| {
        let said = target["verdict"] == "balanced" && target["reason"].as_str()?.contains(&sentence);
        said.then_some(())
    });
}

/// Asserts that nothing was wrong, once so many replicas are balanced.
fn assert_quiet(probe: &mut Exporter, replicas: usize) {
    balanced(probe, replicas);
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

/// Takes out the first of the rules that choose an endpoint, so that the others share its reads evenly. Returns the
/// endpoint's address.
fn forget_first_endpoint(lab: &Lab) -> String {
    let rules = lab.script("rules", &["list", "mysql/mysql-read"]);
    // The first has the least probability: it is the one that chooses from all.
    let chooses = |rule: &&str| rule.contains(" -> ") && rule.contains("--probability 0.3333");
    let rule = rules.lines().find(chooses).expect("one of three endpoints is chosen at random");
    let taken = rule.replacen("-A ", "-D ", 1);
    lab.script("inside", &["bash", "-c", &format!("iptables --wait 30 --table nat {taken}")]);
    let (_, address) = rule.split_once(" -> ").unwrap();
    let (address, _) = address.split_once(':').unwrap();
    wait_for("the rules without it", WITHIN, || {
        let shares = lab.cluster().shares("mysql/mysql-read");
        (shares.len() == 2 && !shares.contains_key(address)).then_some(())
    });
    address.to_owned()
}

/// A kube-proxy that does nothing, until this is dropped: then one that has just started makes the rules right.
struct Frozen<'a>(&'a Lab);

impl<'a> Frozen<'a> {
    fn kube_proxy(lab: &'a Lab) -> Self {
        lab.script("component", &["freeze", "kube-proxy"]);
        Self(lab)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        // Where it fails, what is waited for next says so; a panic here would hide why the test failed.
        let mut restart = self.0.cluster().script("component", &["restart", "kube-proxy"]);
        let _ = restart.stdin(Stdio::null()).status();
    }
}
