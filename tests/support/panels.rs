//! The queries of the dashboard.

use std::{fs, path::Path};

use serde_json::Value;

/// A panel's title and its queries.
pub(crate) type Panel = (String, Vec<String>);

/// Every panel with default variables, with rates over this time.
pub(crate) fn panels(rate_interval: &str) -> Vec<Panel> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/readscope.json");
    let text = fs::read_to_string(path).expect("the dashboard is there");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let chosen = |expression: &str| {
        let variables = [("$__rate_interval", rate_interval), ("$__range", "10m"), ("$job", ".+"), ("$instance", ".+")];
        let more = [("$target", ".+"), ("$replica", ".+"), ("$cluster", ".*"), ("$namespace", ".*")];
        variables.iter().chain(&more).fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
    };
    let panels = dashboard["panels"].as_array().expect("it has panels").iter().filter(|panel| panel["type"] != "row");
    panels
        .map(|panel| {
            let targets = panel["targets"].as_array().expect("a panel has queries").iter();
            let expressions = targets.map(|target| chosen(target["expr"].as_str().expect("in PromQL")));
            (panel["title"].as_str().expect("a panel has a title").to_owned(), expressions.collect())
        })
        .collect()
}
