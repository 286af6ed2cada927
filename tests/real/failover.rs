//! The primary is killed and another server is promoted; a replica comes back as a clone with a new `server_uuid`.

use std::time::Duration;

use serde_json::Value;

use crate::{
    service::Service,
    support::{
        api_server::{ApiServer, Mode},
        exporter::Exporter,
        waiting::wait_for,
    },
};

const WITHIN: Duration = Duration::from_secs(240);

/// Waits until the replicas are as wanted.
fn wait_for_replicas(probe: &Exporter, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Value {
    let mut last = Value::Null;
    wait_for(what, WITHIN, || {
        last = probe.target();
        last["replicas"].as_array().is_some_and(|replicas| wanted(replicas)).then_some(())
    });
    last
}

fn named<'a>(replicas: &'a [Value], name: &str) -> &'a Value {
    replicas.iter().find(|replica| replica["replica"] == name).unwrap_or(&Value::Null)
}

/// `primary` is the only one, and the others in `fresh` have no lag to speak of.
fn is_led_by(replicas: &[Value], primary: &str, fresh: &[&str]) -> bool {
    let has_role = |name: &str, role: &str| named(replicas, name)["role"] == role;
    let is_fresh = |name: &&&str| named(replicas, name)["lag_seconds"].as_f64().is_some_and(|lag| lag < 5.0);
    has_role(primary, "primary")
        && fresh.iter().all(|name| has_role(name, "replica"))
        && fresh.iter().filter(is_fresh).count() == fresh.len()
}

#[test]
fn after_a_failover_roles_and_lag_are_those_of_the_new_primary() {
    let mut service = Service::of(3);
    let api_server = ApiServer::start(Mode::Serves(vec![0, 1, 2]));
    let arguments = ["--service", "mysql/mysql-read", "--no-scale-events", "--timeout", "20s", "--interval", "100ms"];
    let mut probe = service.call().with(&arguments).run_at(&api_server.kubeconfig());
    service.fleet.primary().query("CREATE DATABASE shop; CREATE TABLE shop.t (a INT PRIMARY KEY)");
    service.fleet.wait_until_replicated();
    wait_for_replicas(&probe, "the first primary", |all| is_led_by(all, "mysql-0", &["mysql-1", "mysql-2"]));

    service.fleet.member(0).kill();
    service.fleet.promote(1);
    service.fleet.members()[1].query("INSERT INTO shop.t VALUES (1)");
    // The dead one is the last that said that it is a primary.
    wait_for_replicas(&probe, "the new primary", |all| {
        named(all, "mysql-1")["role"] == "primary" && named(all, "mysql-2")["role"] == "replica"
    });
    service.fleet.rejoin(0, 1);
    service.fleet.members()[1].query("INSERT INTO shop.t VALUES (2)");
    let target =
        wait_for_replicas(&probe, "the old one as a replica", |all| is_led_by(all, "mysql-1", &["mysql-0", "mysql-2"]));
    let now = probe.metrics();
    assert_eq!(now.sum("readscope_anomalies_total", ""), 0, "a failover is no anomaly: {target:#}");
    assert_eq!(now.sum("readscope_imbalance_alarms_total", ""), 0);

    // The lag is measured against the new primary.
    let stale = now.sum("readscope_stale_reads_total", "");
    service.fleet.members()[2].query("STOP REPLICA SQL_THREAD");
    service.fleet.members()[1].query("INSERT INTO shop.t VALUES (3)");
    let lags = |all: &[Value], name: &str| named(all, name)["lag_seconds"].as_f64().is_some_and(|lag| lag > 3.0);
    wait_for_replicas(&probe, "the lag of mysql-2 alone", |all| lags(all, "mysql-2") && !lags(all, "mysql-0"));
    probe.wait_for("stale reads", |now| now.sum("readscope_stale_reads_total", "") > stale);
    service.fleet.members()[2].query("START REPLICA SQL_THREAD");
    wait_for_replicas(&probe, "no lag", |all| is_led_by(all, "mysql-1", &["mysql-0", "mysql-2"]));
}

#[test]
fn a_clone_with_a_new_uuid_in_the_same_pod_is_the_same_replica_and_is_reported() {
    let mut service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "50ms"]).run();
    let name = service.fleet.members()[1].replica();
    probe.wait_for("reads", |now| now.reads_of(&name) >= 20);
    let uuid = "cccccccc-cccc-4ccc-8ccc-cccccccccccc";
    service.fleet.member(1).set_uuid(uuid);
    let now = probe.wait_for("the anomaly", |now| now.sum("readscope_anomalies_total", "changed_server_uuid") > 0);
    assert_eq!(now.sum("readscope_anomalies_total", "changed_server_uuid"), 1, "once");
    assert_eq!(now.series("readscope_reads_total").count(), 2, "it is no third replica");
    let target = wait_for_replicas(&probe, "the new uuid", |all| named(all, &name)["server_uuid"] == uuid);
    let anomalies = target["anomalies"].to_string();
    assert!(anomalies.contains("changed its server_uuid from ") && anomalies.contains(uuid), "{anomalies}");
    let down = now.reads_of(&name);
    let later = probe.wait_for("further reads", |now| now.reads_of(&name) >= down + 100);
    assert_eq!(later.sum("readscope_anomalies_total", ""), 1, "{}", later.text());
}
