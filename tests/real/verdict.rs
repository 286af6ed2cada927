//! The verdict on real servers behind the kernel's balancer: which replica it reports, and how soon.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::{
    balancer::route_to,
    service::Service,
    support::{exporter::Exporter, waiting::wait_until},
};

const EXPECTED: [&str; 6] = ["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "mysql-2"];

/// Three servers, and an exporter that expects them and takes fifty probes a second.
fn observed() -> (Service, Exporter) {
    let service = Service::of(3);
    let exporter = service.call().with(&["--interval", "20ms"]).with(&EXPECTED).run();
    (service, exporter)
}

fn wait_for_verdict(exporter: &mut Exporter, verdict: &str) -> Value {
    let metric = match verdict {
        "unbalanced" => "readscope_unbalanced",
        _ => "readscope_undecided",
    };
    let balanced = verdict == "balanced";
    exporter.wait_for(&format!("the verdict {verdict}"), |now| {
        if balanced {
            now.sum("readscope_unbalanced", "") + now.sum("readscope_undecided", "") == 0
        } else {
            now.sum(metric, "") == 1
        }
    });
    exporter.target()
}

/// The reads of all replicas.
fn answers(target: &Value) -> u64 {
    target["probes"].as_u64().unwrap() - target["failures"].as_u64().unwrap()
}

/// The only culprit, its kind, and whether the sentence names it.
fn assert_accused(target: &Value, replica: &str, kind: &str) {
    let culprits = target["culprits"].as_array().unwrap();
    assert_eq!(culprits.len(), 1, "{target}");
    assert_eq!(
        (&culprits[0]["replica"], &culprits[0]["kind"]),
        (&Value::from(replica), &Value::from(kind)),
        "{target}"
    );
    assert!(target["reason"].as_str().unwrap().starts_with(&format!("Unbalanced: {replica} gets ")), "{target}");
}

#[allow(clippy::cast_precision_loss, reason = "the seconds of one day")]
fn seconds_of_today(time: SystemTime) -> f64 {
    (time.duration_since(UNIX_EPOCH).unwrap().as_millis() % 86_400_000) as f64 / 1000.0
}

/// Of a line that begins with `ts=2026-01-31T23:59:59.123Z`.
fn logged_seconds_of_today(line: &str) -> f64 {
    let time = line.split('T').nth(1).and_then(|rest| rest.split('Z').next()).unwrap();
    time.split(':').fold(0.0, |seconds, part| seconds * 60.0 + part.parse::<f64>().unwrap())
}

/// Five probes a second.
#[test]
fn an_outage_of_ten_seconds_is_over_in_the_verdict_thirty_seconds_later() {
    let service = Service::of(3);
    let mut exporter = service.call().with(&["--interval", "200ms"]).with(&EXPECTED).run();
    wait_for_verdict(&mut exporter, "balanced");
    route_to(&[]);
    let refused = |exporter: &Exporter| exporter.target()["failures"].as_u64().unwrap();
    wait_until("the probes of ten seconds to fail", Duration::from_secs(600), || refused(&exporter) >= 50);
    assert_eq!(exporter.target()["status"], "down");
    let addresses = service.fleet.addresses();
    route_to(&addresses);
    let before = answers(&exporter.target());
    let target = wait_for_verdict(&mut exporter, "balanced");
    // Several may be taken while the test looks.
    assert!(answers(&target) - before <= 150, "{target}");
    assert_eq!((&target["status"], &target["recent_failures"]), (&"ok".into(), &0.into()), "{target}");
    assert!(target["headline"].as_str().unwrap().starts_with("Balanced: 3 of 3 replicas answer"), "{target}");
}

#[test]
fn a_server_without_reads_is_reported_within_the_promised_delay() {
    let (service, mut exporter) = observed();
    exporter.wait_for_reads(200);
    wait_for_verdict(&mut exporter, "balanced");
    let addresses = service.fleet.addresses();
    route_to(&addresses[..2]);
    let (before, since) = (answers(&exporter.target()), seconds_of_today(SystemTime::now()));
    let target = wait_for_verdict(&mut exporter, "unbalanced");
    assert_accused(&target, "mysql-2", "dead");
    let accused = "Unbalanced: mysql-2 gets none of the reads where 33 % is expected";
    assert_eq!(exporter.program.logged(&[accused]), 1, "{:?}", exporter.program.log());
    // The table promises 51 reads in 19 of 20 cases. On a busy machine the test sees the alarm late, or probes start late:
    // the reads until the test saw it and the probes that were due until it was logged are both upper bounds.
    let line = exporter.program.log().into_iter().find(|line| line.contains(accused)).unwrap();
    let due = (logged_seconds_of_today(&line) - since).rem_euclid(86_400.0) / 0.02;
    let seen = answers(&target) - before;
    assert!(seen < 100 || due < 100.0, "{seen} reads, {due} probes: {line}");

    route_to(&addresses);
    let target = wait_for_verdict(&mut exporter, "balanced");
    assert_eq!(target["culprits"], Value::Array(Vec::new()));
    let metrics = exporter.metrics();
    assert_eq!(metrics.sum("readscope_imbalance_alarms_total", ""), 1);
    assert_eq!(exporter.program.logged(&["Balanced: 3 of 3 replicas answer, chance alone"]), 2);
}

#[test]
fn a_server_with_twice_its_share_is_reported() {
    let (service, mut exporter) = observed();
    exporter.wait_for_reads(100);
    let addresses = service.fleet.addresses();
    route_to(&[addresses[0], addresses[1], addresses[1], addresses[2]]);
    let target = wait_for_verdict(&mut exporter, "unbalanced");
    assert_accused(&target, "mysql-1", "hot");
    route_to(&addresses);
    wait_for_verdict(&mut exporter, "balanced");
}

#[test]
fn a_killed_server_makes_the_verdict_undecided() {
    let (mut service, mut exporter) = observed();
    exporter.wait_for_reads(150);
    wait_for_verdict(&mut exporter, "balanced");
    service.fleet.member(2).kill();
    // Connections cut by the end of the server fail for other reasons, and may be enough for an undecided verdict.
    exporter.wait_for_failures("refused", 100);
    let target = wait_for_verdict(&mut exporter, "undecided");
    assert!(target["reason"].as_str().unwrap().contains("probes failed (refused)"), "{target}");
    let metrics = exporter.metrics();
    assert_eq!((metrics.sum("readscope_undecided", ""), metrics.sum("readscope_imbalance_alarms_total", "")), (1, 0));
    assert_eq!(exporter.target()["culprits"], Value::Array(Vec::new()));
}

#[test]
fn thousands_of_balanced_probes_raise_no_alarm() {
    let service = Service::of(3);
    let exporter = service.call().with(&["--interval", "3ms"]).with(&EXPECTED).run();
    // A minute at that pace, and longer where the machine cannot keep it.
    wait_until("20,000 reads", Duration::from_secs(400), || exporter.metrics().reads() >= 20_000);
    let metrics = exporter.metrics();
    assert_eq!(metrics.sum("readscope_imbalance_alarms_total", ""), 0);
    let target = exporter.target();
    for replica in target["replicas"].as_array().unwrap() {
        let of = |field: &str| replica[field].as_f64().unwrap();
        assert!(of("share_lower") < 1.0 / 3.0 && of("share_upper") > 1.0 / 3.0, "{replica}");
    }
}

#[test]
fn check_with_a_duration_is_right_for_each_way_to_route() {
    let service = Service::of(3);
    let addresses = service.fleet.addresses();
    let check = service.call().with(&["--interval", "10ms", "--for", "12s"]).with(&EXPECTED);
    let two_one_one = [addresses[0], addresses[0], addresses[1], addresses[2]];
    for (backends, code, sentence) in [
        (&addresses[..], 0, "Balanced: 3 of 3 replicas answer, chance alone explains the differences"),
        (&addresses[..2], 1, "Missing: mysql-2 gave none of "),
        (&two_one_one[..], 1, "Unbalanced: mysql-0 gets "),
    ] {
        route_to(backends);
        let checked = check.check();
        assert_eq!(checked.code, Some(code), "{checked:?}");
        let last = checked.stdout.lines().last().unwrap_or_default();
        assert!(last.starts_with(sentence), "{checked:?}");
        assert_eq!(checked.stdout.lines().count(), 5, "a heading, three replicas and a sentence: {checked:?}");
    }
}
