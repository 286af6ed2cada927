//! Limits that several parts of the model share.

use std::time::Duration;

/// Replicas per target. Further replicas count as [`OTHER`], which bounds the label sets.
pub const REPLICAS_MAX: usize = 64;

pub const OTHER: &str = "other";

/// Routing may lag behind Kubernetes by this time.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// Where a target and its Service say nothing else.
pub const SERVICE_PORT: u16 = 3306;
