//! Sources of facts: each observes one thing and sends [`Event`](crate::model::Event)s to the model.

mod cause;
pub mod direct;
pub mod exporter;
pub mod kubernetes;
pub mod mysql;
mod resolve;
pub mod schedule;

pub use resolve::{Resolver, ResolverError};
