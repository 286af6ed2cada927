//! The directories for `kubectl apply -k`, as kubectl renders them, and the notices for a wrong Service name.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::{
    cluster::{Cluster, repository},
    deploy::Deploy,
    deployed, mysql,
    support::waiting::wait_until,
    turn::Turn,
};

/// Number of objects in readscope's directory.
const OBJECTS: usize = 12;

#[test]
fn every_directory_is_rendered_and_a_wrong_service_is_reported() {
    let cluster = Turn::from_nothing();

    let old = cluster.kubectl("kustomize manifests/mysql-8.4");
    assert_eq!(old.matches("image: docker.io/library/mysql:8.4").count(), 3, "{old}");
    assert_eq!(cluster.kubectl("kustomize manifests").replace("mysql:9.7", "mysql:8.4"), old, "nothing else differs");

    let plain = Deploy::with(&[]).rendered();
    assert_eq!(plain.len(), OBJECTS, "{plain:#?}");
    for (component, adds) in [
        ("topology", 2),
        ("per-node", 3),
        ("prometheus-operator", 2),
        ("kubernetes-events", 0),
        ("high-availability", 3),
    ] {
        let rendered = Deploy::with(&[component]).rendered();
        assert_eq!(rendered.len(), OBJECTS + adds, "{component}: {rendered:#?}");
    }

    overlays_keep_the_role_where_the_service_is();

    // There is no operator.
    let operated = Deploy::with(&["prometheus-operator"]);
    let error = cluster.try_kubectl(&format!("apply -k {}", operated.path())).unwrap_err();
    assert!(error.contains("no matches for kind \"PodMonitor\""), "{error}");
    // There is no namespace of MySQL.
    let error = cluster.try_kubectl("apply -k deploy").unwrap_err();
    assert!(error.contains("namespaces \"mysql\" not found"), "{error}");

    mysql::apply(&cluster);
    // The Service has no endpoints, however long readscope takes to start.
    cluster.kubectl("-n mysql scale statefulset/mysql --replicas=0");
    mysql::make_secret(&cluster);
    deployed::apply(&cluster);
    deployed::make_secret(&cluster);
    says(&cluster, "that the Service has ready endpoints");
    // No Service of this name.
    deployed::apply_from(&cluster, &Deploy::with(&[]).naming("mysql/mysql-reed"));
    says(&cluster, "cannot resolve mysql-reed.mysql.svc");
    // No Service at all.
    let unnamed = Deploy::with(&[]).naming("");
    let _ = cluster.try_kubectl(&format!("apply -k {}", unnamed.path()));
    deployed::ends_saying(&cluster, "readscope", "--service");
}

/// The overlay of docs/install.md, with another Service and another namespace of its own.
fn overlays_keep_the_role_where_the_service_is() {
    let page = fs::read_to_string(repository().join("docs/install.md")).unwrap();
    let documented = page.split("```yaml\n").find(|block| block.contains("resources: [../deploy]")).unwrap();
    let documented = documented.split("```").next().unwrap();
    let (service, own) = ("service=shop/db-read", "namespace: monitoring");
    assert!(documented.contains(service) && documented.contains(own), "{documented}");
    let overlay = documented.replace(service, "service=team-a/orders-read").replace(own, "namespace: observers");

    let rendered = Deploy::with(&["per-node", "kubernetes-events", "high-availability"]).overlaid(&overlay);
    let named = |kind: &str| {
        let wanted =
            rendered.iter().filter(|object| object["kind"] == kind && object["metadata"]["name"] == "readscope");
        let found: Vec<_> = wanted.collect();
        assert_eq!(found.len(), 1, "{kind}: {found:#?}");
        found[0]
    };
    for kind in ["Role", "RoleBinding"] {
        assert_eq!(named(kind)["metadata"]["namespace"], "team-a");
    }
    let subject = &named("RoleBinding")["subjects"][0];
    assert_eq!((&subject["name"], &subject["namespace"]), (&"readscope".into(), &"observers".into()));
    let of_lease = |name: &Value| name == "readscope-leader" || name == "readscope-lease";
    let lease = rendered.iter().filter(|object| of_lease(&object["metadata"]["name"]));
    assert_eq!(lease.map(|object| &object["metadata"]["namespace"]).collect::<Vec<_>>(), ["observers"; 3]);
    for kind in ["ServiceAccount", "Deployment", "Service", "NetworkPolicy"] {
        assert_eq!(named(kind)["metadata"]["namespace"], "observers");
    }
    // OpenShift's restricted-v2 refuses fixed users and groups, and accepts any other pod of the Restricted standard.
    for pods in rendered.iter().filter(|object| object["spec"]["template"]["spec"].is_object()) {
        let spec = &pods["spec"]["template"]["spec"];
        let of_containers =
            spec["containers"].as_array().unwrap().iter().map(|container| &container["securityContext"]);
        for context in of_containers.chain([&spec["securityContext"]]) {
            for fixed in ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions"] {
                assert!(context[fixed].is_null(), "{fixed} in {pods}");
            }
        }
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    }
}

fn says(cluster: &Cluster, words: &str) {
    wait_until(&format!("a log that says {words:?}"), Duration::from_secs(120), || {
        cluster.try_kubectl("-n readscope logs deployment/readscope").is_ok_and(|log| log.contains(words))
    });
}
