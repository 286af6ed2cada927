//! readscope against real servers: replicated MySQL and MariaDB behind the kernel's load balancer, scraped by a real
//! Prometheus; and Kubernetes through real proxies.
//!
//! `tests/run` obtains the servers. Every test has a network namespace and servers of its own, so that all of them run
//! at once, and nothing of a test is left when it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

// Tools of the tests.
mod balancer;
mod dns;
mod mariadb;
mod mysql;
mod namespace;
mod readscope;
mod recorder;
mod run_directory;
mod service;
mod sql;
#[path = "../support/mod.rs"]
mod support;

use support::{certificates, commands as program, obtained, panels, prometheus};

// The tests.
mod api_server;
mod checking;
mod clients;
mod clock;
mod counting;
mod dashboard;
mod failover;
mod faults;
mod freshness;
mod harm;
mod identity;
mod load;
mod names;
mod network;
mod proxies;
mod queries;
mod refusals;
mod reloading;
mod routing;
mod rules;
mod scaling;
mod scraping;
mod slow;
mod suspended;
mod tls;
mod verdict;
mod web;
