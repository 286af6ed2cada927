//! How soon the detector alarms, and how seldom without cause: the shipped code on simulated answers with fixed seeds.
//!
//! `docs/verdict.md` has the table and the picture that this makes. Many more runs: `cargo bench --bench verdict`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod delay;
#[path = "../support/golden.rs"]
mod golden;
mod guarantee;
mod length;
mod picture;
#[allow(dead_code, reason = "each test crate uses its own part of it")]
#[path = "../support/random.rs"]
mod random;
mod reads;
mod table;

use std::{fs, path::Path};

/// Before and after the table in the page.
const MARKS: (&str, &str) = ("<!-- the simulation's table -->\n\n", "\n<!-- its end -->");

#[test]
fn the_page_of_the_verdict_has_the_table_that_the_simulation_makes() {
    // As many runs as a test without optimisation has time for, where chance makes the most of the mean.
    let rows = table::rows(|case| match (case.weights.len(), case.reference) {
        (11.., _) => 20,
        (..=9, 100.0..1000.0) => 400,
        _ => 100,
    });
    let path = "docs/verdict.md";
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (before, rest) = page.split_once(MARKS.0).expect("the page has the mark before the table");
    let (_, after) = rest.split_once(MARKS.1).expect("the page has the mark after the table");
    golden::assert_is(path, &format!("{before}{}{}{}{after}", MARKS.0, table::markdown(&rows), MARKS.1));
}

#[test]
fn the_picture_of_the_verdict_is_what_the_simulation_makes() {
    golden::assert_is("docs/verdict.svg", &picture::svg());
}
