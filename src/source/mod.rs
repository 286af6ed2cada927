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

/// What a task returned that nobody aborts, so that a join error is a panic. It continues in the supervisor.
fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
