//! The permissions of readscope's account, and its notices when one is missing.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    deploy::Deploy,
    deployed::{self, metric, target},
    support::waiting::wait_until,
    turn::Turn,
};

/// For changes that take seconds, on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Permission {
    group: String,
    resource: String,
    verb: String,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.verb, self.qualified())
    }
}

impl Permission {
    /// As kubectl calls the resource.
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) }
    }

    fn rule(&self) -> Value {
        json!({"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]})
    }
}

/// The permissions of a role.
fn permissions(role: &Value) -> BTreeSet<Permission> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut permissions = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    permissions.insert(Permission { group: group.clone(), resource: resource.clone(), verb });
                }
            }
        }
    }
    permissions
}

/// The permissions of an account in the namespace of MySQL: resources with verbs.
fn granted(cluster: &Cluster, account: &str) -> BTreeSet<String> {
    let list = cluster
        .kubectl(&format!("auth can-i --list --no-headers -n mysql --as=system:serviceaccount:readscope:{account}"));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    list.lines().map(words).filter(|line| !line.is_empty()).collect()
}

/// Deploys readscope and starts a scale-up whose PVC stays pending.
fn prepare(cluster: &Cluster, deploy: &Deploy) {
    deployed::apply_from(cluster, deploy);
    deployed::make_secret(cluster);
    deployed::restart(cluster);
    cluster.run("provisioner", &["stop"]);
    cluster.kubectl("-n mysql scale statefulset/mysql --replicas=4");
}

#[test]
fn each_permission_is_used_and_reported_when_missing() {
    let cluster = Turn::beside_mysql();
    let deploy = Deploy::with(&["topology", "kubernetes-events"]);
    prepare(&cluster, &deploy);
    let objects = deploy.rendered();
    let roles: Vec<&Value> =
        objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole").collect();

    let unprivileged = granted(&cluster, "default");
    let added: BTreeSet<String> = granted(&cluster, "readscope").difference(&unprivileged).cloned().collect();
    assert_eq!(added, lines(&roles), "the account has the roles' permissions and no others");

    for permission in roles.iter().flat_map(|role| permissions(role)) {
        wait_until(&format!("the data of {permission}"), WITHIN, || is_shown(&cluster, &permission));
    }
    assert!(!log(&cluster).contains("not allowed"), "{}", log(&cluster));

    for role in &roles {
        for permission in permissions(role) {
            let others = permissions(role).iter().filter(|other| **other != permission).map(Permission::rule).collect();
            apply(&cluster, role, others);
            deployed::restart(&cluster);
            assert_reported(&cluster, &permission);
            eprintln!("          reported: {permission}");
            apply(&cluster, role, role["rules"].as_array().unwrap().clone());
        }
    }
}

#[test]
fn without_roles_every_permission_is_reported() {
    let cluster = Turn::beside_mysql();
    deployed::deploy(&cluster);
    cluster.kubectl("delete clusterrolebinding readscope-storage-classes readscope-persistent-volumes");
    cluster.kubectl("-n mysql delete rolebinding readscope");
    deployed::restart(&cluster);
    let roles = Deploy::with(&[]).rendered();
    let roles = roles.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole");
    for permission in roles.flat_map(permissions) {
        wait_until(&format!("the notice about {permission}"), WITHIN, || {
            log(&cluster).contains(&sentence(&permission))
        });
    }
    wait_until("reads without permissions", WITHIN, || {
        metric(&cluster, "readscope_reads_total", "").iter().sum::<f64>() > 10.0
    });
}

/// The permissions of the roles, as `kubectl auth can-i --list` writes them.
fn lines(roles: &[&Value]) -> BTreeSet<String> {
    let all: BTreeSet<Permission> = roles.iter().flat_map(|role| permissions(role)).collect();
    let line = |permission: &Permission| {
        let verbs: Vec<&str> =
            all.iter().filter(|other| other.qualified() == permission.qualified()).map(|other| &*other.verb).collect();
        format!("{} [] [] [{}]", permission.qualified(), verbs.join(" "))
    };
    all.iter().map(line).collect()
}

/// Gives a role other rules.
fn apply(cluster: &Cluster, role: &Value, rules: Vec<Value>) {
    let mut role = role.clone();
    role["rules"] = rules.into();
    cluster.kubectl_reads("apply -f -", &role.to_string());
}

/// Part of the notice when the permission is missing.
fn sentence(permission: &Permission) -> String {
    match permission.verb.as_str() {
        "create" => format!("grant create on {}", permission.qualified()),
        _ => format!("not allowed to read {} ", permission.resource),
    }
}

/// Waits until readscope reports the missing permission and no other, and no longer shows its data.
fn assert_reported(cluster: &Cluster, permission: &Permission) {
    if permission.verb == "create" {
        // A milestone to write.
        cluster.kubectl("-n mysql scale statefulset/mysql --replicas=5");
    }
    wait_until(&format!("the notice about {permission}"), WITHIN, || {
        let notices = target(cluster)["notices"].to_string();
        notices.contains(&sentence(permission)) && notices.matches("not allowed").count() == 1
    });
    assert!(log(cluster).contains(&sentence(permission)), "{permission}: {}", log(cluster));
    if permission.verb == "create" {
        assert!(!is_shown(cluster, permission), "{permission} is not used");
        return;
    }
    let kind = format!("kind=\"{}\"", permission.resource);
    let watches = metric(cluster, "readscope_kube_watch_up", "");
    let down = watches.iter().filter(|up| **up == 0.0).count();
    assert_eq!((metric(cluster, "readscope_kube_watch_up", &kind), down), (vec![0.0], 1), "{permission}");
    // A list alone shows the objects of that moment.
    assert!(permission.verb != "list" || !is_shown(cluster, permission), "{permission} is not used");
}

/// Whether readscope shows the data of a permission, or uses it to write.
fn is_shown(cluster: &Cluster, permission: &Permission) -> bool {
    let target = target(cluster);
    let has = |name: &str, label: &str| !metric(cluster, name, label).is_empty();
    let pvcs = target["pvcs"].as_array().cloned().unwrap_or_default();
    match permission.qualified().as_str() {
        "services" | "endpointslices.discovery.k8s.io" => target["routing"].is_object(),
        // Their pods lead to the StatefulSet.
        "pods" | "statefulsets.apps" => has("readscope_statefulset_replicas", ""),
        "persistentvolumeclaims" => !pvcs.is_empty(),
        "events" => pvcs.iter().any(|pvc| pvc["reason"].is_string()),
        "storageclasses.storage.k8s.io" => {
            has("readscope_persistentvolumeclaim_bind_seconds_count", "bind_mode=\"WaitForFirstConsumer\"")
        }
        "events.events.k8s.io" => {
            let replicas = cluster.kubectl("-n mysql get statefulset/mysql -o jsonpath={.spec.replicas}");
            let messages = cluster.kubectl("-n mysql get events -o jsonpath={.items[*].message}");
            messages.contains(&format!(" to {replicas} replicas"))
        }
        // They were bound before it was started.
        "persistentvolumes" => pvcs.iter().any(|pvc| pvc["bound"].is_string()),
        // The zone of a node is also in the endpoints on it.
        "nodes" => metric(cluster, "readscope_kube_watch_up", "kind=\"nodes\"") == [1.0],
        other => panic!("nothing is known of {other}"),
    }
}

fn log(cluster: &Cluster) -> String {
    cluster.try_kubectl("-n readscope logs deployment/readscope").unwrap_or_default()
}
