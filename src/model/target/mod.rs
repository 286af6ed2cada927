//! All that is known about one target.

mod burst;
mod conditions;
mod expected_replicas;
mod replica;
mod replicas;
mod resequencer;
mod share_reason;
mod target;
mod trend;

pub use replica::Role;
pub use replicas::{OTHER, REPLICAS_MAX};
pub use share_reason::{ShareBasis, Why};
pub use target::{TargetId, TargetSpec};
pub use trend::{Trend, TrendPoint};

pub(crate) use replica::Replica;
pub(crate) use target::{Read, Target};
