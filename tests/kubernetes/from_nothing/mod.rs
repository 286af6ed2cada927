//! Tests that start in a new cluster.

mod lab;
mod page;
mod rendering;
mod runbook;
