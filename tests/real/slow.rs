//! A server that answers, but far more slowly than the others.

use std::time::Duration;

use serde_json::Value;

use crate::{
    service::Service,
    support::{exporter::Exporter, waiting::wait_for},
};

/// Several times what the rule takes on an idle machine.
const WITHIN: Duration = Duration::from_secs(240);

/// Sleeps in every login of an account without privileges.
#[test]
fn the_slow_server_of_three_is_named_and_no_other() {
    let mut service = Service::of(3);
    let mut exporter = service.call().with(&["--interval", "100ms"]).run();
    exporter.wait_for_reads(100);
    let slow = |exporter: &Exporter| -> Vec<(String, String)> {
        let target = exporter.target();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let replicas = target["replicas"].as_array().unwrap().iter();
        let conditions = replicas.flat_map(|replica| {
            let conditions = replica["conditions"].as_array().unwrap().iter();
            conditions.map(|condition| (text(&replica["replica"]), condition.clone())).collect::<Vec<_>>()
        });
        let slow = conditions.filter(|(_, condition)| condition["kind"] == "slow");
        slow.map(|(replica, condition)| (replica, text(&condition["text"]))).collect()
    };
    assert_eq!(slow(&exporter), [], "three servers are alike");

    let server = service.fleet.member(2);
    let name = server.replica();
    server.change_alone("SET GLOBAL init_connect = 'DO SLEEP(1)'");
    let found = wait_for("a slow replica", WITHIN, || Some(slow(&exporter)).filter(|found| !found.is_empty()));
    let [(replica, why)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(*replica, name);
    let says = format!("{name} takes 1.");
    assert!(why.starts_with(&says) && why.contains(" to answer, the others "), "{why}");
    let target = exporter.target();
    assert!(target["headline"].as_str().unwrap().starts_with(&format!("Degraded: {says}")), "{target}");
    exporter.wait_for_log(&format!("Degraded: {says}"));
    let metrics = exporter.metrics();
    let at_most_half_a_second =
        metrics.sum("readscope_replica_read_duration_seconds_bucket", &format!("replica=\"{name}\",le=\"0.5\""));
    assert!(at_most_half_a_second < metrics.reads_of(&name), "{}", metrics.text());

    service.fleet.member(2).change_alone("SET GLOBAL init_connect = ''");
    wait_for("no slow replica", WITHIN, || slow(&exporter).is_empty().then_some(()));
}
