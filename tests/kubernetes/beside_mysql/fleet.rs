//! The largest fleet that the memory limit of `deploy/` is said to hold: readscope as it is shipped, with that limit.

use std::{fs, net::Ipv4Addr, sync::mpsc, thread, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    deploy::Deploy,
    deployed::{self, fetch},
    support::{
        fleet::{self, REPLICAS},
        waiting::wait_until,
    },
    turn::Turn,
};

/// As docs/install.md says.
const TARGETS: u32 = 1000;

/// On a busy machine.
const WITHIN: Duration = Duration::from_secs(300);

#[test]
fn a_thousand_targets_stay_within_the_memory_of_the_deployment() {
    let cluster = Turn::beside_mysql();
    let host = cluster.kubectl("get node node1 -o jsonpath={.status.addresses[0].address}");
    let target = |(number, port)| format!("- {{name: shop/read-{number}, address: '{host}:{port}'}}\n");
    let targets: String = read_services().iter().enumerate().map(target).collect();
    let deploy = Deploy::with(&["cluster-wide"]);
    let file = format!("{}/components/cluster-wide/targets.yaml", deploy.path());
    fs::write(file, format!("defaults: {{tls: {{mode: disabled}}, interval: 2s}}\ntargets:\n{targets}")).unwrap();
    deployed::apply_from(&cluster, &deploy);
    deployed::make_secret(&cluster);
    deployed::restart(&cluster);

    wait_until("reads of nearly all replicas", WITHIN, || {
        let metrics = fetch(&cluster, "/metrics");
        metrics.lines().filter(|line| line.starts_with("readscope_reads_total{")).count()
            > usize::try_from(TARGETS * REPLICAS).unwrap() * 49 / 50
    });
    thread::scope(|scope| {
        for path in ["/metrics", "/metrics", "/metrics", "/api/v1/targets", "/api/v1/targets"] {
            scope.spawn(|| assert!(fetch(&cluster, path).len() > 5_000_000));
        }
    });
    let pods = deployed::settled_pods(&cluster, deployed::EXPORTER);
    let container = &pods[0]["status"]["containerStatuses"][0];
    assert_eq!((pods.len(), &container["restartCount"]), (1, &0.into()), "{container:#}");
}

/// The ports of a read Service for each target, in the network of the node; they serve until the end of the process.
fn read_services() -> Vec<u16> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut serving = JoinSet::new();
            for (listener, service) in fleet::read_services(TARGETS, Ipv4Addr::UNSPECIFIED).await {
                send.send(listener.local_addr().unwrap().port()).unwrap();
                serving.spawn(async move { service.serve(listener, CancellationToken::new()).await });
            }
            drop(send);
            serving.join_all().await;
        });
    });
    receive.iter().collect()
}
