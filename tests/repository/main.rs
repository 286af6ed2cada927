//! What the repository holds beside the program: documentation, references, rules, dashboards, manifests and scripts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod architecture;
mod delivery;
mod documentation;
mod monitoring;
mod reference;
mod release;
#[path = "../support/mod.rs"]
mod support;

use std::{fs, path::Path};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of a file, by its path in the repository.
fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}
