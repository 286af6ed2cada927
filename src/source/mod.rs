//! Sources of facts: each observes one thing and sends [`Event`](crate::model::Event)s to the model.

mod cause;
pub mod exporter;
pub mod gate;
pub mod kubernetes;
pub mod mysql;
mod own_traffic;
pub mod pod_probes;
mod resolve;
pub mod schedule;

pub use own_traffic::OwnTraffic;
pub use resolve::{Resolver, ResolverError};
