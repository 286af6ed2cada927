//! Ways to show a [`Snapshot`](crate::model::Snapshot). Each renders the same picture; none of them computes one.

pub mod api;
pub mod log;
pub mod metrics;
pub mod tape;
pub mod terminal;
pub mod web;
