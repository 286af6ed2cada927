//! Pooled clients reach a new replica only when they reconnect.

use serde_json::Value;

use crate::{lab::Lab, scaled_replica::ScaledReplica};

/// Of 60 clients, some 40 are on the replicas beside the primary: enough to miss them on a third one.
const CONNECT: &str = "for client in $(seq 60); do \
    setsid mysql --no-defaults --host=mysql-read.mysql --user=readscope --password=readscope \
      --execute='SELECT SLEEP(3600)' >/dev/null 2>&1 & \
  done";
/// The pattern does not match this script.
const DISCONNECT: &str = "for process in /proc/[0-9]*; do \
    ! grep -qs '[S]LEEP' $process/cmdline || kill ${process#/proc/}; \
  done";

fn run_in_primary(lab: &Lab, script: &str) {
    lab.cluster().try_kubectl_words(["-n", "mysql", "exec", "mysql-0", "--", "bash", "-c", script]).unwrap();
}

#[test]
fn pooled_clients_fill_a_new_replica_when_they_reconnect() {
    let lab = Lab::own();
    let options = ["--interval", "100ms", "--pod-probe-interval", "2s", "--clients-interval", "2s"];
    let mut probe = lab.readscope("mysql/mysql-read", &options);
    probe.balanced(3);
    run_in_primary(&lab, CONNECT);
    let connections = |target: &Value| -> u64 {
        let replicas = target["replicas"].as_array().unwrap().iter();
        replicas.filter_map(|replica| replica["clients"]["connections"].as_u64()).sum()
    };
    probe.target_until("the clients", |target| (connections(target) >= 60).then_some(()));
    probe.target_until("even clients", |target| (target["clients"]["state"] == "even").then_some(()));

    lab.scale(4);
    probe.finished_events(1);
    probe.balanced(4);
    let reason = probe.target_until("uneven clients", |target| {
        (target["clients"]["state"] == "uneven").then(|| target["clients"]["reason"].as_str().unwrap().to_owned())
    });
    assert!(reason.contains("mysql-3 holds 0 of ") && reason.contains("reconnect"), "{reason}");
    let event = probe.scale_events().remove(0);
    assert!(event["replicas"][0]["milestones"]["client_share"].is_null(), "{event:#}");

    run_in_primary(&lab, DISCONNECT);
    run_in_primary(&lab, CONNECT);
    probe.target_until("even clients", |target| (target["clients"]["state"] == "even").then_some(()));
    let event = crate::support::waiting::wait_for("the share of the clients", crate::WITHIN, || {
        let event = probe.scale_events().remove(0);
        (!event["replicas"][0]["milestones"]["client_share"].is_null()).then_some(event)
    });
    ScaledReplica::only(&event).assert_reached(&["first_read", "first_client", "client_share"]);
    assert!(event["replicas"][0]["phases"]["fill"].as_f64().is_some_and(|seconds| seconds > 0.0), "{event:#}");
    run_in_primary(&lab, DISCONNECT);
}
