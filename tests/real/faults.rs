//! One of three servers fails: its share of the probes fails for the right reason, the counts of the others stay exact,
//! and everything is well again without a restart.

use std::{net::TcpStream, time::Duration};

use crate::{
    balancer::READ_ADDRESS,
    mysql::PASSWORD,
    service::{PasswordFile, Service, assert_share, both_counts, cut_off},
    sql::USER,
    support::{
        exporter::{Exporter, Metrics},
        waiting::wait_until,
    },
};

const THIRD: f64 = 1.0 / 3.0;

/// It takes a moment, but the machine may be busy.
const WITHIN: Duration = Duration::from_secs(60);

/// Waits until as many probes have failed for the reason since `before`, and checks that they are the share of one
/// server out of three. Returns the scrape that was checked.
fn wait_for_third(probe: &mut Exporter, before: &Metrics, reason: &str, enough: u64) -> Metrics {
    let now = probe.wait_for(reason, |now| now.failures(reason) >= before.failures(reason) + enough);
    let failed = now.failures(reason) - before.failures(reason);
    let answered = now.reads() - before.reads();
    assert_share(failed, failed + answered, THIRD, reason);
    now
}

/// Waits until the server of this replica answers again as if nothing had been.
fn wait_for_recovery(probe: &mut Exporter, replica: &str) -> Metrics {
    let down = probe.metrics().reads_of(replica);
    probe.wait_for("recovery", |now| now.reads_of(replica) >= down + 50)
}

#[test]
fn connections_to_a_killed_server_are_refused() {
    let mut service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "10ms"]).run();
    probe.wait_for("100 reads", |now| now.reads() >= 100);

    service.fleet.member(1).kill();
    let killed = probe.metrics();
    let down = wait_for_third(&mut probe, &killed, "refused", 100);
    let broken = down.all_failures() - down.failures("refused");
    assert!(broken <= 8, "only what was in flight fails otherwise: {broken}");

    service.fleet.member(1).start_again();
    let replica = service.fleet.members()[1].replica();
    wait_for_recovery(&mut probe, &replica);
    let last = cut_off(&mut probe);
    let [primary, restarted, other] = service.fleet.members() else { unreachable!("there are three") };
    for server in [primary, other] {
        let (ours, theirs) = both_counts(&last, server);
        assert_eq!(ours, theirs, "{}", server.name);
    }
    assert_eq!(last.reads_of(&replica) - down.reads_of(&replica), restarted.logins(), "its count began again");
}

#[test]
fn a_frozen_server_costs_its_share_of_timeouts() {
    let mut service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "20ms", "--timeout", "2s", "--max-in-flight", "64"]).run();
    probe.wait_for("50 reads", |now| now.reads() >= 50);

    let frozen = &service.fleet.members()[1];
    frozen.freeze();
    // From the first timeout on, probes end at the rate at which they start.
    let first = probe.wait_for("a timeout", |now| now.failures("timeout") >= 1);
    wait_for_third(&mut probe, &first, "timeout", 60);
    frozen.thaw();
    let replica = frozen.replica();
    wait_for_recovery(&mut probe, &replica);

    let last = cut_off(&mut probe);
    for ordinal in [0, 2] {
        let server = service.fleet.member(ordinal);
        let (ours, theirs) = both_counts(&last, server);
        assert_eq!(ours, theirs, "{}", server.name);
    }
    assert_eq!(last.all_failures(), last.failures("timeout") + last.failures("refused"));
}

#[test]
fn a_server_without_free_connections_says_too_many() {
    let service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "10ms"]).run();
    probe.wait_for("50 reads", |now| now.reads() >= 50);

    let full = &service.fleet.members()[1];
    let mut held = [full.hold_connection("one"), full.hold_connection("another")];
    held[0].send("SET GLOBAL max_connections = 1;");
    let first = probe.wait_for("a refusal", |now| now.failures("too_many_connections") >= 1);
    wait_for_third(&mut probe, &first, "too_many_connections", 100);
    held[0].send("SET GLOBAL max_connections = 100;");
    wait_for_recovery(&mut probe, &full.replica());

    let last = cut_off(&mut probe);
    for server in service.fleet.members() {
        let (ours, theirs) = both_counts(&last, server);
        if server.name != full.name {
            assert_eq!(ours, theirs, "{}", server.name);
            continue;
        }
        // Most are refused in place of a greeting. Of those that were logging in when the limit came, the server may count
        // one as refused and as a login.
        let ours = ours + last.failures("too_many_connections");
        let theirs = theirs + server.status("Connection_errors_max_connections");
        assert!((ours..=ours + 8).contains(&theirs), "{theirs} at {}, not {ours}", server.name);
    }
}

