//! What begins in a cluster in which nothing was ever deployed.

mod lab;
mod page;
mod rendering;
mod runbook;
