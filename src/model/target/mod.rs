//! One target: its replicas, conditions and snapshot.

mod burst;
mod condition;
mod conditions;
mod expected_replicas;
mod health;
mod notice;
mod pod_servers;
mod read_counters;
mod read_history;
mod replica;
mod replicas;
mod resequencer;
mod share_reason;
mod slowness;
mod snapshot;
mod spec;
mod status;
mod target;

pub use condition::{ConditionKind, ReplicaCondition};
pub use notice::TargetNotice;
pub use read_history::TrendPoint;
pub use snapshot::{AnswerSeen, FailureSeen, ReplicaSnapshot, TargetSnapshot};
pub use spec::{TargetId, TargetSpec};
pub use status::Status;

pub(crate) use target::Target;
