//! readscope in a whole Kubernetes, deployed as users deploy it: by `deploy/` and its image, beside the MySQL of
//! `manifests/`.
//!
//! `tests/cluster` brings a cluster up for each test and takes it down with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "how long the steps took is for whoever runs the tests")]

// What the tests need.
mod cluster;
mod deployed;
mod image;
mod mysql;
#[path = "../support/waiting.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod waiting;

// The tests.
mod components;
mod lab;
mod rendering;
mod rights;
mod running;
