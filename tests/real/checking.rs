//! The exit code of `check`, which scripts rely on.

use crate::{
    balancer::{READ_ADDRESS, route_to},
    mysql::PASSWORD,
    namespace::Namespace,
    service::{PasswordFile, Service},
};

const NEVER: &str = "0.000000001";

#[test]
fn check_exits_0_when_the_expected_replicas_share_the_reads() {
    let service = Service::of(3);
    let call = service.call().with(&["--probes", "300", "--interval", "5ms", "--alpha", NEVER]);
    let expecting = call.clone().with(&["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "server-102"]);
    let checked = expecting.with(&["--output", "json"]).check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for (replica, server) in ["mysql-0", "mysql-1", "server-102"].iter().zip(service.fleet.members()) {
        assert_eq!(checked.reads_of(replica), server.logins(), "{checked:?}");
    }

    let checked = call.check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("3 replicas seen"), "it says what the verdict is about: {checked:?}");
    assert_eq!(checked.stdout.lines().count(), 5, "a heading, three replicas and a sentence: {checked:?}");
}

#[test]
fn check_exits_1_when_an_expected_replica_never_answers() {
    let service = Service::of(2);
    let call = service.call().with(&["--probes", "200", "--interval", "5ms"]);
    let checked = call.with(&["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "mysql-2"]).check();
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stdout.contains("mysql-2"), "it names the replica: {checked:?}");
}

#[test]
fn check_exits_1_when_one_replica_gets_twice_its_share() {
    let service = Service::of(3);
    let addresses = service.fleet.addresses();
    route_to(&[addresses[0], addresses[1], addresses[2], addresses[2], addresses[2]]);
    let call = service.call().with(&["--probes", "3000", "--interval", "5ms", "--output", "json"]);
    let expecting = ["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "mysql-2"];
    let checked = call.clone().with(&expecting).check();
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.target()["probes"].as_u64().is_some_and(|probes| probes < 3000), "it stops early: {checked:?}");

    let weighted = ["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "mysql-2=3", "--alpha", NEVER];
    let checked = service.call().with(&["--probes", "500", "--interval", "5ms"]).with(&weighted).check();
    assert_eq!(checked.code, Some(0), "the configured weights are not an imbalance: {checked:?}");
}

#[test]
fn check_exits_2_when_nothing_listens() {
    let _namespace = Namespace::enter();
    let password = PasswordFile::new(PASSWORD);
    let call = password.call(READ_ADDRESS).with(&["--tls", "disabled", "--probes", "20", "--interval", "5ms"]);
    let checked = call.clone().with(&["--output", "json"]).check();
    assert_eq!(checked.code, Some(2), "{checked:?}");
    let target = checked.target();
    assert!(target["failures"].as_u64() <= target["probes"].as_u64(), "a failed probe is a probe: {target}");

    let checked = call.check();
    assert_eq!(checked.code, Some(2), "{checked:?}");
    assert!(checked.stdout.contains("refused"), "it says why: {checked:?}");
    assert!(checked.stderr.lines().count() <= 3, "failures are summarised: {checked:?}");
}
