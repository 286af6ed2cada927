//! What readscope's account may do, and what it says when it may not.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    deploy::Deploy,
    deployed::{self, metric, target},
    support::waiting::wait_until,
    turn::Turn,
};

/// What readscope is told within seconds, on a machine that is busy with other things.
const WITHIN: Duration = Duration::from_secs(180);

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    group: String,
    resource: String,
    verb: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.verb, self.qualified())
    }
}

impl Right {
    /// As kubectl calls the resource.
    fn qualified(&self) -> String {
        if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) }
    }

    fn rule(&self) -> Value {
        json!({"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]})
    }
}

/// The rights that a role gives.
fn rights(role: &Value) -> BTreeSet<Right> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    rights.insert(Right { group: group.clone(), resource: resource.clone(), verb });
                }
            }
        }
    }
    rights
}

/// Which resources an account may do something with in the namespace of MySQL, with the verbs.
fn granted(cluster: &Cluster, account: &str) -> BTreeSet<String> {
    let list = cluster
        .kubectl(&format!("auth can-i --list --no-headers -n mysql --as=system:serviceaccount:readscope:{account}"));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    list.lines().map(words).filter(|line| !line.is_empty()).collect()
}

/// readscope, and something to tell: a replica that was just asked for waits for its PVC.
fn prepare(cluster: &Cluster, deploy: &Deploy) {
    deployed::apply_from(cluster, deploy);
    deployed::make_secret(cluster);
    deployed::restart(cluster);
    cluster.run("provisioner", &["stop"]);
    cluster.kubectl("-n mysql scale statefulset/mysql --replicas=4");
}

#[test]
fn each_right_is_used_and_missed_by_name() {
    let cluster = Turn::beside_mysql();
    let deploy = Deploy::with(&["topology", "kubernetes-events"]);
    prepare(&cluster, &deploy);
    let objects = deploy.rendered();
    let roles: Vec<&Value> =
        objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole").collect();

    let nobody = granted(&cluster, "default");
    let added: BTreeSet<String> = granted(&cluster, "readscope").difference(&nobody).cloned().collect();
    assert_eq!(added, lines(&roles), "the account has the roles' rights and no others");

    for right in roles.iter().flat_map(|role| rights(role)) {
        wait_until(&format!("what {right} is for"), WITHIN, || is_shown(&cluster, &right));
    }
    assert!(!log(&cluster).contains("not allowed"), "{}", log(&cluster));

    for role in &roles {
        for right in rights(role) {
            let others = rights(role).iter().filter(|other| **other != right).map(Right::rule).collect();
            apply(&cluster, role, others);
            deployed::restart(&cluster);
            is_missed(&cluster, &right);
            eprintln!("          missed: {right}");
            apply(&cluster, role, role["rules"].as_array().unwrap().clone());
        }
    }
}

#[test]
fn without_its_roles_it_names_every_right() {
    let cluster = Turn::beside_mysql();
    deployed::deploy(&cluster);
    cluster.kubectl("delete clusterrolebinding readscope-storage-classes readscope-persistent-volumes");
    cluster.kubectl("-n mysql delete rolebinding readscope");
    deployed::restart(&cluster);
    let roles = Deploy::with(&[]).rendered();
    let roles = roles.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole");
    for right in roles.flat_map(rights) {
        wait_until(&format!("a word about {right}"), WITHIN, || log(&cluster).contains(&sentence(&right)));
    }
    wait_until("reads all the same", WITHIN, || {
        metric(&cluster, "readscope_reads_total", "").iter().sum::<f64>() > 10.0
    });
}

/// As `kubectl auth can-i --list` shows what the roles give.
fn lines(roles: &[&Value]) -> BTreeSet<String> {
    let all: BTreeSet<Right> = roles.iter().flat_map(|role| rights(role)).collect();
    let line = |right: &Right| {
        let verbs: Vec<&str> =
            all.iter().filter(|other| other.qualified() == right.qualified()).map(|other| &*other.verb).collect();
        format!("{} [] [] [{}]", right.qualified(), verbs.join(" "))
    };
    all.iter().map(line).collect()
}

/// Gives a role other rules.
fn apply(cluster: &Cluster, role: &Value, rules: Vec<Value>) {
    let mut role = role.clone();
    role["rules"] = rules.into();
    cluster.kubectl_reads("apply -f -", &role.to_string());
}

/// What readscope says without the right.
fn sentence(right: &Right) -> String {
    match right.verb.as_str() {
        "create" => format!("grant create on {}", right.qualified()),
        _ => format!("not allowed to read {} ", right.resource),
    }
}

/// Waits until readscope names what it may not, does everything else, and no longer shows what the right is for.
fn is_missed(cluster: &Cluster, right: &Right) {
    if right.verb == "create" {
        // Something to be told.
        cluster.kubectl("-n mysql scale statefulset/mysql --replicas=5");
    }
    wait_until(&format!("{right} to be missed"), WITHIN, || {
        let notices = target(cluster)["notices"].to_string();
        notices.contains(&sentence(right)) && notices.matches("not allowed").count() == 1
    });
    assert!(log(cluster).contains(&sentence(right)), "{right}: {}", log(cluster));
    if right.verb == "create" {
        assert!(!is_shown(cluster, right), "{right} is not used");
        return;
    }
    let kind = format!("kind=\"{}\"", right.resource);
    let watches = metric(cluster, "readscope_kube_watch_up", "");
    let down = watches.iter().filter(|up| **up == 0.0).count();
    assert_eq!((metric(cluster, "readscope_kube_watch_up", &kind), down), (vec![0.0], 1), "{right}");
    // A list alone shows what was there when it was asked for.
    assert!(right.verb != "list" || !is_shown(cluster, right), "{right} is not used");
}

/// Whether readscope shows what it knows by a right, or does what it needs it for.
fn is_shown(cluster: &Cluster, right: &Right) -> bool {
    let target = target(cluster);
    let has = |name: &str, label: &str| !metric(cluster, name, label).is_empty();
    let pvcs = target["pvcs"].as_array().cloned().unwrap_or_default();
    match right.qualified().as_str() {
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
            let told = cluster.kubectl("-n mysql get events -o jsonpath={.items[*].message}");
            told.contains(&format!(" to {replicas} replicas"))
        }
        // They were bound before it was started.
        "persistentvolumes" => pvcs.iter().any(|pvc| pvc["bound"].is_string()),
        // What a node tells, an endpoint on it does too.
        "nodes" => metric(cluster, "readscope_kube_watch_up", "kind=\"nodes\"") == [1.0],
        other => panic!("nothing is known of {other}"),
    }
}

fn log(cluster: &Cluster) -> String {
    cluster.try_kubectl("-n readscope logs deployment/readscope").unwrap_or_default()
}
