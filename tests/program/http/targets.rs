//! Many targets in one process: unusual names, and failing targets beside working ones.

use std::fs;

use super::reload::exporter;
use crate::support::{
    closed_port::ClosedPort, exporter::Exporter, http, script::Script, server::Server, waiting::wait_for,
};

/// The longest possible name, with characters that every output format has to escape.
fn odd_name() -> String {
    let odd = r#"it's "shop" \ {a="b"},</b> %2F é "#;
    odd.to_owned() + &"x".repeat(200 - odd.len())
}

#[test]
fn a_name_with_special_characters_is_the_same_everywhere() {
    let name = odd_name();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readscope.yaml");
    let server = Server::playing(Script::good());
    let quoted = serde_json::to_string(&name).unwrap();
    let target = format!("  - {{name: {quoted}, address: \"{}\"}}\n", server.address);
    fs::write(&path, format!("defaults: {{tls: {{mode: disabled}}, interval: 20ms}}\ntargets:\n{target}")).unwrap();
    let exporter = exporter(&path, &[]);
    let reads = || exporter.metrics().sum("readscope_reads_total", "");
    wait_for("reads", crate::support::exporter::SOON, || (reads() > 0).then_some(()));

    let shown = http::get(exporter.address, "/api/v1/targets").json();
    assert_eq!(shown["targets"][0]["target"], *name);
    let escaped = name.replace('\\', r"\\").replace('"', r#"\""#);
    let series = format!("\nreadscope_target_up{{target=\"{escaped}\"}} 1\n");
    assert!(exporter.metrics().text().contains(&series), "{series} is not in {}", exporter.metrics().text());
    let query: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    let head = http::request(exporter.address, "HEAD", &format!("/api/v1/events?target={query}"), "");
    assert_eq!(head.status, 200);
    assert!(http::get(exporter.address, "/config").text().contains("it's"));
    let first = exporter.program.log().into_iter().find(|line| line.contains(": first read (server_id ")).unwrap();
    assert!(first.contains("target="), "{first}");
    assert!(first.contains(r#"\"shop\""#) && !first.contains('\n'), "{first}");
}

#[test]
fn failing_targets_do_not_delay_others() {
    const PROBES: u64 = 300;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readscope.yaml");
    let good = Server::playing(Script::good());
    let silent = Server::playing(Script::good());
    let refusing = ClosedPort::new();
    let target = |name: &str, address: &str| format!("  - {{name: {name}, address: \"{address}\"}}\n");
    let targets = [
        target("silent", &silent.address.to_string()),
        target("unresolvable", "no-such-name.invalid.:3306"),
        target("refusing", &refusing.address().to_string()),
        // The kernel has no route for TCP to a multicast group, so nothing leaves the machine.
        target("unreachable", "224.0.0.1:3306"),
        target("good", &good.address.to_string()),
    ];
    let defaults = "defaults: {tls: {mode: disabled}, interval: 20ms, timeout: 5s}";
    fs::write(&path, format!("{defaults}\ntargets:\n{}", targets.concat())).unwrap();
    let mut exporter = exporter(&path, &[]);
    let of =
        |exporter: &Exporter, name: &str, target: &str| exporter.metrics().sum(name, &format!("target=\"{target}\""));
    // So many that eight probes may be in flight.
    exporter.wait_until("reads", |now| now.sum("readscope_reads_total", "target=\"silent\"") >= 60);
    silent.play(Script::nothing().then_silence());
    let now = exporter
        .wait_until("reads of the good one", |now| now.sum("readscope_reads_total", "target=\"good\"") >= PROBES);
    assert_eq!(now.sum("readscope_probe_failures_total", "target=\"good\""), 0, "{:#?}", exporter.program.log());
    for bad in ["silent", "unresolvable", "refusing", "unreachable"] {
        wait_for(&format!("failures of {bad}"), crate::support::exporter::SOON, || {
            (of(&exporter, "readscope_probe_failures_total", bad) >= 2).then_some(())
        });
        assert!(bad == "silent" || of(&exporter, "readscope_reads_total", bad) == 0, "{bad}");
    }
    // The silent target has its maximum of eight probes in flight; further probes are skipped.
    assert!(of(&exporter, "readscope_probes_skipped_total", "silent") > 0);
}
