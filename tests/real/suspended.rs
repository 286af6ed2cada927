//! readscope is stopped for longer than all of its timeouts, as by a suspended machine or a debugger, and goes on.

use std::{thread, time::Duration};

use nix::sys::signal::Signal;

use crate::service::Service;

/// Longer than the timeouts of probes, servers (`connect_timeout`, 10 s) and readings.
const STOPPED: Duration = Duration::from_secs(20);

const IN_FLIGHT: u64 = 8;

#[test]
fn a_suspended_readscope_skips_what_was_due_and_goes_on() {
    let service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "50ms"]).run();
    let before = probe.wait_for("100 reads", |now| now.reads() >= 100);
    probe.program.signal(Signal::SIGSTOP);
    thread::sleep(STOPPED);
    probe.program.signal(Signal::SIGCONT);
    let now = probe.wait_for("reads again", |now| now.reads() >= before.reads() + 200);
    let failed = now.all_failures() - before.all_failures();
    assert!(failed <= IN_FLIGHT, "only probes in flight: {failed}");
    let skipped = |metrics: &crate::support::exporter::Metrics| metrics.sum("readscope_probes_skipped_total", "");
    let missed = skipped(&now) - skipped(&before);
    assert!(missed >= 300, "of 400 probes that were due, {missed} were skipped: the others would be a flood");
    assert_eq!(now.sum("readscope_imbalance_alarms_total", ""), 0);
    assert_eq!(now.sum("readscope_anomalies_total", ""), 0);
    assert_eq!(now.sum("readscope_probing_paused", ""), 0);
    for server in service.fleet.members() {
        assert_eq!(server.number("SELECT COUNT(*) FROM performance_schema.host_cache WHERE HOST_VALIDATED = 'NO'"), 0);
    }
}
