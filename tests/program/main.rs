//! The built program, as its users and those who disturb it meet it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;
mod demo;
mod faults;
mod http;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
