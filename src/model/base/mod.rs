//! Building blocks of the model: time, counts, names and limits.

mod cached;
mod condition;
mod histogram;
mod limits;
mod moment;
mod named_enum;
mod names;
mod quantities;
mod severity;

pub use histogram::Histogram;
pub use limits::{OTHER, REPLICAS_MAX, SERVICE_PORT};
pub use moment::Moment;
pub use names::{ObjectName, ObjectNameError, PodRef};
pub use severity::Severity;

pub(crate) use cached::Cached;
pub(crate) use condition::{Condition, NOTICE_EVERY, Progress};
pub(crate) use limits::GRACE;
pub(crate) use named_enum::named_enum;
pub(crate) use names::is_host_of;
pub(crate) use quantities::{Count, HumanDuration};
