//! readscope shows where the reads of a replicated MySQL go, and when a new replica really serves.
//!
//! [`source`] brings facts in, [`model`] draws conclusions from them, [`view`] shows those, and [`command`] wires the
//! three together. `source` and `view` never name each other; `model` names none of the others and does no I/O. [`demo`]
//! is a stage to show all of it on, of which none of the three knows.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare numbers that are exact"))]

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
