//! Every read is counted once, for the server that answered it, and the server counts no error.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::{
    balancer::{READ_ADDRESS, route_to},
    mariadb::Mariadb,
    mysql::PASSWORD,
    namespace::Namespace,
    obtained,
    recorder::Recorder,
    service::{PasswordFile, Service, both_counts, cut_off},
    support::waiting::wait_until,
};

/// Long enough for a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// So small that a check never ends early by chance.
const NEVER: &str = "0.000000001";

#[test]
fn the_counters_equal_those_of_the_servers() {
    let service = Service::of(3);
    let checked =
        service.call().with(&["--probes", "3000", "--interval", "5ms", "--alpha", NEVER, "--output", "json"]).check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert_eq!(checked.target()["probes"], 3000);
    let mut sum = 0;
    for server in service.fleet.members() {
        let logins = server.logins();
        assert_eq!(checked.reads_of(&server.replica()), logins, "{} in {checked:?}", server.name);
        sum += logins;
    }
    assert_eq!(sum, 3000);
}

#[test]
fn the_counters_equal_those_of_the_servers_after_the_last_probe() {
    let service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "5ms"]).run();
    probe.wait_for("500 reads", |now| now.reads() >= 500);
    let last = cut_off(&mut probe);
    for server in service.fleet.members() {
        let (ours, theirs) = both_counts(&last, server);
        assert_eq!(ours, theirs, "{}", server.name);
    }
    assert_eq!(last.all_failures(), last.failures("refused"));
    let primary_reads = last.sum("readscope_primary_reads_total", "");
    assert_eq!(primary_reads, last.reads_of(&service.fleet.primary().replica()));
}

#[test]
fn no_server_counts_an_aborted_connection() {
    let service = Service::of(2);
    let aborted = || -> Vec<u64> {
        let counts = ["Aborted_clients", "Aborted_connects"];
        service.fleet.members().iter().flat_map(|server| counts.map(|name| server.status(name))).collect()
    };
    let before = aborted();
    for tls in ["disabled", "required"] {
        let call = service.password.call(READ_ADDRESS).with(&["--tls", tls, "--probes", "200", "--interval", "5ms"]);
        let checked = call.with(&["--alpha", NEVER]).check();
        assert_eq!(checked.code, Some(0), "{checked:?}");
    }
    let mut probe = service.call().with(&["--interval", "5ms"]).run();
    probe.wait_for("200 reads", |now| now.reads() >= 200);
    probe.program.signal(Signal::SIGTERM);
    assert!(probe.program.wait(Duration::from_secs(10)).success());
    for server in service.fleet.members() {
        server.wait_until_unused();
    }
    assert_eq!(aborted(), before);
}

#[test]
fn a_server_shows_the_connection_attributes_of_a_probe() {
    let service = Service::of(1);
    let mut probe = service.call().with(&["--interval", "5ms"]).run();
    probe.wait_for("reads", |now| now.reads() >= 1);
    let expected = [["program_name", "readscope"], ["program_version", env!("CARGO_PKG_VERSION")]];
    let attributes = "SELECT DISTINCT attr_name, attr_value FROM performance_schema.session_connect_attrs
        WHERE processlist_id IN (SELECT processlist_id FROM performance_schema.threads
            WHERE processlist_user = 'readscope') ORDER BY attr_name";
    // A connection lives for a millisecond or two.
    wait_until("the attributes of a connection", WITHIN, || service.fleet.primary().query(attributes) == expected);
}

#[test]
fn a_probe_is_a_login_one_query_and_com_quit() {
    let service = Service::of(1);
    let recorder = Recorder::before(service.fleet.primary().address);
    let call = service.password.call(&recorder.address.to_string());
    // Without the readings of status counters, which some probes add.
    let one_by_one =
        call.with(&["--tls", "disabled", "--interval", "20ms", "--max-in-flight", "1", "--clients-interval", "0"]);
    let checked = one_by_one.with(&["--probes", "20"]).check();
    assert_eq!(checked.code, Some(0), "{checked:?}");

    let conversations = recorder.conversations(20);
    assert_eq!(conversations.len(), 20);
    // A server that has just started has no account in its cache.
    let full = ["greeting", "login", "full login", "key request", "key", "password", "ok", "query", "result", "quit"];
    let usual = ["greeting", "login", "fast login", "ok", "query", "result", "quit"];
    assert_eq!(conversations[0], full);
    for conversation in &conversations[1..] {
        assert_eq!(*conversation, usual);
    }
}

#[test]
fn mariadb_answers_the_same_query() {
    let _namespace = Namespace::enter();
    let servers = [Mariadb::start(obtained::mariadb, 20, &[]), Mariadb::start(obtained::mariadb_11, 21, &[])];
    route_to(&servers.each_ref().map(|server| server.address));
    let checked = PasswordFile::new(PASSWORD)
        .call(READ_ADDRESS)
        .with(&["--tls", "disabled", "--probes", "400", "--interval", "5ms", "--alpha", NEVER, "--output", "json"])
        .check();
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for server in &servers {
        assert_eq!(checked.reads_of(&server.replica()), server.logins(), "{checked:?}");
    }
    let replica = &checked.target()["replicas"][0];
    assert!(replica["version"].as_str().is_some_and(|version| version.contains("MariaDB")), "{replica}");
    assert!(replica["server_uuid"].is_null(), "MariaDB has none: {replica}");
}
