//! Where facts come from: each part observes one thing and tells the model in its [`Event`](crate::model::Event)s.

mod cause;
pub mod direct;
pub mod exporter;
pub mod kubernetes;
pub mod mysql;
mod resolve;
pub mod schedule;

pub use resolve::{Resolver, ResolverError};
