//! An API server that answers late, sends nothing, sends a great deal, or wants another token.

use std::{fs, time::Duration};

use super::{exporter, notices, watches_up};
use crate::support::{
    api_server::{ApiServer, Mode, Way},
    exporter::{Exporter, SOON},
    http,
    replicas::Replicas,
    waiting::wait_until,
};

/// A silent watch is given up after a minute and a quarter.
const AFTER_SILENCE: Duration = Duration::from_secs(400);

/// What the shipped Deployment allows.
const MEMORY_MAX: u64 = 64 << 20;

fn expected(exporter: &Exporter) -> usize {
    let target = exporter.target();
    let replicas = target["replicas"].as_array().unwrap();
    replicas.iter().filter(|replica| replica["expected_share"].as_f64().is_some_and(|share| share > 0.0)).count()
}

fn is_ready(exporter: &Exporter) -> bool {
    http::get(exporter.address, "/-/ready").status == 200
}

#[test]
fn a_slow_api_server_delays_the_endpoints_and_no_probe() {
    let replicas = Replicas::of(&[1, 2, 3], 1);
    let api_server = ApiServer::start(Mode::Oddly(Way::Slow(Duration::from_secs(10)), vec![1, 2, 3]));
    let mut exporter = exporter(&api_server, &replicas);
    assert!(!is_ready(&exporter), "no list is there");
    let now = exporter.wait_until("the first read", |now| now.reads() > 0);
    assert_eq!(now.sum("readscope_kube_watch_up", ""), 0, "the reads do not wait for the lists");
    wait_until("every list", SOON, || watches_up(&exporter) == 3);
    wait_until("the shares", SOON, || expected(&exporter) == 3);
    wait_until("ready", SOON, || is_ready(&exporter));
    assert_eq!(notices(&exporter), [""; 0], "slow is not broken");
    assert_eq!(exporter.program.logged(&["failed to watch"]), 0, "{:#?}", exporter.program.log());
    assert_eq!(exporter.metrics().sum("readscope_anomalies_total", ""), 0);
}

#[test]
fn a_watch_that_sends_nothing_any_more_starts_again_with_a_list() {
    let replicas = Replicas::of(&[1, 2, 3], 1);
    let api_server = ApiServer::start(Mode::Oddly(Way::Silent, vec![1, 2, 3]));
    let exporter = exporter(&api_server, &replicas);
    wait_until("every list", SOON, || watches_up(&exporter) == 3);
    // The old watches do not tell of this endpoint, which no server has yet.
    api_server.set(Mode::Serves(vec![1, 2, 3, 4]));
    wait_until("the new endpoint", AFTER_SILENCE, || expected(&exporter) == 4);
    wait_until("every watch again", SOON, || watches_up(&exporter) == 3);
    assert_eq!(exporter.program.logged(&["failed to watch"]), 0, "{:#?}", exporter.program.log());
}

#[test]
fn a_list_of_20000_pods_is_read_in_pages_within_the_memory_of_the_deployment() {
    let replicas = Replicas::of(&[1, 2, 3], 1);
    let api_server = ApiServer::start(Mode::Oddly(Way::Among(20_000), vec![1, 2, 3]));
    let exporter = exporter(&api_server, &replicas);
    wait_until("every list", Duration::from_secs(400), || watches_up(&exporter) == 3);
    wait_until("the shares", SOON, || expected(&exporter) == 3);
    let peak = exporter.program.peak_memory_bytes();
    assert!(peak < MEMORY_MAX, "{peak} bytes");
    // Counted by a probe that is due every second.
    let skipped = exporter.metrics().sum("readscope_probes_skipped_total", "");
    assert!(skipped <= 2, "{skipped} probes did not start");
}

#[test]
fn an_expired_token_is_reported_until_its_file_has_a_new_one() {
    let replicas = Replicas::of(&[1, 2, 3], 1);
    let api_server = ApiServer::start(Mode::Oddly(Way::Wants("old"), vec![1, 2, 3]));
    let token = api_server.kubeconfig().with_file_name("token");
    fs::write(&token, "old\n").unwrap();
    let kubeconfig = fs::read_to_string(api_server.kubeconfig()).unwrap();
    let with_token = kubeconfig.replace("user: {}", &format!("user: {{tokenFile: '{}'}}", token.display()));
    assert_ne!(with_token, kubeconfig);
    fs::write(api_server.kubeconfig(), with_token).unwrap();
    let mut exporter = exporter(&api_server, &replicas);
    wait_until("every list", SOON, || watches_up(&exporter) == 3);

    api_server.set(Mode::Oddly(Way::Wants("new"), vec![1, 2, 3]));
    wait_until("the end of the watches", SOON, || watches_up(&exporter) == 0);
    let says = "failed to watch pods in namespace mysql, retrying: the API server answered HTTP 401 Unauthorized: \
                Unauthorized; renew the token or certificate with which readscope logs in there";
    wait_until("the notice", SOON, || notices(&exporter).iter().any(|notice| notice == says));
    exporter.wait_for_reads(3);
    fs::write(&token, "new\n").unwrap();
    wait_until("every watch again", SOON, || watches_up(&exporter) == 3);
    assert_eq!(notices(&exporter), [""; 0]);
}
