//! The command line: errors, exit codes, verdicts of `check`, secrets, help.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod attach;
mod check;
mod configuration;
mod export;
mod files;
mod options;
mod pages;
#[path = "../support/mod.rs"]
mod support;
mod wait;
