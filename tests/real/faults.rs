//! One of three servers fails: its share of the probes fails for the right reason, the counts of the others stay exact,
//! and it recovers without a restart.

use std::{net::TcpStream, time::Duration};

use nix::sys::signal::Signal;

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

/// Long enough for a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// Waits until this number of probes has failed for the reason since `before`, and checks that they are the share of one
/// server of three. Returns the checked scrape.
fn wait_for_third(probe: &mut Exporter, before: &Metrics, reason: &str, enough: u64) -> Metrics {
    let now = probe.wait_for(reason, |now| now.failures(reason) >= before.failures(reason) + enough);
    let failed = now.failures(reason) - before.failures(reason);
    let answered = now.reads() - before.reads();
    assert_share(failed, failed + answered, THIRD, reason);
    now
}

/// Waits until the replica is read again.
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
    assert!(broken <= 8, "only probes in flight fail for other reasons: {broken}");

    service.fleet.member(1).start_again();
    let replica = service.fleet.members()[1].replica();
    wait_for_recovery(&mut probe, &replica);
    let last = cut_off(&mut probe);
    let [primary, restarted, other] = service.fleet.members() else { unreachable!("there are three") };
    for server in [primary, other] {
        let (ours, theirs) = both_counts(&last, server);
        assert_eq!(ours, theirs, "{}", server.name);
    }
    assert_eq!(last.reads_of(&replica) - down.reads_of(&replica), restarted.logins(), "the server restarted its count");
}

#[test]
fn a_frozen_server_costs_its_share_of_timeouts() {
    let mut service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "20ms", "--timeout", "2s"]).run();
    probe.wait_for("50 reads", |now| now.reads() >= 50);

    let frozen = &service.fleet.members()[1];
    frozen.freeze();
    for _ in 0..4 {
        let first = probe.wait_for("a timeout", |now| now.failures("timeout") >= 1);
        // From the reload on, probes start one by one, so each one that starts has ended.
        probe.program.signal(Signal::SIGHUP);
        wait_for_third(&mut probe, &first, "timeout", 15);
    }
    probe.wait_for_log("probes are paused until");
    frozen.thaw();
    probe.program.signal(Signal::SIGHUP);
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
fn a_server_without_free_connections_is_reported() {
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
        // Most are refused instead of greeted. The server may count a login in progress at that moment as both refused and
        // logged in.
        let ours = ours + last.failures("too_many_connections");
        let theirs = theirs + server.status("Connection_errors_max_connections");
        assert!((ours..=ours + 8).contains(&theirs), "{theirs} at {}, not {ours}", server.name);
    }
}

#[test]
fn a_blocked_host_is_a_failure_of_its_own() {
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
    // After each refusal, no probe starts before the cause may be gone.
    for refusals in 2..=101 {
        probe.program.signal(Signal::SIGHUP);
        probe.wait_for("a further refusal", |now| now.failures("auth") >= refusals);
    }
    wait_for_third(&mut probe, &first, "auth", 100);
    let said = probe.program.log().split_off(lines);
    let said: Vec<_> = said.into_iter().filter(|line| line.contains("failed (auth)")).collect();
    assert!((1..=20).contains(&said.len()), "100 failures are summarised: {said:?}");
    other.change_alone(&format!("ALTER USER {USER} IDENTIFIED BY '{PASSWORD}'"));
    probe.program.signal(Signal::SIGHUP);
    wait_for_recovery(&mut probe, &other.replica());

    let last = cut_off(&mut probe);
    for server in service.fleet.members() {
        let (ours, theirs) = both_counts(&last, server);
        let refused = if server.name == other.name { last.failures("auth") } else { 0 };
        assert_eq!(ours + refused, theirs, "{}", server.name);
    }
}

#[test]
fn a_new_password_in_the_file_is_used() {
    let service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "20ms"]).run();
    probe.wait_for("20 reads", |now| now.reads() >= 20);

    service.fleet.primary().query(&format!("ALTER USER {USER} IDENTIFIED BY 'battery staple'"));
    service.fleet.wait_until_replicated();
    let failing = probe.wait_for("a refusal", |now| now.failures("auth") >= 1);
    service.password.replace("battery staple");
    probe.wait_for("20 more reads", |now| now.reads() >= failing.reads() + 20);
    let recovered = probe.metrics().failures("auth");
    let later = probe.wait_for("20 more reads", |now| now.reads() >= failing.reads() + 40);
    assert_eq!(later.failures("auth"), recovered);
}

#[test]
fn an_unknown_user_fails_to_authenticate_everywhere() {
    let service = Service::of(1);
    let call = service.call().with(&["--user", "no-such-user", "--interval", "20ms"]);
    let mut probe = call.run();
    let now = probe.wait_for("a refusal", |now| now.failures("auth") >= 1);
    assert_eq!(now.all_failures(), now.failures("auth"));
    assert_eq!(now.reads(), 0);
    assert_eq!(now.up(), 0);
    let checked = call.with(&["--probes", "200"]).check();
    assert_eq!(checked.code, Some(2));
    let said = ", and further failed probes could lock the account; check the user";
    assert!(checked.stdout.starts_with("Down: no read so far (auth: "), "{checked:?}");
    assert!(checked.stdout.contains(said), "{checked:?}");
}

#[test]
fn failures_leave_no_connection_and_no_file_open() {
    let mut service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "20ms", "--timeout", "1s", "--max-in-flight", "32"]).run();
    // So many that several probes may be in flight.
    probe.wait_for("100 reads", |now| now.reads() >= 100);
    let before = probe.program.open_files();

    service.fleet.members()[1].freeze();
    probe.wait_for("timeouts", |now| now.failures("timeout") >= 16);
    service.fleet.member(1).kill();
    probe.program.signal(Signal::SIGHUP);
    probe.wait_for("refusals", |now| now.failures("refused") >= 30);
    service.fleet.member(1).start_again();
    let replica = service.fleet.members()[1].replica();
    wait_for_recovery(&mut probe, &replica);

    // Two probes and a scrape may be open at any moment.
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
