//! The dashboard's queries, asked of a real Prometheus that scraped a scale event and an imbalance.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    namespace::Namespace,
    prometheus::Prometheus,
    support::{
        program::{Program, readscope},
        waiting::wait_until,
    },
};

/// The demo's story takes about two minutes at its own speed.
const WITHIN: Duration = Duration::from_secs(300);

/// The expressions of every panel, with the variables of somebody who has chosen nothing.
fn panels() -> Vec<(String, Vec<String>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/readscope.json");
    let text = fs::read_to_string(path).expect("the dashboard is there");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let chosen = |expression: &str| {
        let variables = [("$__rate_interval", "15s"), ("$__range", "10m"), ("$job", ".+"), ("$instance", ".+")];
        let more = [("$target", ".+"), ("$replica", ".+")];
        variables.iter().chain(&more).fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
    };
    let panels = dashboard["panels"].as_array().expect("it has panels").iter().filter(|panel| panel["type"] != "row");
    panels
        .map(|panel| {
            let targets = panel["targets"].as_array().expect("a panel asks something").iter();
            let expressions = targets.map(|target| chosen(target["expr"].as_str().expect("in PromQL")));
            (panel["title"].as_str().expect("a panel has a title").to_owned(), expressions.collect())
        })
        .collect()
}

#[test]
fn every_panel_of_the_dashboard_shows_something_of_the_demo() {
    let _namespace = Namespace::enter();
    let mut demo = Program::start(&mut readscope(&["demo", "--no-tui", "--web.listen-address", "127.0.0.1:10306"]));
    let prometheus = Prometheus::scraping(([127, 0, 0, 1], 10306).into());
    let panels = panels();
    assert!(panels.len() > 20, "{panels:?}");
    // A panel may show its data only during an act, so each query is asked until it was answered once.
    let mut open: BTreeSet<&str> = panels.iter().flat_map(|(_, expressions)| expressions).map(String::as_str).collect();
    let end = Instant::now() + WITHIN;
    wait_until("every panel to have shown something", 2 * WITHIN, || {
        assert!(demo.is_running(), "{:?}", demo.log());
        open.retain(|expression| prometheus.values(expression) == 0);
        open.is_empty() || Instant::now() > end
    });
    assert!(open.is_empty(), "nothing in {WITHIN:?} for {open:#?}");
}
