//! The wall clock of readscope's machine jumps, as libfaketime shows it to the running program.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    service::Service,
    support::{exporter::Exporter, waiting::wait_for},
};

/// How far the clock is from the real one: jumps forward, and back over the start.
const JUMPS: [i64; 3] = [3600, -3600, 0];

#[test]
fn a_wall_clock_that_jumps_changes_only_the_times_that_are_shown() {
    let service = Service::of(3);
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    // Renamed into place, because the program may read at any time.
    let set = |seconds: i64| {
        let next = folder.path().join("next");
        fs::write(&next, format!("{seconds:+}")).unwrap();
        fs::rename(next, &offset).unwrap();
    };
    set(0);
    let call = service.call().with(&["--interval", "20ms"]);
    let mut probe = call
        .with_environment("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1")
        .with_environment("FAKETIME_TIMESTAMP_FILE", &offset.display().to_string())
        .with_environment("FAKETIME_NO_CACHE", "1")
        .with_environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .run();
    wait_for_balance(&probe, 0);
    for seconds in JUMPS {
        set(seconds);
        let before = probe.metrics();
        probe.wait_for("reads", |now| now.reads() >= before.reads() + 200);
        wait_for_balance(&probe, seconds);
        let now = probe.metrics();
        assert_eq!(now.all_failures(), 0, "{:?}", probe.program.log());
        assert_eq!(now.sum("readscope_imbalance_alarms_total", ""), 0);
        assert_eq!(now.sum("readscope_anomalies_total", ""), 0);
        for line in now.text().lines().filter(|line| !line.starts_with('#')) {
            let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(value >= 0.0, "{line}");
            // A thousand probes of the local machine.
            assert!(!line.starts_with("readscope_probe_duration_seconds_sum") || value < 3000.0, "{line}");
        }
    }
}

/// Waits until the reads are balanced and the latest one has the time of a clock that is this far from the real one.
fn wait_for_balance(probe: &Exporter, seconds: i64) {
    let is_shown = |target: &Value| {
        let time: Timestamp = target["last_reads"].as_array()?.last()?["time"].as_str()?.parse().ok()?;
        let real = Timestamp::try_from(SystemTime::now()).unwrap();
        let distance = time.duration_since(real).as_secs() - seconds;
        (target["status"] == "ok" && target["verdict"] == "balanced" && distance.abs() < 120).then_some(())
    };
    wait_for("the verdict and its times", Duration::from_secs(120), || is_shown(&probe.target()));
}
