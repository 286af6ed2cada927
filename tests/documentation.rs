//! What the documentation says of the program is what the program does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{fs, path::Path};

use readscope::{
    model::cluster::{Milestone, ScalePhase},
    view::metrics::{Definition, definitions},
};
use support::{fixtures, golden, program::call};

/// What stands above the table of `docs/metrics.md`.
const METRICS_HEAD: &str = "\
# Metrics

`/metrics` serves these in Prometheus' text format, version 0.0.4, with gzip for clients that take it, and beside them
the `process_*` metrics of the process itself. The page is made from the code; `tests/documentation.rs` compares them.

Series of a replica begin with its first answer, or at 0 from the start if `--expect` names it. They end when the
replica has not answered for `--forget-after`, unless `--expect` names it. Every reason of
`readscope_probe_failures_total` is there at 0 from the start.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
";

/// What stands above its table of milestones.
const MILESTONES_HEAD: &str = "
## Milestones

The steps in the life of a replica, as the label `milestone`, in `/api/v1/scale-events` and for `readscope wait --for`. Each
is dated by readscope's own clock when it is seen; what happened before, or while a watch was interrupted, is shown with the
date that the API server wrote, in whole seconds, where there is one. A replica with several claims has the first one
created and provisioned, and the last one bound. Their order is partial: with `WaitForFirstConsumer` the pod is there before
its claim is provisioned, and a replica may answer directly before its pod is ready.

| milestone | a replica |
| --- | --- |
";

/// What stands above its table of phases.
const PHASES_HEAD: &str = "
## Phases

The time between two milestones, as the label `phase` and in `/api/v1/scale-events`. They may overlap and are never to be
summed. A phase is counted only when both of its ends were seen as they happened; a claim that is used again gives no
`provision`, and a pod that is restarted is no new replica.

| phase | from | to |
| --- | --- | --- |
";

/// `docs/metrics.md`, made from the definitions.
fn metrics_page() -> String {
    let row = |metric: &Definition| {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (metric.name, metric.kind.name(), metric.help);
        assert!(!help.contains('|'), "{name}: a bar would end the table's cell");
        format!("| `{name}` | {kind} | {} | {help} |\n", labels.join(", "))
    };
    let rows: String = definitions().map(row).collect();
    let milestone = |milestone: Milestone| format!("| `{}` | {milestone} |\n", milestone.name());
    let milestones: String = Milestone::ALL.into_iter().map(milestone).collect();
    let phase = |phase: ScalePhase| {
        let (from, to) = phase.ends();
        format!("| `{}` | `{}` | `{}` |\n", phase.name(), from.name(), to.name())
    };
    let phases: String = ScalePhase::ALL.into_iter().map(phase).collect();
    format!("{METRICS_HEAD}{rows}{MILESTONES_HEAD}{milestones}{PHASES_HEAD}{phases}")
}

#[test]
fn the_page_of_the_metrics_is_made_from_the_code() {
    golden::assert_is("docs/metrics.md", &metrics_page());
}

#[test]
fn metrics_follow_the_rules_of_their_names() {
    // Prometheus gives scraped series labels of these names, which would displace ours.
    let taken = ["pod", "service", "node", "zone", "namespace", "instance", "job"];
    for metric in definitions() {
        let (name, kind) = (metric.name, metric.kind.name());
        assert!(name.starts_with("readscope_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
        assert!(metric.labels.iter().all(|label| !taken.contains(label)), "{name}");
    }
}

#[test]
fn the_configuration_files_of_the_readme_are_valid() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [configuration, web] = blocks[..] else { panic!("{} files in README.md", blocks.len()) };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, content) in [("readscope.yaml", configuration), ("web.yaml", web), ("password", "secret\n")] {
        fs::write(path(name), content).unwrap();
    }
    for (fixture, name) in [
        ("authority.pem", "ca.crt"),
        ("authority.pem", "client-ca.crt"),
        ("server.pem", "tls.crt"),
        ("server.key", "tls.key"),
    ] {
        fs::copy(fixtures::tls(fixture), path(name)).unwrap();
    }
    let files = ["--config.file", &path("readscope.yaml"), "--web.config.file", &path("web.yaml")];
    let checked = call(&[&["run", "--config.check"][..], &files].concat());
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("shop-db-read.example"), "{checked:?}");
}

#[test]
fn the_readme_uses_options_that_exist() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let help: String =
        ["run", "watch", "check", "wait", "demo"].map(|command| call(&[command, "--help"]).stdout).concat();
    let ours = readme.lines().filter(|line| line.contains("readscope") || line.contains("cargo run"));
    let words = ours.flat_map(|line| line.split(|c: char| c.is_whitespace() || "`[]()|=,;".contains(c)));
    // An option of cargo's stands before the `--` alone.
    let cargos = ["--release", "--features", "--locked", "--target", "--bin"];
    for option in words.filter(|word| word.starts_with("--") && word.len() > 2 && !cargos.contains(word)) {
        let known = help.split(|c: char| c.is_whitespace() || c == ',').any(|word| word == option);
        assert!(known || option == "--version" || option == "--help", "README.md names {option}");
    }
}
