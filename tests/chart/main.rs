//! The Helm chart of `deploy/chart`: what Helm renders of it, compared with `deploy/`, and what it refuses. Needs no cluster.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod quick_start;
mod same;
mod schema;
mod settings;
#[path = "../support/mod.rs"]
mod support;
mod values;

use std::{path::Path, process::Command};

use serde_json::Value;
use support::{
    commands::{run, try_run},
    obtained,
};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn helm() -> Command {
    Command::new(obtained::helm().join("helm"))
}

/// `helm template` of the release readscope in the namespace readscope.
fn template(chart: &str, values: &[&str]) -> Command {
    let mut command = helm();
    command.args(["template", "readscope", chart, "--namespace", "readscope"]);
    command.args(values.iter().flat_map(|value| ["--set", value]));
    command
}

/// The objects that Helm renders with these values.
fn rendered(values: &[&str]) -> Vec<Value> {
    serde_saphyr::from_multiple(&run(&mut template(CHART, values))).unwrap()
}

/// Why Helm renders nothing with these values.
fn refused(values: &[&str]) -> String {
    try_run(&mut template(CHART, values)).unwrap_err()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}
