//! Lag of replicas behind the primary, and stale reads.

mod freshness;
mod gtid;
mod gtid_history;
mod gtid_parse;
mod pod_probes;
#[cfg(test)]
mod simulation;

pub use freshness::Lag;
pub use gtid::GtidSet;

pub(crate) use pod_probes::{PodFailing, PodProbes};
