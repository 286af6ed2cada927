//! The demo, which needs nothing but the program: its steps as metrics, API and log show them.

use std::{net::SocketAddr, time::Duration};

use crate::support::{
    exporter::SOON,
    http::{get, try_get},
    program::{Program, call, readscope},
    waiting::{wait_for, wait_until},
};
use nix::sys::signal::Signal;
use serde_json::Value;

/// A round takes 7 s at the speed of these tests, but others keep the machine busy too.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where the demo says that its page is: its first line.
fn page(program: &mut Program) -> SocketAddr {
    let first = wait_for("the first line", SOON, || {
        assert!(program.is_running() || !program.output().is_empty(), "{:?}", program.log());
        program.output().first().cloned()
    });
    let address = first.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
    address.unwrap_or_else(|| panic!("{first:?} is no address of a page")).parse().unwrap()
}

/// The value of one series of `/metrics`; 0 while it is not there.
fn metric(address: SocketAddr, series: &str) -> f64 {
    let text = get(address, "/metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.map_or(0.0, |value| value.parse().unwrap())
}

fn target(address: SocketAddr) -> Value {
    get(address, "/api/v1/targets").json()["targets"][0].clone()
}

fn members(target: &Value) -> impl Iterator<Item = &Value> {
    target["replicas"].as_array().unwrap().iter()
}

fn names(target: &Value) -> Vec<&str> {
    members(target).map(|replica| replica["replica"].as_str().unwrap()).collect()
}

/// The finished scale events, oldest first.
fn scale_events(address: SocketAddr) -> Vec<Value> {
    let document = get(address, "/api/v1/scale-events").json();
    let events = document["scale_events"].as_array().unwrap().iter().rev();
    events.filter(|event| !event["finished"].is_null()).cloned().collect()
}

/// Asserts that the milestones were reached in this order, as far as they are there.
fn assert_in_order(replica: &Value, milestones: &[&str]) {
    let time = |name: &&str| replica["milestones"][*name].as_str()?.parse::<jiff::Timestamp>().ok();
    let times: Vec<_> = milestones.iter().filter_map(time).collect();
    assert!(times.is_sorted(), "{milestones:?} in {replica:#}");
}

#[test]
fn metrics_api_and_log_show_every_step() {
    let listen = ["--web.listen-address", "127.0.0.1:0"];
    // It ends by itself long before the test's patience does; how it ends is another test's affair.
    let arguments = [&["demo", "--no-tui", "--for", "120s", "--speed", "16", "--seed", "1"], &listen[..]].concat();
    let mut program = Program::start(&mut readscope(&arguments));
    let address = page(&mut program);
    wait_until("three replicas", SOON, || members(&target(address)).filter(|r| r["reads"] != 0).count() == 3);
    let three = target(address);
    assert_eq!((&three["target"], names(&three)), (&"mysql/mysql-read".into(), vec!["mysql-0", "mysql-1", "mysql-2"]));
    let roles: Vec<&str> = members(&three).map(|replica| replica["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["primary", "replica", "replica"]);
    assert_eq!(get(address, "/-/ready").status, 200);
    let announced = get(address, "/api/v1/targets").json()["announcement"].clone();
    assert!(announced.as_str().is_some_and(|caption| caption.starts_with("Demo, step ")), "{announced}");

    // Up with a new PVC, down, up with the PVC that stayed, down.
    wait_until("four scale events", PATIENCE, || scale_events(address).len() >= 4);
    let events = scale_events(address);
    let sizes: Vec<_> = events.iter().map(|event| (event["from"].as_u64(), event["to"].as_u64())).collect();
    assert_eq!(sizes[..4], [(Some(3), Some(4)), (Some(4), Some(3)), (Some(3), Some(4)), (Some(4), Some(3))]);
    let [new, gone, reused] = [0, 1, 2].map(|event: usize| &events[event]["replicas"][0]);
    for replica in [new, gone, reused] {
        assert_eq!(replica["replica"], "mysql-3");
    }
    assert_eq!((&new["pvc_reused"], &reused["pvc_reused"]), (&Value::from(false), &Value::from(true)));
    for up in [new, reused] {
        assert_in_order(
            up,
            &["requested", "pod_created", "pod_scheduled", "sandbox_ready", "initialized", "pod_ready"],
        );
        assert_in_order(up, &["pod_ready", "endpoint_ready", "first_read", "fresh_read"]);
        assert_in_order(up, &["initialized", "direct_read"]);
    }
    assert_in_order(new, &["requested", "pvc_created", "pvc_provisioning", "pvc_bound", "pod_scheduled"]);
    assert!(new["phases"]["provision"].is_number() && reused["phases"]["provision"].is_null(), "{events:#?}");
    assert_in_order(gone, &["terminating", "endpoint_gone", "pod_gone"]);
    assert_in_order(gone, &["last_read", "pod_gone"]);

    // A machine that stands still for a whole step sees nothing of it before the next round.
    let has_first_read = |event: &Value| event["replicas"][0]["milestones"]["first_read"].is_string();
    wait_until("a first read of mysql-3", PATIENCE, || scale_events(address).iter().any(has_first_read));
    for words in [
        &["a probe failed (too_many_connections)", "ERROR 1040"][..],
        &["Unbalanced: mysql-2 gets none of the reads"],
        &["Undecided: ", "too_many_connections"],
    ] {
        wait_until(&format!("{words:?} in the log"), PATIENCE, || program.logged(words) >= 1);
    }

    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait(PATIENCE).code(), Some(0));
    assert!(try_get(address, "/-/healthy").is_err());
    assert_eq!(program.output().len(), 1, "{:?}", program.output());
    assert_eq!(program.logged(&["paused"]), 0, "{:#?}", program.log());
    let step_of = |line: &String| line.split("Demo, step ").nth(1)?.split(' ').next()?.parse::<usize>().ok();
    let steps: Vec<usize> = program.log().iter().filter_map(step_of).collect();
    let round: Vec<usize> = (1..=12).cycle().take(steps.len()).collect();
    assert!(steps.len() >= 10 && steps == round, "{steps:?}");
}

#[test]
fn its_counters_agree_with_each_other() {
    let listen = ["--web.listen-address", "127.0.0.1:0"];
    let arguments = [&["demo", "--no-tui", "--for", "120s", "--speed", "16"], &listen[..]].concat();
    let mut program = Program::start(&mut readscope(&arguments));
    let address = page(&mut program);
    let binds = "readscope_persistentvolumeclaim_bind_seconds_count{namespace=\"mysql\",statefulset=\"mysql\",storage_class=\"standard\",\
                 bind_mode=\"WaitForFirstConsumer\"}";
    // The second time that the replica comes it finds its PVC: one PVC is bound in each round of the scenario.
    wait_until("the second scale-up", PATIENCE, || scale_events(address).len() >= 3);
    let bound = metric(address, binds);
    let rounds = u32::try_from(program.logged(&["Demo, step 1 of"])).unwrap();
    assert!((1.0..=f64::from(rounds)).contains(&bound), "{bound} in {rounds} rounds");
    let target = target(address);
    let reads: u64 = members(&target).map(|replica| replica["reads"].as_u64().unwrap()).sum();
    let (probes, failures) = (target["probes"].as_u64().unwrap(), target["failures"].as_u64().unwrap());
    assert_eq!(reads, probes - failures, "{target:#}");
    let by_reason: u64 = target["failures_by_reason"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(by_reason, failures, "{target:#}");
    assert!(target["failures_by_reason"]["too_many_connections"].as_u64() > Some(0), "{target:#}");
    let [up, down] = ["up", "down"].map(|direction| {
        let series = format!(
            "readscope_scale_events_total{{namespace=\"mysql\",statefulset=\"mysql\",direction=\"{direction}\"}}"
        );
        metric(address, &series)
    });
    assert!(up >= 2.0 && down >= 1.0 && up - down <= 1.0, "{up} up, {down} down");
    let text = get(address, "/metrics").text();
    let known = text.lines().find(|line| line.starts_with("readscope_replica_info{")).unwrap();
    let is_there = |label: &&str| known.contains(&format!(",{label}"));
    assert!(["pod=\"mysql-0\",", "node=\"node-1\",", "statefulset=\"mysql\"}"].iter().all(is_there), "{known}");
}

#[test]
fn it_ends_after_its_time_and_prints_one_line_for_each_read() {
    let ended = call(&["demo", "--for", "3s", "--web.listen-address", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut lines = ended.stdout.lines();
    assert!(lines.next().unwrap().starts_with("http://127.0.0.1:"), "{ended:?}");
    let answers: Vec<_> = lines.collect();
    assert!((1..=31).contains(&answers.len()), "at most one answer every tenth of a second: {answers:#?}");
    for line in answers {
        // As the lab's loop prints them: time, server_id, and here the replica too.
        let [time, server_id, replica] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{line:?}");
        assert!(["100", "101", "102"].contains(&server_id), "{line:?}");
        assert_eq!(format!("10{}", replica.trim_start_matches("mysql-")), server_id);
    }
}

#[test]
fn without_a_reader_it_goes_on() {
    let mut command = readscope(&["demo", "--for", "1s", "--web.listen-address", "127.0.0.1:0"]);
    let status = Program::start_unread(&mut command).wait(SOON);
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_taken_port_is_an_error_with_advice() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = call(&["demo", "--no-tui", "--for", "1s", "--web.listen-address", &address]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    for part in [&*address, "cannot listen", "in use", "--web.listen-address"] {
        assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
    }
}

#[test]
fn its_options_are_checked_like_any_others() {
    call(&["demo", "--for", "14"]).assert_refused(&["--for", "such as 500ms"]);
    call(&["demo", "--speed", "0"]).assert_refused(&["--speed", "from 0.1 to 20"]);
    call(&["demo", "--speed", "fast"]).assert_refused(&["--speed", "such as 2"]);
    call(&["demo", "--seed", "x"]).assert_refused(&["--seed"]);
    call(&["demo", "--address", "mysql-read"]).assert_refused(&["'--address'"]);
}
