//! Changes of the configuration file while real servers are probed. Unchanged targets keep their counters.

use std::{fs, net::Ipv4Addr, path::Path};

use serde_json::Value;

use crate::{
    balancer::{READ_ADDRESS, route_to},
    readscope::Call,
    service::{Service, both_counts, cut_off},
    support::{exporter::Exporter, http},
};

/// Writes targets by name and address. The file is replaced at once, as in a mounted `ConfigMap`.
fn write(path: &Path, password: &Path, targets: [(&str, &str); 3]) {
    let defaults = format!(
        "defaults: {{interval: 20ms, timeout: 30s, tls: {{mode: disabled}}, password_file: {}}}",
        password.display()
    );
    let entries = targets.map(|(name, address)| format!("  - name: {name}\n    address: {address}\n")).concat();
    let next = path.with_extension("next");
    fs::write(&next, format!("{defaults}\ntargets:\n{entries}")).expect("a temporary file can be written");
    fs::rename(next, path).expect("both are in one directory");
}

/// The API's objects of all targets, in the order of the file.
fn targets(exporter: &Exporter) -> Vec<Value> {
    http::get(exporter.address, "/api/v1/targets").json()["targets"].as_array().expect("it is a list").clone()
}

fn names(targets: &[Value]) -> Vec<&str> {
    targets.iter().map(|target| target["target"].as_str().expect("a name is text")).collect()
}

/// The replicas of a target with reads.
fn replicas(target: &Value) -> Vec<&str> {
    let replicas = target["replicas"].as_array().expect("it is a list");
    replicas.iter().map(|replica| replica["replica"].as_str().expect("a name is text")).collect()
}

#[test]
fn a_changed_file_is_reloaded_and_unchanged_targets_keep_their_counters() {
    let service = Service::of(4);
    let [one, two, three, four]: [Ipv4Addr; 4] = service.fleet.addresses().try_into().expect("there are four");
    route_to(&[one, two]);
    let [three, four] = [three, four].map(|address| format!("{address}:3306"));
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let path = folder.path().join("readscope.yaml");
    write(&path, service.password.path(), [("stays", READ_ADDRESS), ("changes", &three), ("goes", &four)]);
    let mut probe = Call::new(&["--config.file", path.to_str().expect("it is text")]).run();
    let reads = |target: &'static str| {
        move |now: &crate::support::exporter::Metrics| {
            now.sum("readscope_reads_total", &format!("target=\"{target}\"")) >= 100
        }
    };
    for target in ["stays", "changes", "goes"] {
        probe.wait_for(target, reads(target));
    }

    write(&path, service.password.path(), [("comes", &three), ("stays", READ_ADDRESS), ("changes", &four)]);
    probe.wait_for("the new target", reads("comes"));
    probe.wait_for("the changed target", reads("changes"));
    let shown = targets(&probe);
    assert_eq!(names(&shown), ["comes", "stays", "changes"]);
    let answering: Vec<_> = shown.iter().map(replicas).collect();
    assert_eq!(answering, [vec!["server-102"], vec!["server-100", "server-101"], vec!["server-103"]]);
    let before = probe.metrics().sum("readscope_reads_total", "target=\"stays\"");
    probe.wait_for("further reads of the unchanged target", |now| {
        now.sum("readscope_reads_total", "target=\"stays\"") >= before + 100
    });

    let last = cut_off(&mut probe);
    for server in &service.fleet.members()[..2] {
        let (ours, theirs) = both_counts(&last, server);
        assert_eq!(ours, theirs, "{}", server.name);
    }
    assert_eq!(last.all_failures(), last.failures("refused"), "{:?}", probe.program.log());
    assert!(!last.text().contains("\"goes\""), "its series have ended: {}", last.text());
    assert!(last.text().contains("\nreadscope_config_last_reload_successful 1\n"), "{}", last.text());
}
