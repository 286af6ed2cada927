//! `wait`: milestones that are already reached, milestones to wait for, exit codes.

use std::{thread, time::Duration};

use jiff::Timestamp;
use readscope::model::{Expectation, Moment, Snapshot, State, TargetId, TargetSpec};

use crate::support::{closed_port::ClosedPort, cluster, program::call, site::Served};

const NOW: Moment = Moment { elapsed: Duration::from_secs(100), wall: Timestamp::UNIX_EPOCH };

/// The `StatefulSet` `mysql`. All its replicas are ready endpoints of `mysql-read`.
fn snapshot(replicas: usize) -> Snapshot {
    let service = Some(cluster::name("mysql-read"));
    let spec = TargetSpec { service, ..TargetSpec::regular("mysql/mysql-read", Expectation::Seen) };
    let mut state = State::new([(TargetId(0), spec)], cluster::watches());
    for event in cluster::lists(&vec![[10, 0, 0, 1].into(); replicas]) {
        state.apply(event, NOW);
    }
    state.snapshot(NOW)
}

fn wait(site: &Served, arguments: &[&str]) -> (Option<i32>, String, String) {
    let url = format!("http://{}", site.address);
    let ended = call(&[&["wait", "--attach", &url], arguments].concat());
    (ended.code, ended.stdout, ended.stderr)
}

#[test]
fn a_milestone_that_is_already_reached_ends_the_wait() {
    let site = Served::showing(snapshot(3), "");
    let (code, stdout, stderr) = wait(&site, &["--for", "pod_ready", "mysql-2"]);
    assert_eq!((code, &*stdout), (Some(0), "mysql-2: pod ready\n"), "{stderr}");
    assert_eq!(wait(&site, &["--for", "pod_gone", "mysql-3"]).0, Some(0), "no replica of this name is expected");
}

#[test]
fn the_wait_ends_when_the_replica_reaches_the_milestone() {
    let site = Served::showing(snapshot(3), "");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&site, &["--for", "endpoint_ready", "mysql-3"]));
        site.show(snapshot(4));
        let (code, stdout, stderr) = waiting.join().unwrap();
        assert_eq!((code, &*stdout), (Some(0), "mysql-3: endpoint ready\n"), "{stderr}");
    });
}

#[test]
fn a_timeout_is_exit_code_1() {
    let site = Served::showing(snapshot(3), "");
    let (code, stdout, stderr) = wait(&site, &["--for", "first_read", "mysql-2", "--timeout", "100ms"]);
    assert_eq!((code, &*stdout), (Some(1), ""));
    assert!(stderr.contains("mysql-2 has not reached first_read") && stderr.contains("--timeout"), "{stderr}");
}

#[test]
fn an_unreachable_exporter_is_exit_code_2() {
    let closed = ClosedPort::new();
    let ended = call(&["wait", "--attach", &format!("http://{}", closed.address()), "--for", "pod_ready", "mysql-1"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("cannot reach"), "{}", ended.stderr);
    let site = Served::showing(snapshot(3), "");
    let elsewhere = format!("http://{}/elsewhere", site.address);
    let ended = call(&["wait", "--attach", &elsewhere, "--for", "pod_ready", "mysql-1"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("404"), "{}", ended.stderr);
}

#[test]
fn without_a_statefulset_it_cannot_tell() {
    let site = Served::showing(State::new([], cluster::watches()).snapshot(NOW), "");
    let (code, stdout, stderr) = wait(&site, &["--for", "first_read", "mysql-2", "--timeout", "100ms"]);
    assert_eq!((code, &*stdout), (Some(2), ""));
    assert!(stderr.contains("cannot tell whether mysql-2 has reached first_read"), "{stderr}");
}

#[test]
fn an_unknown_milestone_is_refused_with_the_list() {
    let ended = call(&["wait", "--attach", "http://127.0.0.1:1", "--for", "fresh_reed", "mysql-1"]);
    assert_eq!(ended.code, Some(2));
    for part in ["fresh_read", "pvc_provisioning", "pod_gone"] {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
}

#[test]
fn without_an_exporter_wait_needs_a_service() {
    for arguments in [&[][..], &["--address", "127.0.0.1:1"], &["--attach", "ftp://127.0.0.1:1"]] {
        let ended = call(&[&["wait", "--for", "pod_ready", "mysql-1"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
    }
}
