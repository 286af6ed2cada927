//! Shared by the test crates: hostile and working `MySQL` servers on loopback, the built program, an HTTP client, and the
//! real programs that `tests/servers` obtains.

#![allow(dead_code, reason = "each test crate uses its own part of it")]

pub(crate) mod alertmanager;
pub(crate) mod api_server;
pub(crate) mod certificates;
pub(crate) mod closed_port;
pub(crate) mod cluster;
pub(crate) mod commands;
pub(crate) mod deploy;
pub(crate) mod exporter;
pub(crate) mod fixtures;
pub(crate) mod fleet;
pub(crate) mod golden;
pub(crate) mod http;
pub(crate) mod metric_reference;
pub(crate) mod obtained;
pub(crate) mod panels;
pub(crate) mod program;
pub(crate) mod prometheus;
pub(crate) mod random;
pub(crate) mod replicas;
pub(crate) mod rules;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod waiting;
pub(crate) mod wire;
