//! readscope shows which replicas of MySQL serve the reads of a Service, and when a new replica starts to serve.
//!
//! [`source`] collects events, [`model`] evaluates them, [`view`] shows results, and [`command`] connects the three.
//! `source` and `view` never refer to each other; both use the JSON documents of [`api`]. `model` depends on none of
//! them and does no I/O. Only [`command`] uses [`demo`], which simulates servers and a cluster.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare numbers that are exact"))]

pub mod api;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod demo;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod model;
pub mod panics;
pub mod source;
pub mod view;
