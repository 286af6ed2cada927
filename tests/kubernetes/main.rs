//! readscope in a whole Kubernetes, deployed as users deploy it: by `deploy/` and its image, beside the MySQL of
//! `manifests/`.
//!
//! `tests/cluster` brings a cluster up for each test and takes it down with it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "how long the steps took is for whoever runs the tests")]

// What the tests need.
#[path = "../real/certificates.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod certificates;
mod cluster;
mod deploy;
mod deployed;
mod image;
mod mysql;
#[path = "../real/obtained.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod obtained;
mod page;
#[path = "../real/panels.rs"]
mod panels;
#[path = "../real/program.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod program;
#[path = "../real/prometheus.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod prometheus;
#[path = "../support/mod.rs"]
mod support;

// The tests.
mod components;
mod everywhere;
mod lab;
mod rendering;
mod rights;
mod rotation;
mod runbook;
mod running;
