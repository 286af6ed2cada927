//! Changed passwords: as in docs/lab.md, and a wrong one.

use std::time::Duration;

use crate::{
    cluster::Cluster,
    deployed::{self, metric, target},
    mysql,
    support::waiting::wait_until,
    turn::Turn,
};

/// The kubelet takes up to two minutes to bring a changed Secret to its pods.
const WITHIN: Duration = Duration::from_secs(400);

#[test]
fn changed_passwords_are_used_and_a_wrong_one_is_reported() {
    let cluster = Turn::beside_mysql();
    deployed::deploy(&cluster);
    answers(&cluster);

    replace(&cluster, "wrong");
    wait_until("the notices about the password", WITHIN, || {
        let notices = target(&cluster)["notices"].to_string();
        notices.contains("failed (auth)") && notices.contains(AUTH) && notices.contains("are paused until")
    });
    assert_eq!(metric(&cluster, "readscope_probing_paused", ""), [1.0]);
    replace(&cluster, &mysql::password(&cluster, "readscope"));
    wait_until("probes again", WITHIN, || metric(&cluster, "readscope_probing_paused", "") == [0.0]);
    answers(&cluster);

    // Now all passwords change.
    cluster.kubectl("-n mysql delete secret mysql-passwords");
    mysql::make_secret(&cluster);
    mysql::replace_pod(&cluster, "mysql-0");
    cluster.kubectl("-n mysql rollout restart statefulset/mysql");
    mysql::roll_out(&cluster);
    answers(&cluster);
    // The previous password is valid until it is discarded.
    replace(&cluster, &mysql::password(&cluster, "readscope"));
    mysql::administer(&cluster, "ALTER USER readscope@'%' DISCARD OLD PASSWORD");
    answers(&cluster);
    wait_until("that nothing fails", WITHIN, || !target(&cluster)["notices"].to_string().contains("failed (auth)"));
    let pods = deployed::settled_pods(&cluster, deployed::EXPORTER);
    assert_eq!(pods.len(), 1);
    assert_eq!(
        pods[0]["status"]["containerStatuses"][0]["restartCount"], 0,
        "it takes everything over without a restart"
    );
}

/// What to do about it.
const AUTH: &str = "check the user and the password, and the account's hosts and state on every replica";

/// Gives readscope another password.
fn replace(cluster: &Cluster, password: &str) {
    let secret = cluster.kubectl_reads(
        "-n readscope create secret generic readscope --from-file=password=/dev/stdin --dry-run=client -o json",
        password,
    );
    cluster.kubectl_reads("apply -f -", &secret);
}

/// Waits for reads.
fn answers(cluster: &Cluster) {
    let reads = || metric(cluster, "readscope_reads_total", "").iter().sum::<f64>();
    let before = reads();
    wait_until("reads", WITHIN, || reads() >= before + 10.0);
}
