//! Missing permissions are reported, and everything else works.

use serde_json::Value;

use crate::{lab::Lab, scaled_replica::ScaledReplica, support::exporter::Exporter};

/// An account that may do nothing at all, and a role of its namespace for it.
const ACCOUNT: &str = r#"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: probe, namespace: mysql}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: Role
  metadata: {name: probe, namespace: mysql}
  rules:
  - {apiGroups: [""], resources: [services, pods, persistentvolumeclaims, events], verbs: [list, watch]}
  - {apiGroups: [apps], resources: [statefulsets], verbs: [list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
"#;

const BINDING: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: probe, namespace: mysql}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: probe}
subjects: [{kind: ServiceAccount, name: probe, namespace: mysql}]
";

#[test]
fn without_permission_it_probes_and_a_role_adds_the_data_of_its_namespace() {
    let lab = Lab::own();
    lab.kubectl("-n mysql delete rolebinding probe --ignore-not-found");
    lab.apply(ACCOUNT);
    let folder = tempfile::tempdir().unwrap();
    let account = lab.account("probe", folder.path());
    let mut probe = lab.readscope_as(&account, "mysql/mysql-read", &["--interval", "50ms", "--kubernetes.events"]);
    probe.scrape_until("reads without any permission", |now| now.reads() >= 100);
    let target = probe.target();
    let missing = ["services", "endpointslices", "pods", "statefulsets", "persistentvolumeclaims", "events"];
    for kind in missing {
        assert!(forbids(&target, &format!("{kind} in namespace mysql")), "{kind}: {:#?}", target["notices"]);
    }
    for kind in ["storageclasses", "nodes"] {
        assert!(forbids(&target, &format!("{kind} of the cluster")), "{kind}: {:#?}", target["notices"]);
    }
    assert_eq!(target["routing"], Value::Null);
    assert_eq!(probe.metrics().all_failures(), 0);

    lab.apply(BINDING);
    let target = probe.target_until("everything of the namespace", |target| {
        let here = |notice: &Value| notice.as_str().is_some_and(|notice| notice.contains("in namespace mysql"));
        (!target["notices"].as_array()?.iter().any(here) && three_expected(target)).then(|| target.clone())
    });
    assert!(forbids(&target, "storageclasses of the cluster"), "{:#?}", target["notices"]);
    assert_eq!(target["pvcs"].as_array().map(Vec::len), Some(3));
    lab.scale(4);
    let event = probe.finished_events(1).remove(0);
    let member = ScaledReplica::only(&event);
    member.assert_reached(&["requested", "pvc_created", "pvc_bound", "pod_ready", "endpoint_ready", "first_read"]);
    assert_eq!(probe.metrics().count("readscope_persistentvolumeclaim_bind_seconds", &["bind_mode=\"unknown\""]), 1);
    assert_unwritten(&mut probe);
}

/// The role allows nothing to be written.
fn assert_unwritten(probe: &mut Exporter) {
    probe.target_until("the notice about Events", |target| {
        let notices = target["notices"].as_array()?;
        let about = |notice: &Value| notice.as_str().is_some_and(|notice| notice.contains("grant create on events"));
        notices.iter().any(about).then_some(())
    });
    assert_eq!(probe.program.logged(&["not allowed to write milestones as Kubernetes Events"]), 1);
}

fn forbids(target: &Value, objects: &str) -> bool {
    let sentence = format!("not allowed to read {objects},");
    target["notices"].as_array().unwrap().iter().any(|notice| notice.as_str().unwrap().starts_with(&sentence))
}

fn three_expected(target: &Value) -> bool {
    let replicas = target["replicas"].as_array().unwrap();
    let third =
        |replica: &&Value| replica["expected_share"].as_f64().is_some_and(|share| (share - 1.0 / 3.0).abs() < 1e-9);
    replicas.iter().filter(third).count() == 3
}
