//! Output formats. Each renders the same [`Snapshot`](crate::model::Snapshot) and computes nothing of its own.

pub mod log;
pub mod metrics;
pub mod report;
pub mod tape;
pub mod terminal;
pub mod web;
