//! Two readscopes with one Lease: the leader is killed during a scale event, the next one is stopped, and the third one is
//! killed while alerts fire.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Instant,
};

use jiff::Timestamp;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::{
    WITHIN,
    deploy::Deploy,
    lab::Lab,
    scaled_replica::ScaledReplica,
    support::{
        commands::mortal,
        exporter::{Exporter, Metrics},
        prometheus::Prometheus,
        rules::Rules,
        waiting::wait_for,
    },
};

/// What readscope may read, and write as Events; the rules of the Lease are added.
const RULES: &str = r#"[
  {"apiGroups": [""], "resources": ["services", "pods", "persistentvolumeclaims", "events"], "verbs": ["list", "watch"]},
  {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["list", "watch"]},
  {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
  {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]}
]"#;

#[test]
fn the_leader_is_killed_during_a_scale_event_and_every_milestone_is_there_once() {
    let lab = Lab::own();
    let folder = tempfile::tempdir().unwrap();
    let (account, lease) = account(&lab, folder.path());
    let start = || {
        let options = ["--interval", "50ms", "--kubernetes.events", "--kubernetes.lease", &lease];
        let mut probe = lab.readscope_as(&account, "mysql/mysql-read", &options);
        probe.scrape_until("reads of every replica", |now| now.series("readscope_reads_total").count() >= 3);
        probe.scrape_until("the StatefulSet", |now| now.series("readscope_scale_events_total").count() == 2);
        probe
    };
    let mut first = start();
    first.scrape_until("the Lease", leads);
    let mut second = start();
    assert!(!leads(&second.metrics()), "one leads");

    let begin = Timestamp::now();
    lab.scale(4);
    wait_for("the new pod, at both", WITHIN, || {
        let seen = |probe: &Exporter| Some(ScaledReplica::only(probe.scale_events().first()?).milestones());
        let both = [seen(&first)?, seen(&second)?];
        both.iter().all(|milestones| milestones.contains_key("pod_scheduled")).then_some(())
    });
    let last = first.metrics();
    first.program.signal(Signal::SIGKILL);
    let killed = Timestamp::now();
    let of_first = ended(&last);
    assert_eq!((of_first["up"], of_first["to_first_read"]), (1, 0), "killed during the scale event");
    assert_eq!(ended(&second.metrics())["up"], 0, "a follower does not count");

    // What alerts look at is there all the time, at the follower as well.
    let between = second.metrics();
    assert_eq!(between.sum("readscope_scale_in_progress", ""), 1);
    let event = second.finished_events(1).remove(0);
    second.scrape_until("the second one to lead", leads);
    eprintln!("the second one leads {} s after the kill", Timestamp::now().duration_since(killed).as_secs());
    let member = ScaledReplica::only(&event);
    // The request is the Event "Scaling".
    let mut milestones: Vec<String> = member.milestones().into_keys().filter(|name| name != "requested").collect();
    milestones.extend(["scaling".to_owned(), "scaled".to_owned()]);
    wait_for("an Event of every milestone", WITHIN, || {
        let written = written(&lab, begin);
        milestones.iter().all(|milestone| written.contains_key(&milestone.replace('_', ""))).then_some(())
    });
    assert_eq!(milestones.iter().filter(|name| *name == "first_read").count(), 1, "{milestones:?}");
    let of_second = second.scrape_until("the phase that ended after the kill", |now| ended(now)["to_first_read"] == 1);
    assert_eq!(ended(&of_second)["up"], 0, "the first one has counted it");
    assert_each_once(&lab, begin);

    // A roll-out: the next one is there before the leader ends, and follows at once.
    let mut third = start();
    second.program.signal(Signal::SIGTERM);
    second.program.wait(WITHIN);
    assert!(second.program.logged(&["cut short"]) == 0, "{:?}", second.program.log());
    third.scrape_until("the third one to lead", leads);
    let lease = lab.object(&format!("lease/{lease}"));
    assert_eq!(lease["spec"]["leaseTransitions"], 2, "{lease}");
    lab.scale(3);
    third.finished_events(1);
    let of_third = third.scrape_until("the count of the removal", |now| ended(now)["down"] == 1);
    assert_eq!(ended(&of_third)["up"], 0);
    assert_each_once(&lab, begin);
    assert_eq!(of_third.sum("readscope_anomalies_total", ""), 0);

    alerts_keep_their_state(&lab, &third, start());
}

