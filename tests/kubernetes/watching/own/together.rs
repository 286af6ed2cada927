//! Several replicas of one request, with a first ordinal and several PVCs each; and a second request before the end of the
//! first.

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    WITHIN,
    lab::Lab,
    scaled_replica::ScaledReplica,
    support::{commands::run, waiting::wait_for},
};

/// No server listens there, so that no scale event ends with a first read.
const MANY: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: many-read, namespace: mysql}
  spec: {selector: {app: many}, ports: [{port: 3306}]}
- apiVersion: apps/v1
  kind: StatefulSet
  metadata: {name: many, namespace: mysql}
  spec:
    serviceName: many-read
    replicas: 1
    podManagementPolicy: Parallel
    ordinals: {start: 5}
    persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
    selector: {matchLabels: {app: many}}
    template:
      metadata: {labels: {app: many}}
      spec:
        terminationGracePeriodSeconds: 0
        containers:
        - name: sleep
          image: "localhost/busybox:test"
          imagePullPolicy: Never
          command: [sleep, infinity]
          volumeMounts: [{name: data, mountPath: /data}, {name: logs, mountPath: /logs}]
    volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
    - metadata: {name: logs}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
"#;

const RISING: [&str; 9] = [
    "requested",
    "pvc_created",
    "pvc_provisioning",
    "pvc_bound",
    "pod_created",
    "pod_scheduled",
    "sandbox_ready",
    "pod_ready",
    "endpoint_ready",
];

#[test]
fn replicas_of_one_request_have_dates_of_their_own_and_a_later_request_takes_over() {
    let lab = Lab::own();
    lab.apply(MANY);
    lab.kubectl("-n mysql rollout status statefulset/many --timeout=400s");
    let mut probe = lab.readscope("mysql/many-read", &["--pod-probe-interval", "0"]);
    let pvcs = probe.target_until("the PVCs from before", |target| {
        let pvcs = target["pvcs"].as_array()?;
        let dated = pvcs.len() == 2 && pvcs.iter().all(|pvc| pvc["bound"].is_string());
        dated.then(|| pvcs.clone())
    });
    assert_bound_as_their_volumes_say(&lab, &pvcs);
    assert_eq!(probe.metrics().count("readscope_persistentvolumeclaim_bind_seconds", &[]), 0, "it was not seen");

    let scale = |replicas: u32| lab.kubectl(&format!("-n mysql scale statefulset/many --replicas={replicas}"));
    scale(3);
    // Meanwhile, `wait` waits for one of them with its own watches.
    let waits = ["wait", "--for", "endpoint_ready", "many-7", "--service", "mysql/many-read"];
    let output = run(&mut lab.call(&lab.cluster().kubeconfig(), &waits));
    assert_eq!(output, "many-7: endpoint ready\n");
    let members = wait_for("two ready replicas", WITHIN, || {
        let members = ScaledReplica::all(&probe.scale_events()[0]);
        let ready = members.iter().all(|member| member.milestones().contains_key("endpoint_ready"));
        ready.then_some(members)
    });
    let names: Vec<_> = members.iter().map(|member| member.value()["replica"].as_str().unwrap()).collect();
    assert_eq!(names, ["many-6", "many-7"]);
    for member in &members {
        member.assert_reached(&RISING);
        assert_eq!(member.value()["pvc_reused"], false);
    }
    let [first, second] = [0, 1].map(|index| members[index].milestones());
    assert!(second["pod_created"] < first["pod_ready"], "{first:#?} {second:#?}");
    assert_eq!(probe.metrics().count("readscope_persistentvolumeclaim_bind_seconds", &[]), 4);
    assert_eq!(probe.target()["pvcs"].as_array().map(Vec::len), Some(6));

    // The first event waits for first reads; the second removes one of its replicas.
    scale(2);
    let events = wait_for("the end of the second event", WITHIN, || {
        let events = probe.scale_events();
        (events.len() == 2 && ScaledReplica::all_seen_off(&events[0])).then_some(events)
    });
    let gone = ScaledReplica::only(&events[0]);
    assert_eq!((&gone.value()["replica"], &gone.value()["direction"]), (&"many-7".into(), &"down".into()));
    gone.assert_reached(&["terminating", "endpoint_gone", "pod_gone"]);
    let taken: Vec<_> =
        ScaledReplica::all(&events[1]).iter().map(|member| member.value()["taken_over"].clone()).collect();
    assert_eq!(taken, [false, true]);
    assert!(events[1]["finished"].is_null(), "many-6 has not answered");
    assert!(ScaledReplica::all(&events[1])[1].milestones().keys().all(|name| !name.ends_with("gone")));
    lab.kubectl("-n mysql delete statefulset/many service/many-read --timeout=120s");
}

/// Asserts that PVCs bound before the start of readscope have the dates of their volumes.
fn assert_bound_as_their_volumes_say(lab: &Lab, pvcs: &[Value]) {
    for pvc in pvcs {
        let bound: Timestamp = pvc["bound"].as_str().unwrap().parse().unwrap();
        let volume = lab.object(&format!("persistentvolume/{}", pvc["volume"].as_str().unwrap()));
        let since = volume["status"]["lastPhaseTransitionTime"].as_str().unwrap();
        assert_eq!(bound, since.parse().unwrap(), "{pvc:#?}");
        let created: Timestamp = pvc["created"].as_str().unwrap().parse().unwrap();
        assert!(bound >= created, "{pvc:#?}");
    }
}
