//! Servers with the same `server_uuid`, and servers that only `innodb_read_only` makes replicas.

use crate::{
    service::{Service, both_counts, cut_off},
    support::exporter::PATIENT,
};

/// The uuid of a data directory that was copied with its `auto.cnf`.
const CLONED: &str = "11111111-2222-4333-8444-555555555555";

#[test]
fn servers_with_one_uuid_are_told_apart_and_the_uuid_is_an_anomaly() {
    let mut service = Service::of(3);
    for ordinal in 0..3 {
        service.fleet.member(ordinal).set_uuid(CLONED);
    }
    let mut probe = service.call().with(&PATIENT[2..]).run();
    let now = probe.wait_for("the anomaly", |now| now.sum("readscope_anomalies_total", "shared_server_uuid") > 0);
    assert_eq!(
        now.sum("readscope_anomalies_total", ""),
        now.sum("readscope_anomalies_total", "shared_server_uuid"),
        "{}",
        now.text()
    );
    let now = cut_off(&mut probe);
    for server in service.fleet.members() {
        let (counted, logins) = both_counts(&now, server);
        assert_eq!(counted, logins, "{}", server.replica());
    }
    assert_eq!(now.sum("readscope_unbalanced", ""), 0);
    let said = format!("both have server_uuid {CLONED}, and replication between them stops with error 1593");
    assert!(probe.program.log().iter().any(|line| line.contains(&said)), "{:#?}", probe.program.log());
}

#[test]
fn innodb_read_only_makes_a_replica() {
    let mut service = Service::of(1);
    assert_eq!(roles(&service), ["primary"]);
    service.fleet.member(0).restart_with(&["innodb-read-only=ON", "skip-log-bin"]);
    let variables = service.fleet.primary().query("SELECT @@read_only, @@innodb_read_only");
    assert_eq!(variables, [["0", "1"]]);
    assert_eq!(roles(&service), ["replica"]);
}

/// The role of each replica.
fn roles(service: &Service) -> Vec<String> {
    let mut probe = service.call().with(&PATIENT[2..]).run();
    probe.wait_for("reads", |now| now.reads() >= 20);
    let target = probe.target();
    let role = |replica: &serde_json::Value| replica["role"].as_str().unwrap_or_default().to_owned();
    target["replicas"].as_array().unwrap().iter().map(role).collect()
}
