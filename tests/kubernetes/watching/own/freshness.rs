//! A replica with a delay of 5 s, and a new one with the same delay.

use serde_json::Value;

use crate::{
    WITHIN,
    lab::Lab,
    scaled_replica::ScaledReplica,
    support::{exporter::Exporter, waiting::wait_for},
};

/// Replication delay.
const DELAY: f64 = 5.0;

/// Tolerance: the primary's history has steps of 0.25 s, and the machine may be busy.
const RESOLUTION: f64 = 2.0;

#[test]
fn a_lagging_replica_gives_stale_reads_and_a_new_one_is_fresh_after_catching_up() {
    let lab = Lab::own();
    let options = ["--interval", "50ms", "--pod-probe-interval", "1s", "--freshness.max-lag", "1s"];
    let mut probe = lab.readscope("mysql/mysql-read", &options);
    lab.sql("mysql-0", "CREATE DATABASE IF NOT EXISTS lab; CREATE TABLE IF NOT EXISTS lab.written (id INT)");
    let writing = Writes::start(&lab);
    delay(&lab, "mysql-2", 5);
    let lag = wait_for("the lag of 5 s", WITHIN, || lag(&probe, "mysql-2").filter(|lag| *lag >= DELAY - RESOLUTION));
    assert!(lag <= DELAY + RESOLUTION, "{lag}");
    let before = stale(&probe, "mysql-2");
    probe.scrape_until("stale reads", |now| now.sum("readscope_stale_reads_total", "\"mysql-2\"") >= before + 20);
    assert!(lag_of_others(&probe) <= RESOLUTION);
    delay(&lab, "mysql-2", 0);
    wait_for("it to have caught up", WITHIN, || lag_now(&probe, "mysql-2").then_some(()));

    lagging_from_the_start(&lab, "SOURCE_DELAY = 5, ");
    lab.scale(4);
    let first = wait_for("the first read", WITHIN, || {
        let event = probe.scale_events().into_iter().next()?;
        ScaledReplica::only(&event).milestones().get("first_read").copied()
    });
    wait_for("reads of the new replica", WITHIN, || (stale(&probe, "mysql-3") >= 20).then_some(()));
    assert!(
        !ScaledReplica::only(&probe.scale_events()[0]).milestones().contains_key("fresh_read"),
        "it is late all the time"
    );
    drop(writing);
    let events = probe.finished_events(1);
    let member = ScaledReplica::only(&events[0]);
    let after = member.milestones()["fresh_read"].duration_since(first).as_secs_f64();
    assert!(after > 1.0, "{after} s after the first read: {:#?}", member.value());
    assert!(
        member.value()["phases"]["catch_up"].as_f64().is_some_and(|seconds| seconds > 1.0),
        "{:#?}",
        member.value()
    );
    lagging_from_the_start(&lab, "");
}

/// Sets a replication option for new replicas, or the default.
fn lagging_from_the_start(lab: &Lab, option: &str) {
    let scripts = lab.object("configmap/mysql")["data"]["clone-mysql.sh"].as_str().unwrap().to_owned();
    let plain = scripts.replace("SOURCE_DELAY = 5, ", "");
    let late = plain.replace("SOURCE_AUTO_POSITION = 1", &format!("{option}SOURCE_AUTO_POSITION = 1"));
    let patch = serde_json::json!({"data": {"clone-mysql.sh": late}}).to_string();
    lab.cluster()
        .try_kubectl_words(["-n", "mysql", "patch", "configmap/mysql", "--type=merge", "--patch", &patch])
        .unwrap();
}

/// Writes to the primary four times a second until it is dropped. The loop runs in the pod by itself: it goes on after a
/// failed write and after a lost connection to the pod.
struct Writes<'a>(&'a Lab);

impl<'a> Writes<'a> {
    fn start(lab: &'a Lab) -> Self {
        let write = "mysql --no-defaults --execute='INSERT INTO lab.written VALUES (1)'";
        exec(
            lab,
            &format!("touch /tmp/writing; while [[ -e /tmp/writing ]]; do {write}; sleep 0.25; done &>/dev/null &"),
        );
        Self(lab)
    }
}

impl Drop for Writes<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            exec(self.0, "rm /tmp/writing");
        }
    }
}

/// Runs a script in the pod of the primary.
fn exec(lab: &Lab, script: &str) {
    lab.cluster().try_kubectl_words(["-n", "mysql", "exec", "mysql-0", "--", "bash", "-c", script]).unwrap();
}

fn delay(lab: &Lab, pod: &str, seconds: u32) {
    lab.sql(
        pod,
        &format!(
            "STOP REPLICA SQL_THREAD; CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}; START REPLICA SQL_THREAD"
        ),
    );
}

fn replica(probe: &Exporter, name: &str) -> Option<Value> {
    let target = probe.target();
    target["replicas"].as_array()?.iter().find(|replica| replica["replica"] == name).cloned()
}

fn lag(probe: &Exporter, name: &str) -> Option<f64> {
    replica(probe, name)?["lag_seconds"].as_f64()
}

fn lag_now(probe: &Exporter, name: &str) -> bool {
    lag(probe, name).is_some_and(|lag| lag <= 1.0)
}

/// The lag of the replica without a delay.
fn lag_of_others(probe: &Exporter) -> f64 {
    lag(probe, "mysql-1").expect("its lag is known")
}

fn stale(probe: &Exporter, name: &str) -> u64 {
    probe.metrics().sum("readscope_stale_reads_total", &format!("\"{name}\""))
}
