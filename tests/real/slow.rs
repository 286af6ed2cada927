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
    let slow = |exporter: &Exporter| -> Vec<(String, Value)> {
        let target = exporter.target();
        let replicas = target["replicas"].as_array().unwrap().clone().into_iter();
        let slow = replicas.filter(|replica| !replica["slow"].is_null());
        slow.map(|replica| (replica["replica"].as_str().unwrap().to_owned(), replica["slow"].clone())).collect()
    };
    assert_eq!(slow(&exporter), [], "three servers are alike");

    let server = service.fleet.member(2);
    let name = server.replica();
    server.change_alone("SET GLOBAL init_connect = 'DO SLEEP(1)'");
    let found = wait_for("a slow replica", WITHIN, || Some(slow(&exporter)).filter(|found| !found.is_empty()));
    let [(replica, why)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(*replica, name);
    let number = |key: &str| why[key].as_f64().unwrap();
    assert!(number("median_seconds") >= 1.0 && number("others_median_seconds") < 1.0, "{why}");
    assert!(why["text"].as_str().unwrap().starts_with(&format!("{name} takes 1.")), "{why}");
    exporter.wait_for_log(&format!("{name} takes 1."));
    let target = exporter.target();
    let mut notices = target["notices"].as_array().unwrap().iter().map(|text| text.as_str().unwrap());
    assert!(notices.any(|text| text.starts_with(&format!("{name} takes "))), "{target}");
    let metrics = exporter.metrics();
    let at_most_half_a_second =
        metrics.sum("readscope_replica_read_duration_seconds_bucket", &format!("replica=\"{name}\",le=\"0.5\""));
    assert!(at_most_half_a_second < metrics.reads_of(&name), "{}", metrics.text());

    service.fleet.member(2).change_alone("SET GLOBAL init_connect = ''");
    wait_for("no slow replica", WITHIN, || slow(&exporter).is_empty().then_some(()));
    exporter.wait_for_log(&format!("{name} answers as fast as the others again"));
}
