//! readscope on a real Kubernetes: a node of the tests' own, brought up by `tests/cluster`, or the cluster that `KUBECONFIG`
//! names.
//!
//! One cluster serves all tests, one after the other. Those in `anywhere` do with any cluster; those in `own` stop parts of
//! it and read its node's rules, and always bring up the tests' own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "how long the steps took is for whoever runs the tests")]

// What the tests need.
mod alertmanager;
mod cluster;
mod kube_proxy;
mod lab;
mod link;
#[path = "../real/obtained.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod obtained;
#[path = "../real/program.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod program;
#[path = "../real/prometheus.rs"]
#[allow(dead_code, reason = "each test crate uses its own part of it")]
mod prometheus;
mod rules;
#[path = "../support/mod.rs"]
mod support;
mod telling;
mod witness;

// The tests.
mod anywhere;
mod own;
