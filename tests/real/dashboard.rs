//! The dashboard's queries to a real Prometheus that has scraped a scale event and an imbalance.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{
    namespace::Namespace,
    panels::panels,
    prometheus::Prometheus,
    support::{
        commands::mortal,
        program::{Program, readscope},
        waiting::wait_until,
    },
};

/// The demo's story takes about two minutes at its own speed.
const WITHIN: Duration = Duration::from_secs(300);

#[test]
fn every_panel_of_the_dashboard_shows_data_of_the_demo() {
    let _namespace = Namespace::enter();
    let mut demo = Program::start(&mut readscope(&["demo", "--no-tui", "--web.listen-address", "127.0.0.1:10306"]));
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/alerts/readscope.rules.yaml");
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}']
scrape_configs: [{{job_name: readscope, honor_labels: true, static_configs: [{{targets: ['127.0.0.1:10306']}}]}}]\n"
    );
    let prometheus = Prometheus::start(mortal("env"), &configuration, &[]);
    let panels = panels("15s");
    assert!(panels.len() > 20, "{panels:?}");
    // A panel may have data only during one step, so each query is repeated until it has a result.
    let mut open: BTreeSet<&str> = panels.iter().flat_map(|(_, expressions)| expressions).map(String::as_str).collect();
    let end = Instant::now() + WITHIN;
    wait_until("data for every panel", 2 * WITHIN, || {
        assert!(demo.is_running(), "{:?}", demo.log());
        open.retain(|expression| prometheus.values(expression) == 0);
        open.is_empty() || Instant::now() > end
    });
    assert!(open.is_empty(), "nothing in {WITHIN:?} for {open:#?}");
}
