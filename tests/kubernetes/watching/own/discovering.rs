//! Services that are targets while they have a label.

use std::{fs, path::Path};

use crate::{
    WITHIN,
    lab::Lab,
    support::{
        exporter::{Exporter, Metrics},
        http,
        waiting::wait_for,
    },
};

/// A second Service for the replicas, with the label and without it.
const LATE: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: mysql-late, namespace: mysql, labels: {readscope.io/probe: "true"}}
spec: {selector: {app: mysql}, ports: [{port: 3306}]}
"#;

const WRITTEN: &str = "mysql/mysql-read";
const FOUND: &str = "mysql/mysql-late";

/// A listed target, a selector, and a selector without matches.
fn write(file: &Path, selector: &str) {
    let next = file.with_extension("next");
    let discover = |selector: &str| format!("  - discover: {{namespaces: [mysql], selector: \"{selector}\"}}\n");
    let found = discover(selector) + &discover("readscope.io/nothing=here");
    fs::write(&next, format!("defaults: {{interval: 100ms, timeout: 20s}}\ntargets:\n  - service: {WRITTEN}\n{found}"))
        .unwrap();
    fs::rename(next, file).unwrap();
}

fn names(probe: &Exporter) -> Vec<String> {
    let shown = http::get(probe.address, "/api/v1/targets").json();
    let targets = shown["targets"].as_array().unwrap().iter();
    targets.map(|target| target["target"].as_str().unwrap().to_owned()).collect()
}

fn reads(metrics: &Metrics, target: &str) -> u64 {
    metrics.sum("readscope_reads_total", &format!("target=\"{target}\""))
}

#[test]
fn a_service_is_a_target_while_it_has_the_label() {
    let lab = Lab::own();
    lab.kubectl("-n mysql delete service mysql-late --ignore-not-found");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("readscope.yaml");
    write(&file, "readscope.io/probe=true");
    let mut probe = lab.readscope_of(&file);
    probe.scrape_until("reads of the written target", |now| reads(now, WRITTEN) >= 50);
    assert_eq!(names(&probe), [WRITTEN]);
    assert_eq!(http::get(probe.address, "/-/ready").status, 200, "a selector without matches delays nothing");

    lab.apply(LATE);
    let now = probe.scrape_until("reads of the discovered target", |now| reads(now, FOUND) >= 50);
    assert_eq!(names(&probe), [WRITTEN, FOUND]);
    let target = http::get(probe.address, "/api/v1/targets").json()["targets"][1].clone();
    assert_eq!(target["routing"]["endpoints"].as_array().map(Vec::len), Some(3), "{target:#}");
    let before = reads(&now, WRITTEN);

    lab.kubectl("-n mysql label service mysql-late readscope.io/probe-");
    let now = probe.scrape_until("the end of its series", |now| !now.text().contains(FOUND));
    assert_eq!(names(&probe), [WRITTEN]);
    assert!(reads(&now, WRITTEN) >= before, "it goes on counting");
    probe.scrape_until("further reads of the written target", |now| reads(now, WRITTEN) >= before + 50);

    lab.kubectl("-n mysql label service mysql-late readscope.io/probe=true");
    probe.scrape_until("reads of the target that is back", |now| reads(now, FOUND) >= 20);
    // Another selector that finds the same Service.
    wait_for("the first reads", WITHIN, || (probe.program.logged(&["first read"]) == 9).then_some(()));
    let found = reads(&probe.metrics(), FOUND);
    write(&file, "readscope.io/probe in (true)");
    wait_for("the reload", WITHIN, || (probe.program.logged(&["configuration reloaded"]) == 1).then_some(()));
    assert!(reads(&probe.metrics(), FOUND) >= found, "it goes on counting");
    probe.scrape_until("further reads of the discovered target", |now| reads(now, FOUND) >= found + 50);
    assert_eq!(probe.program.logged(&["first read"]), 9, "{:#?}", probe.program.log());
    lab.kubectl("-n mysql delete service mysql-late");
    let now = probe.scrape_until("the end of its series, with the Service", |now| !now.text().contains(FOUND));
    assert_eq!(now.all_failures(), 0, "{:#?}", probe.program.log());
    assert_eq!(now.sum("readscope_imbalance_restarts_total", ""), 0);
    // The first list is the only one.
    assert_eq!(now.sum("readscope_kube_watch_restarts_total", ""), 0);

    // All Services of the namespace, including the headless `mysql`.
    write(&file, "");
    wait_for("every Service of the namespace", WITHIN, || (names(&probe).len() > 1).then_some(()));
    assert_eq!(names(&probe), [WRITTEN, "mysql/mysql"]);
    probe.scrape_until("reads of each", |now| reads(now, "mysql/mysql") >= 20);
    assert!(reads(&probe.metrics(), WRITTEN) >= before + 50, "it goes on counting");
}
