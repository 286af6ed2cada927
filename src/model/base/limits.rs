//! Bounds and times that several parts of the model share.

use std::time::Duration;

/// How many replicas a target may have; those past that count as [`OTHER`], so that label sets stay bounded.
pub const REPLICAS_MAX: usize = 64;

/// The name under which replicas past [`REPLICAS_MAX`] are counted.
pub const OTHER: &str = "other";

/// After this time an answer weighs half as much in a share.
pub(crate) const SHARE_HALF_LIFE: Duration = Duration::from_secs(300);

/// How long the routing may lag behind what Kubernetes says.
pub(crate) const GRACE: Duration = Duration::from_secs(30);
