//! The requests of readscope to the API server.

use std::time::Duration;

use crate::{WITHIN, lab::Lab, support::waiting::wait_for};

/// What is watched in a namespace. All others list and watch these of the whole cluster at once.
const KINDS: [&str; 6] = ["services", "endpointslices", "pods", "statefulsets", "persistentvolumeclaims", "events"];

#[test]
fn each_kind_is_listed_once_and_watched_once() {
    let lab = Lab::own();
    let watches = || KINDS.map(|kind| sum(&lab, "apiserver_longrunning_requests", kind, "WATCH"));
    // Watches of the previous test end with it.
    wait_for("the end of other watches", WITHIN, || (watches() == [0; 6]).then_some(()));
    let lists = || KINDS.map(|kind| sum(&lab, "apiserver_request_total", kind, "LIST"));
    let before = lists();
    let mut probe = lab.readscope("mysql/mysql-read", &["--interval", "100ms"]);
    probe.scrape_until("every watch", |now| now.sum("readscope_kube_watch_up", "") == 9);
    let listed = lists();
    for (index, kind) in KINDS.iter().enumerate() {
        assert_eq!(listed[index] - before[index], 1, "{kind} are listed once");
    }
    // The server may end a watch after a minute. It restarts without a list.
    let reads = probe.metrics().reads();
    let probes = Duration::from_secs(10).as_millis() / 100;
    probe.scrape_until("10 s of reads", |now| u128::from(now.reads() - reads) >= probes);
    assert_eq!(lists(), listed, "nothing is polled");
    assert_eq!(watches(), [1; 6], "one watch each");
}

/// The sum of a metric of the API server, of requests for a kind in one namespace.
fn sum(lab: &Lab, metric: &str, kind: &str, verb: &str) -> u64 {
    let metrics = lab.kubectl("get --raw /metrics");
    let labels = [format!("resource=\"{kind}\""), format!("verb=\"{verb}\""), "scope=\"namespace\"".to_owned()];
    let ours = metrics.lines().filter(|line| {
        line.strip_prefix(metric)
            .is_some_and(|rest| rest.starts_with('{') && labels.iter().all(|label| rest.contains(label)))
    });
    // Whole numbers, as Go writes them.
    let value = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    ours.map(|line| value(line) as u64).sum()
}
