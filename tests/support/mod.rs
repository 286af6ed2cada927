//! What the tests that need no real server share: hostile and good `MySQL` servers on loopback, the built program, and
//! an HTTP client.

#![allow(dead_code, reason = "each test crate uses its own part of it")]

pub(crate) mod cluster;
pub(crate) mod exporter;
pub(crate) mod fixtures;
pub(crate) mod golden;
pub(crate) mod http;
pub(crate) mod program;
pub(crate) mod random;
pub(crate) mod replicas;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod waiting;
pub(crate) mod wire;
