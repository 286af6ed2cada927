//! The Helm chart in a cluster: one Service, then a fleet, `helm test`, and what remains after its end.

use std::{process::Command, time::Duration};

use crate::{
    cluster::{Cluster, repository},
    deployed, image,
    mysql::{self, ROLLOUT},
    support::{
        commands::{run, try_run},
        obtained,
        prometheus::Prometheus,
        waiting::wait_until,
    },
    turn::Turn,
};

/// For changes that take seconds, on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

const SCRAPE: &str = "global: {scrape_interval: 2s, scrape_timeout: 2s}
scrape_configs: [{job_name: readscope, honor_labels: true, static_configs: [{targets: ['readscope.readscope.svc:10306']}]}]";

/// Helm as administrator, in the namespace of readscope.
fn helm(cluster: &Cluster, words: &str) -> Command {
    let mut command = Command::new(obtained::helm().join("helm"));
    command.arg("--kubeconfig").arg(cluster.kubeconfig()).args(["--namespace", "readscope"]);
    command.args(words.split_whitespace()).current_dir(repository());
    command
}

#[test]
fn a_release_probes_one_service_then_a_fleet_and_leaves_nothing() {
    obtained::prometheus();
    obtained::helm();
    let cluster = Turn::beside_mysql();
    cluster.import(&image::archive());
    let chart = "readscope deploy/chart";

    let notes = run(&mut helm(&cluster, &format!("install {chart} --create-namespace --set service=mysql/mysql-read")));
    for words in [
        "The Secret readscope is missing",
        "kubectl --namespace readscope create secret generic readscope --from-file=password=/dev/stdin",
        "helm --namespace readscope test readscope",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
    deployed::make_secret(&cluster);
    deployed::restart(&cluster);
    let prometheus = Prometheus::start(cluster.inside("env"), SCRAPE, &[]);
    let holds = |what: &str, expression: &str, series: usize| {
        wait_until(what, WITHIN, || prometheus.values(expression) == series);
    };
    holds("reads of every replica", "readscope_reads_total{target=\"mysql/mysql-read\"} > 0", 3);
    run(&mut helm(&cluster, "test readscope --timeout 5m"));

    let both = helm(&cluster, &format!("upgrade {chart} --reuse-values --set targets[0].service=mysql/mysql-read"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&both.stderr);
    assert!(error.contains("service and targets are both set") && error.contains("--set service=null"), "{error}");

    cluster.kubectl("label service -n mysql mysql-read readscope.io/probe=true");
    let fleet = "--set targets[0].name=primary --set targets[0].address=mysql-0.mysql.mysql.svc:3306 \
                 --set targets[1].discover.selector=readscope\\.io/probe=true --set highAvailability=true";
    let notes = run(&mut helm(&cluster, &format!("upgrade {chart} {fleet}")));
    assert!(!notes.contains("is missing"), "{notes}");
    cluster.kubectl(&format!("-n readscope rollout status deployment/readscope {ROLLOUT}"));
    holds("both targets", "readscope_target_up{target=~\"primary|mysql/mysql-read\"} == 1", 2);
    let holder = || cluster.kubectl("-n readscope get lease readscope-leader -o jsonpath={.spec.holderIdentity}");
    wait_until("a leader", WITHIN, || !holder().is_empty());
    run(&mut helm(&cluster, "test readscope --timeout 5m"));

    run(&mut helm(&cluster, "uninstall readscope --wait"));
    assert_eq!(remains(&cluster), "");
    let releases = cluster.kubectl("-n readscope get secrets,configmaps -l owner=helm -o name");
    assert_eq!(releases, "");

    // What `kubectl apply -k` installed has the same names.
    cluster.kubectl("apply -k deploy");
    let install = format!("install {chart} --set service=mysql/mysql-read");
    let error = try_run(&mut helm(&cluster, &install)).unwrap_err();
    assert!(error.contains("was not installed by Helm; remove what `kubectl apply -k` installed"), "{error}");
    for command in
        error.split('`').filter_map(|code| code.strip_prefix("kubectl ")).filter(|code| code.contains("delete"))
    {
        cluster.kubectl(command);
    }
    assert_eq!(remains(&cluster), "");
    run(&mut helm(&cluster, &install));
    run(&mut helm(&cluster, "uninstall readscope --wait"));
    assert!(!mysql::password(&cluster, "readscope").is_empty(), "MySQL stays as it was");
}

/// Objects of readscope in the cluster, without those that follow from others, such as EndpointSlices.
fn remains(cluster: &Cluster) -> String {
    let kinds =
        "deployment,daemonset,service,ingress,serviceaccount,networkpolicy,configmap,secret,role,rolebinding,lease";
    let own = "-l app.kubernetes.io/name=readscope -o name";
    let namespaced = cluster.kubectl(&format!("get {kinds} -A {own}"));
    namespaced + &cluster.kubectl(&format!("get clusterrole,clusterrolebinding {own}"))
}
