//! A replica is added, removed, and added again.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    lab::Lab,
    scaled_replica::ScaledReplica,
    witness::{Witness, condition, is},
};

const RISING: [&str; 7] =
    ["pod_created", "pod_scheduled", "sandbox_ready", "initialized", "pod_ready", "endpoint_ready", "first_read"];

/// Two watches of one API server differ by less than 0.3 s on an idle machine; a busy one needs more.
const BESIDE: f64 = 1.5;

/// For dates in whole seconds by another process.
const BY_SERVER: f64 = 1.5;

#[test]
fn every_milestone_is_reported_and_a_reused_pvc_is_not_bound_again() {
    let lab = Lab::anywhere();
    let mut probe = lab.readscope("mysql/mysql-read", &["--interval", "50ms", "--kubernetes.events"]);
    probe.scrape_until("every replica's reads", |now| {
        ["mysql-0", "mysql-1", "mysql-2"]
            .iter()
            .all(|name| now.sum("readscope_reads_total", &format!("\"{name}\"")) > 0)
    });
    let witness = Witness::of(&lab);
    lab.scale(4);
    let events = probe.finished_events(1);
    let event = &events[0];
    assert_eq!((&event["from"], &event["to"]), (&Value::from(3), &Value::from(4)));
    let member = ScaledReplica::only(event);
    assert_eq!(
        (member.value()["replica"].as_str(), member.value()["direction"].as_str()),
        (Some("mysql-3"), Some("up"))
    );
    assert_eq!(member.value()["pvc_reused"], false);
    member.assert_reached(&RISING);
    member.assert_reached(&["requested", "pvc_created", "pvc_provisioning", "pvc_bound"]);
    member.assert_in_order(&["requested", "pvc_created", "pvc_provisioning", "pvc_bound"], BESIDE);
    member.assert_in_order(&[&["requested"][..], &RISING].concat(), BESIDE);
    assert_beside(&member, &witness);
    assert_dated_by_the_server(&member, &lab);
    let phases = member.value()["phases"].as_object().unwrap();
    for phase in ["provision", "schedule", "start", "initialize", "become_ready", "publish", "route", "to_first_read"] {
        assert!(phases[phase].as_f64().is_some_and(|seconds| seconds >= 0.0), "{phase} in {phases:#?}");
    }
    let bind = ["namespace=\"mysql\"", "statefulset=\"mysql\""];
    assert_eq!(probe.metrics().count("readscope_persistentvolumeclaim_bind_seconds", &bind), 1);
    let described = lab.kubectl("-n mysql describe statefulset/mysql");
    assert!(described.contains("mysql-3: first read"), "{described}");

    lab.scale(3);
    let events = probe.finished_events(2);
    let gone = ScaledReplica::only(&events[0]);
    assert_eq!(gone.value()["direction"], "down");
    gone.assert_reached(&["terminating", "endpoint_gone", "last_read", "pod_gone"]);
    gone.assert_in_order(&["terminating", "pod_gone"], 0.0);
    lab.settle();

    lab.scale(4);
    let again = ScaledReplica::only(&probe.finished_events(3)[0]);
    assert_eq!(again.value()["pvc_reused"], true);
    again.assert_reached(&RISING);
    let of_pvcs = again.milestones().keys().any(|name| name.starts_with("pvc"));
    assert!(!of_pvcs, "nothing was provisioned: {:#?}", again.value());
    let now = probe.metrics();
    assert_eq!(now.count("readscope_persistentvolumeclaim_bind_seconds", &bind), 1, "a reused PVC is not bound again");
    assert_eq!(now.count("readscope_scale_phase_seconds", &["phase=\"provision\""]), 1);
    assert_eq!(now.count("readscope_scale_phase_seconds", &["phase=\"to_first_read\""]), 2);
    assert_eq!(now.sum("readscope_scale_events_total", "direction=\"up\""), 2);
    assert_eq!(now.sum("readscope_scale_events_total", "direction=\"down\""), 1);
    assert_eq!(now.sum("readscope_anomalies_total", ""), 0, "no anomaly");
}

