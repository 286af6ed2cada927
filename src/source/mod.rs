//! Where facts come from: each part observes one thing and tells the model in its [`Event`](crate::model::Event)s.

mod containment;
mod failure;
pub mod fake;
mod identity;
pub mod kubernetes;
pub mod mysql;
mod resolve;
pub mod schedule;

pub use containment::quieten_contained_panics;
pub use resolve::{Resolver, ResolverError};
