//! Compares the documentation with the program.

use std::{collections::BTreeSet, fs, path::PathBuf};

use crate::support::{
    fixtures, golden,
    metric_reference::{cardinality, series_with, stability, unit},
    program::call,
};
use readscope::{
    model::cluster::{Milestone, ScalePhase},
    view::metrics::{Definition, definitions},
};

/// The text above the table of `docs/metrics.md`.
const METRICS_HEAD: &str = "\
# Metrics

`/metrics` serves these metrics in Prometheus' text format 0.0.4, with gzip for clients that accept it, and the
`process_*` metrics of the process. This page is generated from the code; `tests/repository/documentation.rs` compares it.

The series of a replica start with its first read, or at 0 if `--expect` names it. They end 5 minutes after its pod is
gone, or without a pod when it has had no read for `--forget-after`. Replicas that `--expect` names stay. Every reason of
`readscope_probe_failures_total` starts at 0.

[Queries](queries.md) has joins with other exporters and answers to ten questions. The label `namespace` is that of the
Service or StatefulSet; a target that is not a Service has none, and a scrape then adds that of readscope.

*Stable* metrics keep name, labels and meaning until the next major version. *Experimental* ones may change in any version; the
changelog says how. *Series* is the number at most, for n replicas (or their PVCs): of one target if the metric has the label
`target`, of one StatefulSet if it has `statefulset`, else of readscope.

";

/// The text above its table of milestones.
const MILESTONES_HEAD: &str = "
## Milestones

Milestones are the steps in the life of a replica: the label `milestone`, the keys in `/api/v1/scale-events`, and the
argument of `readscope wait --for`. readscope dates a milestone by its own clock when it sees it. A milestone from before
readscope's start, or from a time without a watch, has the API server's date in whole seconds, if there is one. With
several PVCs, the first one counts for `pvc_created` and `pvc_provisioning`, and the last one for `pvc_bound`. The order
may vary: with `WaitForFirstConsumer` the pod exists before its volume is provisioned, and a replica may answer pod
probes before its pod is ready.

| milestone | meaning |
| --- | --- |
";

/// The text above its table of phases.
const PHASES_HEAD: &str = "
## Phases

A phase is the time between two milestones: the label `phase` and the keys in `/api/v1/scale-events`. Phases may overlap:
do not add them up. readscope counts a phase only when it saw both ends as they happened. A reused PVC has no
`provision`, and a restarted pod is not a new replica.

| phase | from | to |
| --- | --- | --- |
";

/// `docs/metrics.md`, generated from the definitions.
fn metrics_page() -> String {
    let row = |metric: &Definition| {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (metric.name, metric.kind.name(), metric.help);
        assert!(!help.contains('|'), "{name}: a bar would end the table's cell");
        let (unit, stability, series) = (unit(metric), stability(metric), cardinality(metric));
        format!("| `{name}` | {kind} | {unit} | {} | {series} | {stability} | {help} |\n", labels.join(", "))
    };
    let [target, set] = ["target", "statefulset"].map(|label| {
        // Both are labels of `readscope_replica_info`.
        let others = definitions().filter(|metric| label == "target" || !metric.labels.contains(&"target"));
        series_with(label, others)
    });
    let table = format!(
        "A target has {} + {} n series, its StatefulSet {} + {} n.\n\n\
         | metric | type | unit | labels | series | stability | meaning |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        target.0, target.1, set.0, set.1
    );
    let rows: String = definitions().map(row).collect();
    let milestone = |milestone: Milestone| format!("| `{}` | {milestone} |\n", milestone.name());
    let milestones: String = Milestone::ALL.into_iter().map(milestone).collect();
    let phase = |phase: ScalePhase| {
        let (from, to) = phase.ends();
        format!("| `{}` | `{}` | `{}` |\n", phase.name(), from.name(), to.name())
    };
    let phases: String = ScalePhase::ALL.into_iter().map(phase).collect();
    format!("{METRICS_HEAD}{table}{rows}{MILESTONES_HEAD}{milestones}{PHASES_HEAD}{phases}")
}

#[test]
fn the_metrics_page_matches_the_code() {
    golden::assert_is("docs/metrics.md", &metrics_page());
}