/// Alerts about both readscopes fire when the leader is killed; those about the other one do not begin again.
fn alerts_keep_their_state(lab: &Lab, leader: &Exporter, mut other: Exporter) {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    std::fs::write(&rules, Rules::quicker_by(15).text()).unwrap();
    let configuration = format!(
        "global: {{scrape_interval: 4s, scrape_timeout: 4s, evaluation_interval: 1s}}
rule_files: ['{}']
scrape_configs: [{{job_name: readscope, honor_labels: true, static_configs: [{{targets: ['{}', '{}']}}]}}]\n",
        rules.display(),
        leader.address,
        other.address
    );
    let prometheus = Prometheus::start(mortal("env"), &configuration, &[]);
    let alerts = "alertname=~\"ReadscopePVCPending|ReadscopeTargetDegraded\"";
    let firing = || prometheus.values(&format!("ALERTS{{alertstate=\"firing\",{alerts}}}"));
    lab.script("provisioner", &["stop"]);
    // Else the new replica gets the volume of the one before.
    lab.kubectl("-n mysql delete pvc data-mysql-3");
    lab.scale(4);
    lab.kubectl("-n mysql exec mysql-1 -- touch /tmp/not-ready");
    wait_for("two alerts about each", WITHIN, || (firing() == 4).then_some(()));
    let all_fire = Instant::now();
    let at = other.address;
    let since = || prometheus.query(&format!("ALERTS_FOR_STATE{{instance=\"{at}\",{alerts}}}"), "alertname");
    let before = since();
    leader.program.signal(Signal::SIGKILL);
    wait_for("the end of the alerts about the leader", WITHIN, || (firing() == 2).then_some(()));
    other.scrape_until("the other one to lead", leads);
    assert_eq!(since(), before, "alerts that begin again have another time");
    let seconds = all_fire.elapsed().as_secs().max(1);
    let least = format!("min_over_time(count(ALERTS{{alertstate=\"firing\",{alerts}}})[{seconds}s:1s]) >= 2");
    assert_eq!(prometheus.values(&least), 1);
    lab.kubectl("-n mysql exec mysql-1 -- rm /tmp/not-ready");
    lab.script("provisioner", &["start"]);
    wait_for("the end of all", WITHIN, || (firing() == 0).then_some(()));
}

/// A `ServiceAccount` with the permissions of `deploy/` and the component, and the name of the Lease there.
fn account(lab: &Lab, folder: &Path) -> (PathBuf, String) {
    let rendered = Deploy::with(&["high-availability"]).rendered();
    let is_role = |object: &&Value| object["kind"] == "Role" && object["metadata"]["name"] == "readscope-lease";
    let rules = &rendered.iter().find(is_role).unwrap()["rules"];
    let mut lease = rendered.iter().find(|object| object["kind"] == "Lease").unwrap().clone();
    lease["metadata"]["namespace"] = "mysql".into();
    let pods = rendered.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let arguments = pods["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    let name = arguments.iter().find_map(|argument| argument.as_str()?.strip_prefix("--kubernetes.lease=")).unwrap();
    let read: Vec<Value> = serde_json::from_str(RULES).unwrap();
    let rules: Vec<_> = read.iter().chain(rules.as_array().unwrap()).collect();
    let metadata = json!({"name": "pair", "namespace": "mysql"});
    let subject = json!({"kind": "ServiceAccount", "name": "pair", "namespace": "mysql"});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pair"});
    let rbac = "rbac.authorization.k8s.io/v1";
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        lease,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": rbac, "kind": "Role", "metadata": metadata, "rules": rules},
        {"apiVersion": rbac, "kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": [subject]},
    ]});
    lab.kubectl(&format!("-n mysql delete lease {name} --ignore-not-found"));
    lab.apply(&objects.to_string());
    let path = lab.account("pair", folder);
    // In a pod, the namespace is that of its ServiceAccount.
    let text = std::fs::read_to_string(&path).unwrap();
    let here = text.replace("context: {cluster: cluster,", "context: {namespace: mysql, cluster: cluster,");
    assert_ne!(here, text);
    std::fs::write(&path, here).unwrap();
    (path, name.to_owned())
}

fn leads(now: &Metrics) -> bool {
    assert!(now.text().contains("\nreadscope_leader "), "{}", now.text());
    now.text().contains("\nreadscope_leader 1\n")
}

/// What is counted of scale events.
fn ended(now: &Metrics) -> BTreeMap<&'static str, u64> {
    let phase = |name: &str| now.count("readscope_scale_phase_seconds", &[&format!("phase=\"{name}\"")]);
    let began = |direction: &str| now.sum("readscope_scale_events_total", &format!("direction=\"{direction}\""));
    BTreeMap::from([("up", began("up")), ("down", began("down")), ("to_first_read", phase("to_first_read"))])
}

/// The notes of readscope's Events since then, by their reason in lower case.
fn written(lab: &Lab, since: Timestamp) -> BTreeMap<String, Vec<String>> {
    let events: Value = serde_json::from_str(&lab.kubectl("-n mysql get events.events.k8s.io -o json")).unwrap();
    let mut written = BTreeMap::<_, Vec<_>>::new();
    for event in events["items"].as_array().unwrap() {
        let at: Option<Timestamp> = event["eventTime"].as_str().and_then(|time| time.parse().ok());
        if event["reportingController"] == "readscope" && at.is_some_and(|at| at >= since) {
            let reason = event["reason"].as_str().unwrap().to_lowercase();
            written.entry(reason).or_default().push(event["note"].as_str().unwrap().to_owned());
        }
    }
    written
}

fn assert_each_once(lab: &Lab, since: Timestamp) {
    let written = written(lab, since);
    for notes in written.values() {
        // A scale-up and a scale-down have different notes.
        let what = |note: &String| note.split(['(', '.']).next().unwrap().to_owned();
        let mut different: Vec<_> = notes.iter().map(what).collect();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), notes.len(), "{written:#?}");
    }
}
