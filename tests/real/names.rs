//! A name is resolved for every probe, and its addresses are tried as a client tries them.

use std::net::Ipv4Addr;

use crate::{
    dns::{Answers, NAME, NameServer},
    mysql::PASSWORD,
    namespace::Namespace,
    readscope::Call,
    service::{PasswordFile, Service},
};

/// Probes the name as the name server knows it, past the balancer.
fn call(password: &PasswordFile, names: &NameServer) -> Call {
    let call = password.call(&format!("{NAME}:3306")).with(&["--tls", "disabled", "--interval", "20ms"]);
    call.resolving_with(names.resolver())
}

#[test]
fn the_next_address_is_tried_only_after_a_refusal() {
    let mut service = Service::of(3);
    let names = NameServer::new(&service.fleet.addresses());
    let mut probe = call(&service.password, &names).with(&["--timeout", "1s"]).run();
    let [first, second, third] = [0, 1, 2].map(|ordinal| service.fleet.members()[ordinal].replica());

    let now = probe.wait_for("reads of the first", |now| now.reads_of(&first) >= 30);
    assert_eq!(now.reads(), now.reads_of(&first));

    service.fleet.member(0).kill();
    let now = probe.wait_for("reads of the second", |now| now.reads_of(&second) >= 30);
    assert_eq!(now.reads_of(&third), 0);
    // On a busy machine, probes of any server may time out.
    let cut = now.all_failures() - now.failures("timeout");
    assert!(cut <= 8, "only probes in flight fail: {cut}");

    service.fleet.member(1).query("SET GLOBAL offline_mode = ON");
    let now = probe.wait_for("refused logins", |now| now.failures("other") >= 15);
    assert_eq!(now.reads_of(&third), 0, "the server answered");
    service.fleet.member(1).query("SET GLOBAL offline_mode = OFF");

    service.fleet.member(1).freeze();
    let now = probe.wait_for("timeouts", |now| now.failures("timeout") >= 15);
    assert_eq!(now.reads_of(&third), 0, "a timeout is not a refusal");
}

#[test]
fn a_changed_address_of_a_name_is_used_at_once() {
    let service = Service::of(2);
    let [old, new] = [0, 1].map(|ordinal| service.fleet.members()[ordinal].address);
    let [old_name, new_name] = [0, 1].map(|ordinal| service.fleet.members()[ordinal].replica());
    let names = NameServer::new(&[old]);
    let mut probe = call(&service.password, &names).run();
    probe.wait_for("reads of the old", |now| now.reads_of(&old_name) >= 20);

    names.set(&[new]);
    let changed = probe.metrics().reads_of(&old_name);
    let now = probe.wait_for("reads of the new", |now| now.reads_of(&new_name) >= 30);
    let late = now.reads_of(&old_name) - changed;
    assert!(late <= 8, "only probes in flight reach the old address: {late}");
}

#[test]
fn every_probe_resolves_the_name() {
    let service = Service::of(1);
    let names = NameServer::new(&service.fleet.addresses());
    let checked = call(&service.password, &names).with(&["--probes", "50"]).check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(names.queries() >= 50, "{} queries", names.queries());
}

#[test]
fn a_missing_name_is_a_resolve_failure() {
    let _namespace = Namespace::enter();
    let names = NameServer::new(&[Ipv4Addr::LOCALHOST]);
    let password = PasswordFile::new(PASSWORD);
    let call = password.call("no-such-name.test:3306").resolving_with(names.resolver());
    let mut probe = call.with(&["--tls", "disabled", "--interval", "20ms"]).run();
    let now = probe.wait_for("failures", |now| now.failures("resolve") >= 10);
    assert_eq!(now.all_failures(), now.failures("resolve"));
}

#[test]
fn a_name_server_that_fails_or_is_silent_costs_failures_until_it_answers() {
    let service = Service::of(2);
    let names = NameServer::new(&service.fleet.addresses());
    let mut probe = call(&service.password, &names).with(&["--timeout", "2s"]).run();
    probe.wait_for("reads", |now| now.reads() >= 20);
    for (answers, reason) in [(Answers::Failure, "resolve"), (Answers::Nothing, "timeout")] {
        let before = probe.metrics();
        names.now(answers);
        let now = probe.wait_for(reason, |now| now.failures(reason) >= before.failures(reason) + 20);
        // Lookups are not handshakes: no server counts them.
        assert_eq!(now.sum("readscope_probing_paused", ""), 0);
        names.now(Answers::Addresses);
        let down = probe.metrics().reads();
        probe.wait_for("reads again", |now| now.reads() >= down + 50);
    }
}

#[test]
fn a_name_with_one_address_of_three_leaves_two_replicas_without_reads() {
    let service = Service::of(3);
    let [first, second, third] = [0, 1, 2].map(|ordinal| service.fleet.members()[ordinal].replica());
    let names = NameServer::new(&service.fleet.addresses()[..1]);
    let expected = ["--expect", &first, "--expect", &second, "--expect", &third];
    let mut probe = call(&service.password, &names).with(&expected).run();
    probe.wait_for("an alarm", |now| now.sum("readscope_unbalanced", "") == 1);
    let now = probe.metrics();
    assert_eq!((now.reads_of(&second), now.reads_of(&third), now.all_failures()), (0, 0, 0));
    let reason = probe.target()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains(&format!("{first} gets 100 % of the reads where 33 % is expected")), "{reason}");
}