/// Asserts that milestones have the times at which another watch saw them.
fn assert_beside(member: &ScaledReplica, witness: &Witness) {
    let pvc = |object: &Value| is(object, "PersistentVolumeClaim", "data-mysql-3");
    let pod = |object: &Value| is(object, "Pod", "mysql-3");
    let pod_is = |kind: &'static str| witness.first(move |object| pod(object) && condition(object, kind).is_some());
    let is_endpoint = |object: &Value| {
        let ours = object["metadata"]["labels"]["kubernetes.io/service-name"] == "mysql-read";
        let endpoints = object["endpoints"].as_array().into_iter().flatten();
        let mut third = endpoints.filter(|endpoint| endpoint["targetRef"]["name"] == "mysql-3");
        ours && third.any(|endpoint| endpoint["conditions"]["ready"] == true)
    };
    let selected = |object: &Value| {
        pvc(object) && object["metadata"]["annotations"]["volume.kubernetes.io/selected-node"].is_string()
    };
    let seen: [(&str, Option<Timestamp>); 10] = [
        ("requested", witness.first(|object| is(object, "StatefulSet", "mysql") && object["spec"]["replicas"] == 4)),
        ("pvc_created", witness.first(pvc)),
        ("pvc_provisioning", witness.first(selected)),
        ("pvc_bound", witness.first(|object| pvc(object) && object["status"]["phase"] == "Bound")),
        ("pod_created", witness.first(pod)),
        ("pod_scheduled", pod_is("PodScheduled")),
        ("sandbox_ready", pod_is("PodReadyToStartContainers")),
        ("initialized", pod_is("Initialized")),
        ("pod_ready", pod_is("Ready")),
        ("endpoint_ready", witness.first(is_endpoint)),
    ];
    let milestones = member.milestones();
    for (milestone, seen) in seen {
        let seen = seen.unwrap_or_else(|| panic!("the witness did not see {milestone}"));
        let apart = milestones[milestone].duration_since(seen).as_secs_f64();
        assert!(apart.abs() <= BESIDE, "{milestone} is {apart} s from the time when kubectl saw it");
    }
}

/// Asserts that milestones agree with the API server's dates, which are whole seconds.
fn assert_dated_by_the_server(member: &ScaledReplica, lab: &Lab) {
    let (pod, pvc) = (lab.object("pod/mysql-3"), lab.object("pvc/data-mysql-3"));
    let created = |object: &Value| object["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
    let since = |kind| condition(&pod, kind).unwrap();
    let dated: [(&str, Timestamp); 6] = [
        ("pvc_created", created(&pvc)),
        ("pod_created", created(&pod)),
        ("pod_scheduled", since("PodScheduled")),
        ("sandbox_ready", since("PodReadyToStartContainers")),
        ("initialized", since("Initialized")),
        ("pod_ready", since("Ready")),
    ];
    let milestones = member.milestones();
    for (milestone, date) in dated {
        let after = milestones[milestone].duration_since(date).as_secs_f64();
        assert!((-BY_SERVER..=1.0 + BY_SERVER).contains(&after), "{milestone}: {after} s after {date}");
    }
}

#[test]
fn a_rolling_update_is_not_a_scale_event() {
    let lab = Lab::anywhere();
    let mut probe = lab.readscope("mysql/mysql-read", &["--interval", "50ms"]);
    let before = probe.target_until("every endpoint", |target| addresses(target, 3));
    lab.kubectl("-n mysql rollout restart statefulset/mysql");
    lab.settle();
    let after = probe.target_until("the new endpoints", |target| {
        addresses(target, 3).filter(|after| after.iter().all(|address| !before.contains(address)))
    });
    assert_eq!(after.len(), 3);
    let reads = probe.metrics().reads();
    let now = probe.scrape_until("reads of the new pods", |now| now.reads() >= reads + 100);
    assert!(probe.scale_events().is_empty(), "{:#?}", probe.scale_events());
    assert_eq!(now.sum("readscope_scale_events_total", ""), 0);
    assert_eq!(now.sum("readscope_anomalies_total", ""), 0);
    assert_eq!(now.count("readscope_scale_phase_seconds", &[]), 0);
    assert_eq!(now.series("readscope_reads_total").count(), 3, "recreated pods are the same replicas");
}

/// The addresses of the routed endpoints, if there are `count`.
fn addresses(target: &Value, count: usize) -> Option<Vec<String>> {
    let endpoints = target["routing"]["endpoints"].as_array()?;
    let routed = endpoints.iter().filter(|endpoint| endpoint["routed"] == true);
    let addresses: Vec<_> = routed.map(|endpoint| endpoint["addresses"][0].as_str().unwrap().to_owned()).collect();
    (addresses.len() == count).then_some(addresses)
}
