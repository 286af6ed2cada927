//! What readscope's account may do, and what it says when it may not.

use std::{collections::BTreeSet, time::Duration};

use crate::{cluster::Cluster, deployed, mysql, support::waiting::wait_until};

/// Which resources an account may do something with in the namespace of MySQL, with the verbs.
fn granted(cluster: &Cluster, account: &str) -> BTreeSet<String> {
    let list = cluster
        .kubectl(&format!("auth can-i --list --no-headers -n mysql --as=system:serviceaccount:readscope:{account}"));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    list.lines().map(words).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_account_may_do_what_is_used_and_readscope_says_what_is_missing() {
    let cluster = Cluster::start();
    mysql::apply(&cluster);
    mysql::make_secret(&cluster);
    deployed::apply(&cluster);
    deployed::make_secret(&cluster);

    let nobody = granted(&cluster, "default");
    let own = granted(&cluster, "readscope");
    let added: BTreeSet<&str> = own.difference(&nobody).map(String::as_str).collect();
    let resources = [
        "endpointslices.discovery.k8s.io",
        "events",
        "persistentvolumeclaims",
        "persistentvolumes",
        "pods",
        "services",
        "statefulsets.apps",
        "storageclasses.storage.k8s.io",
    ];
    let expected: Vec<String> = resources.iter().map(|name| format!("{name} [] [] [list watch]")).collect();
    assert_eq!(added, expected.iter().map(String::as_str).collect());

    mysql::roll_out(&cluster);
    deployed::restart(&cluster);
    assert!(!log(&cluster).contains("not allowed"), "{}", log(&cluster));
    // Every right is missed by name.
    cluster.kubectl("delete clusterrolebinding readscope-storage-classes readscope-persistent-volumes");
    cluster.kubectl("-n mysql delete rolebinding readscope");
    deployed::restart_without_waiting(&cluster);
    let missed = ["services", "endpointslices", "pods", "statefulsets", "persistentvolumeclaims", "events"];
    let missed = missed.map(|name| format!("not allowed to read {name} in the namespace mysql"));
    wait_until("a word about every right", Duration::from_secs(120), || {
        let log = log(&cluster);
        let of_cluster = ["storageclasses", "persistentvolumes"];
        let of_cluster = of_cluster.map(|name| format!("not allowed to read {name} of the cluster"));
        missed.iter().chain(&of_cluster).all(|words| log.contains(words))
    });
}

fn log(cluster: &Cluster) -> String {
    cluster.try_kubectl("-n readscope logs deployment/readscope").unwrap_or_default()
}
