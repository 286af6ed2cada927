//! Packets that are lost or late, client ports that are used up, and a second readscope.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    balancer::{READ_ADDRESS, route_to},
    program::run_with_input,
    service::{Service, assert_share, both_counts, cut_off},
    support::exporter::Metrics,
};

/// Of the packets to the servers, in percent.
const LOST: u8 = 5;

const DELAY: Duration = Duration::from_millis(200);

#[test]
fn lost_packets_cost_time_and_raise_no_alarm() {
    let service = Service::of(3);
    let rules = format!(
        "table ip loss {{
            chain lose {{
                type filter hook input priority 0;
                tcp dport 3306 numgen random mod 100 < {LOST} drop
            }}
        }}"
    );
    let output = run_with_input(Command::new("nft").args(["-f", "-"]), &rules);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut probe = service.call().with(&["--interval", "20ms", "--max-in-flight", "32"]).run();
    let now = probe.wait_for("1000 reads", |now| now.reads() >= 1000);
    assert_eq!(now.sum("readscope_imbalance_alarms_total", ""), 0);
    assert_eq!(now.sum("readscope_anomalies_total", ""), 0);
    assert_eq!(now.all_failures(), now.failures("timeout"), "a lost packet is no other failure: {}", now.text());
    assert!(20 * now.failures("timeout") < now.reads(), "{} of {}", now.failures("timeout"), now.reads());
    for server in service.fleet.members() {
        assert_share(now.reads_of(&server.replica()), now.reads(), 1.0 / 3.0, &server.name);
    }
}

/// Relays every connection, and hands on in both directions what came at least [`DELAY`] ago.
fn delayed(to: Ipv4Addr, at: Ipv4Addr) {
    let listener = TcpListener::bind((at, 3306)).unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect((to, 3306)) else { continue };
            for (mut from, mut into) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                thread::spawn(move || {
                    let mut data = [0; 16384];
                    while let Ok(length @ 1..) = from.read(&mut data) {
                        thread::sleep(DELAY);
                        if into.write_all(&data[..length]).is_err() {
                            break;
                        }
                    }
                    let _ = into.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
}

#[test]
fn a_long_way_to_all_servers_makes_no_server_slow() {
    let service = Service::of(3);
    let relays: Vec<_> = (0..3).map(|number| Ipv4Addr::new(127, 0, 2, 1 + number)).collect();
    for (server, relay) in service.fleet.members().iter().zip(&relays) {
        delayed(server.address, *relay);
    }
    route_to(&relays);
    let mut probe = service.call().with(&["--interval", "50ms", "--max-in-flight", "32", "--timeout", "20s"]).run();
    let now = probe.wait_for("40 reads", |now| now.reads() >= 40);
    assert_eq!((now.all_failures(), now.sum("readscope_imbalance_alarms_total", "")), (0, 0));
    assert_eq!(now.sum("readscope_replica_condition", "kind=\"slow\""), 0, "all are as far away");
    let quick = now.sum("readscope_probe_duration_seconds_bucket", "phase=\"total\",le=\"0.25\"");
    assert_eq!(quick, 0, "{}", now.text());
}

#[test]
fn used_up_client_ports_are_failures_until_one_is_free() {
    let service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "20ms"]).run();
    probe.wait_for("reads", |now| now.reads() >= 20);
    // The kernel has eight ports for new connections to one address. Others hold all of them.
    fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40007").unwrap();
    let held: Vec<_> = (0..64).map_while(|_| TcpStream::connect(READ_ADDRESS).ok()).collect();
    assert!(held.len() <= 8, "{} connections", held.len());
    let before = probe.metrics();
    let failed = |now: &Metrics| now.all_failures() - before.all_failures();
    let now = probe.wait_for("failures", |now| failed(now) >= 50);
    assert_eq!(now.failures("other") - before.failures("other"), failed(&now), "{}", now.text());
    // The cause is here, not at the servers.
    probe.wait_for_log("Cannot assign requested address");
    assert_eq!(now.sum("readscope_probing_paused", ""), 0);
    drop(held);
    let down = probe.metrics().reads();
    probe.wait_for("reads again", |now| now.reads() >= down + 50);
}

#[test]
fn two_readscopes_on_one_target_count_their_own_reads() {
    let service = Service::of(3);
    let start = || service.call().with(&["--interval", "20ms", "--clients-interval", "1s"]).run();
    let (mut first, mut second) = (start(), start());
    first.wait_for("reads of the first", |now| now.reads() >= 300);
    second.wait_for("reads of the second", |now| now.reads() >= 300);
    let (of_first, of_second) = (cut_off(&mut first), cut_off(&mut second));
    for server in service.fleet.members() {
        let (ours, logins) = both_counts(&of_first, server);
        let theirs = of_second.reads_of(&server.replica());
        // Readings of the status are logins as well.
        assert!(ours > 0 && theirs > 0 && ours + theirs <= logins, "{}: {ours} + {theirs}, {logins}", server.name);
    }
    for now in [of_first, of_second] {
        assert_eq!(now.sum("readscope_imbalance_alarms_total", ""), 0);
        assert_eq!(now.sum("readscope_anomalies_total", ""), 0);
        assert_eq!(now.sum("readscope_clients_uneven", ""), 0, "another readscope is spread evenly");
    }
}
