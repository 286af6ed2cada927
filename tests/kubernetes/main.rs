//! readscope in a whole Kubernetes: deployed as users deploy it, by `deploy/` and its image, beside the MySQL of `manifests/`;
//! and as a process beside the MySQL of `tests/cluster/mysql.yaml`, while that is scaled, broken and fixed.
//!
//! `turn` gives each test its cluster; each folder has the tests with the same needs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr, reason = "how long the steps took is for whoever runs the tests")]

use std::time::Duration;

use support::deploy;

// Tools of the tests.
mod cluster;
mod deployed;
mod image;
mod kube_proxy;
mod lab;
mod link;
mod mysql;
mod scaled_replica;
#[path = "../support/mod.rs"]
mod support;
mod turn;
mod unreachable;
mod witness;

// The tests.
mod beside_mysql;
mod components;
mod from_nothing;
mod running;
mod watching;

/// On a busy machine, each of three replicas may take a minute to start.
const WITHIN: Duration = Duration::from_secs(400);