#[test]
fn metrics_follow_the_naming_rules() {
    // Prometheus sets these labels to where it scrapes; the rules tell readscopes apart by them.
    let taken = ["instance", "job"];
    for metric in definitions() {
        let (name, kind) = (metric.name, metric.kind.name());
        assert!(name.starts_with("readscope_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}: {}", metric.help);
        assert!(metric.labels.iter().all(|label| !taken.contains(label)), "{name}");
    }
}

/// The pages that a user reads, by their paths.
fn pages() -> Vec<(String, String)> {
    let root = crate::root();
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(|name| root.join(name));
    let markdown = docs.chain(top).filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text)
    };
    markdown.map(page).collect()
}

/// The only block of YAML in a page.
fn yaml(page: &str) -> String {
    let text = crate::read(page);
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [block] = blocks[..] else { panic!("{} blocks in {page}", blocks.len()) };
    block.to_owned()
}

/// The anchors of a page, as GitHub makes them of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let headings = page.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().chars().filter(kept).collect::<String>();
    headings.map(|heading| anchor(heading).to_lowercase().replace(' ', "-")).collect()
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let root = crate::root();
    let mut links = 0;
    for (path, text) in pages() {
        let targets = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.contains("://")) {
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { root.join(&path) } else { root.join(&path).parent().unwrap().join(file) };
            assert!(file.exists(), "{path} links to {target}");
            if !anchor.is_empty() {
                assert!(anchors(&fs::read_to_string(file).unwrap()).contains(anchor), "{path} links to {target}");
            }
        }
    }
    assert!(links > 30, "{links} links found");
}

#[test]
fn each_fault_has_a_test_of_this_name() {
    let root = crate::root();
    let page = crate::read("docs/faults.md");
    let proofs: Vec<_> = page.lines().filter_map(|line| line.strip_suffix(") |")?.rsplit_once("| [")).collect();
    assert!(proofs.len() >= 40, "{} faults", proofs.len());
    for proof in proofs.iter().flat_map(|(_, proofs)| proofs.split("), [")) {
        let (name, file) = proof.split_once("](../").unwrap();
        let source = fs::read_to_string(root.join(file)).unwrap();
        assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
    }
}

#[test]
fn each_line_of_the_threat_model_has_its_tests() {
    let page = crate::read("SECURITY.md");
    let model = page.split("## Threat model").nth(1).unwrap().split("\n## ").next().unwrap();
    let lines: Vec<_> =
        model.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| -")).skip(1).collect();
    assert!(lines.len() >= 7, "{lines:#?}");
    for line in lines {
        let tests: Vec<_> = line.split(['[', ')']).filter_map(|part| part.split_once("](")).collect();
        assert!(!tests.is_empty(), "no test: {line}");
        for (name, file) in tests {
            let source = fs::read_to_string(crate::root().join(file)).unwrap();
            assert!(source.contains(&format!("fn {name}(")), "{file} has no test {name}");
        }
    }
}

#[test]
fn the_configuration_files_of_the_documentation_are_valid() {
    let (configuration, web) = (yaml("docs/targets.md"), yaml("docs/http.md"));
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, content) in [("readscope.yaml", &*configuration), ("web.yaml", &web), ("password", "secret\n")] {
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
fn the_documentation_uses_options_that_exist() {
    let commands = ["run", "watch", "check", "wait", "demo"];
    let help: String = commands.map(|command| call(&[command, "--help"]).stdout).concat();
    let known: BTreeSet<&str> = help.split(|c: char| c.is_whitespace() || c == ',').collect();
    let mut seen = BTreeSet::new();
    // The changelog names options that were renamed.
    for (path, text) in pages().into_iter().filter(|(path, _)| path != "CHANGELOG.md") {
        // Code that starts with an option, and the arguments of a call.
        let alone = text.split('`').filter(|code| code.starts_with("--"));
        let call = |line| commands.map(|command| str::split_once(line, &format!("readscope {command} ")));
        let calls = text.lines().flat_map(call).flatten().map(|(_, rest)| rest.split('`').next().unwrap());
        for word in alone.chain(calls).flat_map(|code| code.split([' ', '=', '\n'])) {
            if word.len() > 2 && word.starts_with("--") {
                assert!(known.contains(word), "{path} names {word}");
                seen.insert(word.to_owned());
            }
        }
    }
    assert!(seen.len() > 20, "{seen:?}");
}
