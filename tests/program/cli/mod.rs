//! The command line: errors, exit codes, verdicts of `check`, secrets, help.

mod attach;
mod check;
mod configuration;
mod files;
mod options;
mod pages;
mod wait;
