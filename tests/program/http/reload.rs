//! Reload of the configuration: which state changes and which stays.

use std::{fs, net::SocketAddr, path::Path};

use nix::sys::signal::Signal;

use crate::support::{
    exporter::{Exporter, SOON},
    http,
    program::readscope,
    script::Script,
    server::Server,
    waiting::{wait_for, wait_until},
};

/// A configuration of targets with these names.
fn write(path: &Path, targets: &[(&str, SocketAddr)]) {
    let entry = |(name, address): &(&str, SocketAddr)| format!("  - name: {name}\n    address: {address}\n");
    let entries: String = targets.iter().map(entry).collect::<Vec<_>>().concat();
    let defaults = "defaults: {tls: {mode: disabled}, interval: 20ms, timeout: 30s}";
    // As Kubernetes does it: the file is replaced in one step.
    let next = path.with_extension("next");
    fs::write(&next, format!("{defaults}\ntargets:\n{entries}")).unwrap();
    fs::rename(next, path).unwrap();
}

pub(crate) fn exporter(path: &Path, further: &[&str]) -> Exporter {
    let arguments = ["run", "--config.file", path.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
    Exporter::start(readscope(&arguments).args(further))
}

/// The targets' names, in their order, and their probes.
fn targets(exporter: &Exporter) -> Vec<(String, u64)> {
    let shown = http::get(exporter.address, "/api/v1/targets").json();
    let targets = shown["targets"].as_array().unwrap().iter();
    targets.map(|t| (t["target"].as_str().unwrap().to_owned(), t["probes"].as_u64().unwrap())).collect()
}

fn names(exporter: &Exporter) -> Vec<String> {
    targets(exporter).into_iter().map(|(name, _)| name).collect()
}

fn probes(exporter: &Exporter, name: &str) -> u64 {
    targets(exporter).into_iter().find(|(other, _)| other == name).map_or(0, |(_, probes)| probes)
}

#[test]
fn a_reload_changes_only_the_changed_targets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readscope.yaml");
    let servers = [Server::playing(Script::good()), Server::playing(Script::good()), Server::playing(Script::good())];
    let [one, two, three] = [servers[0].address, servers[1].address, servers[2].address];
    write(&path, &[("stays", one), ("changes", two), ("goes", three)]);
    let exporter = exporter(&path, &[]);
    wait_until("probes of all", SOON, || targets(&exporter).iter().all(|(_, probes)| *probes > 20));
    let before = probes(&exporter, "stays");

    write(
        &path,
        &[("comes", three), ("stays", one), ("changes", one)].map(|(name, address)| match name {
            "changes" => (name, SocketAddr::new([127, 0, 0, 2].into(), two.port())),
            _ => (name, address),
        }),
    );
    wait_until("the new targets", SOON, || names(&exporter) == ["comes", "stays", "changes"]);
    assert!(probes(&exporter, "stays") >= before, "its counters stay");
    let reads = exporter.metrics().sum("readscope_reads_total", "target=\"changes\"");
    assert_eq!(reads, 0, "it is a new target without a server");
    let text = exporter.metrics().text().to_owned();
    assert!(!text.contains("target=\"goes\""), "{text}");
    assert!(text.contains("\nreadscope_config_last_reload_successful 1\n"), "{text}");
    assert!(http::get(exporter.address, "/config").text().contains("comes"));
    let metrics = exporter.metrics();
    assert_eq!(metrics.sum("readscope_probe_failures_total", "target=\"stays\""), 0);
}

#[test]
fn a_bad_file_changes_nothing_and_is_reported_until_it_is_fixed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("readscope.yaml");
    let server = Server::playing(Script::good());
    write(&path, &[("one", server.address)]);
    let mut exporter = exporter(&path, &["--web.enable-lifecycle"]);
    exporter.wait_for_reads(3);
    fs::write(&path, "targets:\n  - addres: 127.0.0.1\n").unwrap();
    exporter.program.signal(Signal::SIGHUP);
    exporter
        .wait_until("the refusal", |metrics| metrics.text().contains("\nreadscope_config_last_reload_successful 0\n"));
    assert_eq!(names(&exporter), ["one"]);
    let notices = exporter.target()["notices"].to_string();
    assert!(notices.contains("readscope.yaml:2: addres"), "{notices}");
    let refused = http::request(exporter.address, "POST", "/-/reload", "");
    assert_eq!(refused.status, 500);
    assert!(refused.text().contains("readscope.yaml:2: addres"), "{refused:?}");
    assert_eq!(
        exporter.program.logged(&["new configuration rejected", "readscope.yaml:2: addres"]),
        1,
        "{:#?}",
        exporter.program.log()
    );
    exporter.wait_for_reads(3);

    write(
        &path,
        &[("one", server.address), ("two", server.address)].map(|(name, address)| match name {
            "two" => (name, SocketAddr::new([127, 0, 0, 2].into(), address.port())),
            _ => (name, address),
        }),
    );
    assert_eq!(http::request(exporter.address, "POST", "/-/reload", "").status, 200);
    assert_eq!(names(&exporter), ["one", "two"]);
    exporter.wait_until("the end of the refusal", |metrics| {
        metrics.text().contains("\nreadscope_config_last_reload_successful 1\n")
    });
    assert!(!exporter.target()["notices"].to_string().contains("readscope.yaml"));
}

#[test]
fn reload_by_http_is_disabled_by_default() {
    let server = Server::playing(Script::good());
    let exporter = Exporter::of(server.address);
    let refused = http::request(exporter.address, "POST", "/-/reload", "");
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("--web.enable-lifecycle"));
    let read = http::get(exporter.address, "/-/reload");
    assert_eq!((read.status, read.header("allow")), (405, Some("POST")));
}

#[test]
fn sighup_reloads_and_stops_nothing() {
    let server = Server::playing(Script::good());
    let mut exporter = Exporter::of(server.address);
    let reads = exporter.wait_for_reads(3).reads();
    exporter.program.signal(Signal::SIGHUP);
    wait_for("the reload", SOON, || (exporter.program.logged(&["configuration reloaded"]) == 1).then_some(()));
    assert!(exporter.wait_for_reads(3).reads() > reads);
}
