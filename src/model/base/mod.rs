//! What every part of the model is made of: time, counts, names and limits.

mod condition;
mod histogram;
mod moment;

pub use histogram::Histogram;
pub use moment::Moment;

pub(crate) use condition::{Episode, Progress, TOLD_EVERY};
