//! The command line: what is refused and how it says so, `check`'s verdicts and exit codes, secrets, pages.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attach;
mod check;
mod configuration;
mod files;
mod options;
mod pages;
#[path = "../support/mod.rs"]
mod support;
mod wait;