#[test]
fn a_server_that_blocks_the_host_is_told_from_one_that_is_down() {
    let service = Service::with_settings(3, &[]);
    let mut probe = service.call().with(&["--interval", "10ms"]).run();
    probe.wait_for("50 reads", |now| now.reads() >= 50);

    let blocking = &service.fleet.members()[1];
    blocking.query("SET GLOBAL max_connect_errors = 1");
    wait_until("an interrupted handshake", WITHIN, || {
        drop(TcpStream::connect(READ_ADDRESS));
        blocking.number("SELECT COALESCE(MAX(SUM_CONNECT_ERRORS), 0) FROM performance_schema.host_cache") >= 1
    });
    let first = probe.wait_for("a refusal", |now| now.failures("host_blocked") >= 1);
    wait_for_third(&mut probe, &first, "host_blocked", 100);
    blocking.query("SET GLOBAL max_connect_errors = 100; TRUNCATE TABLE performance_schema.host_cache");
    wait_for_recovery(&mut probe, &blocking.replica());

    let last = cut_off(&mut probe);
    for server in service.fleet.members() {
        let (ours, theirs) = both_counts(&last, server);
        assert_eq!(ours, theirs, "{}", server.name);
    }
}

#[test]
fn a_server_with_another_password_fails_to_authenticate() {
    let service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "10ms"]).run();
    probe.wait_for("50 reads", |now| now.reads() >= 50);

    let other = &service.fleet.members()[1];
    let lines = probe.program.log().len();
    other.change_alone(&format!("ALTER USER {USER} IDENTIFIED BY 'another'"));
    let first = probe.wait_for("a refusal", |now| now.failures("auth") >= 1);
    wait_for_third(&mut probe, &first, "auth", 200);
    let said = probe.program.log().split_off(lines);
    assert!((1..=20).contains(&said.len()), "200 failures are summarised, not told one by one: {said:?}");
    other.change_alone(&format!("ALTER USER {USER} IDENTIFIED BY '{PASSWORD}'"));
    wait_for_recovery(&mut probe, &other.replica());

    let last = cut_off(&mut probe);
    for server in service.fleet.members() {
        let (ours, theirs) = both_counts(&last, server);
        let refused = if server.name == other.name { last.failures("auth") } else { 0 };
        assert_eq!(ours + refused, theirs, "{}", server.name);
    }
}

#[test]
fn a_new_password_in_the_file_is_taken_up() {
    let service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "20ms"]).run();
    probe.wait_for("20 reads", |now| now.reads() >= 20);

    service.fleet.primary().query(&format!("ALTER USER {USER} IDENTIFIED BY 'battery staple'"));
    service.fleet.wait_until_replicated();
    let failing = probe.wait_for("refusals", |now| now.failures("auth") >= 10);
    service.password.replace("battery staple");
    probe.wait_for("20 more reads", |now| now.reads() >= failing.reads() + 20);
    let recovered = probe.metrics().failures("auth");
    let later = probe.wait_for("20 more reads", |now| now.reads() >= failing.reads() + 40);
    assert_eq!(later.failures("auth"), recovered);
}

#[test]
fn an_unknown_user_fails_to_authenticate_everywhere() {
    let service = Service::of(1);
    let call = service.call().with(&["--user", "nobody", "--interval", "20ms"]);
    let mut probe = call.run();
    let now = probe.wait_for("refusals", |now| now.failures("auth") >= 10);
    assert_eq!(now.all_failures(), now.failures("auth"));
    assert_eq!(now.reads(), 0);
    assert_eq!(now.up(), 0);
    assert_eq!(call.with(&["--probes", "10"]).check().code, Some(2));
}

#[test]
fn a_fault_leaves_no_connection_and_no_file_open() {
    let mut service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "20ms", "--timeout", "1s", "--max-in-flight", "64"]).run();
    probe.wait_for("50 reads", |now| now.reads() >= 50);
    let before = probe.program.open_files();

    service.fleet.members()[1].freeze();
    probe.wait_for("timeouts", |now| now.failures("timeout") >= 30);
    service.fleet.member(1).kill();
    probe.wait_for("refusals", |now| now.failures("refused") >= 30);
    service.fleet.member(1).start_again();
    let replica = service.fleet.members()[1].replica();
    wait_for_recovery(&mut probe, &replica);

    // Two probes and their scrape may be open at any moment.
    wait_until("the sockets to be closed", WITHIN, || probe.program.open_files() <= before + 4);
}

#[test]
fn an_address_without_a_route_is_unreachable() {
    let service = Service::of(1);
    let password = PasswordFile::new(PASSWORD);
    let mut probe = password.call("198.51.100.1:3306").with(&["--tls", "disabled", "--interval", "20ms"]).run();
    let now = probe.wait_for("failures", |now| now.failures("unreachable") >= 10);
    assert_eq!(now.all_failures(), now.failures("unreachable"));

    let mut probe = password.call(READ_ADDRESS).with(&["--tls", "disabled", "--interval", "20ms"]).run();
    probe.wait_for("reads beside it", |now| now.reads() >= 10);
    drop(service);
}
