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
    let prometheus = Prometheus::scraping(([127, 0, 0, 1], 10306).into());
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
