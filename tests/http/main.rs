//! The web side: paths, the API's shape, the exposition to the letter, clients that misbehave, and how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod access;
mod api;
mod clients;
mod documents;
mod events;
mod http2;
mod lifecycle;
mod limits;
mod page;
mod paths;
mod reload;
#[path = "../support/mod.rs"]
mod support;
mod targets;
