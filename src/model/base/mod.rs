//! Building blocks of the model: time, counts, names and limits.

mod cached;
mod condition;
mod count;
mod histogram;
mod human_duration;
mod limits;
mod moment;
mod named_enum;
mod names;
mod severity;

pub use histogram::Histogram;
pub use limits::{OTHER, REPLICAS_MAX, SERVICE_PORT};
pub use moment::Moment;
pub use names::{ObjectName, ObjectNameError, PodRef};
pub use severity::Severity;

pub(crate) use cached::Cached;
pub(crate) use condition::{Condition, NOTICE_EVERY, Progress};
pub(crate) use count::Count;
pub(crate) use human_duration::HumanDuration;
pub(crate) use limits::GRACE;
pub(crate) use named_enum::named_enum;
pub(crate) use names::is_host_of;
