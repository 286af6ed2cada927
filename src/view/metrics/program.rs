//! Metrics of readscope itself: its configuration and its version.

use super::{
    Definition,
    Series::{Once, Other},
    gauge, seconds,
};

/// The image and the release set it.
const REVISION: &str = match option_env!("READSCOPE_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// The compiler's version.
pub const RUSTC: &str = env!("READSCOPE_RUSTC");

pub(super) const METRICS: &[Definition] = &[
    gauge(
        "readscope_config_last_reload_successful",
        "1 if the last configuration reload succeeded, 0 if it was refused and the previous configuration stays \
         in effect.",
        Once(|snapshot| Some(snapshot.config_status.as_ref()?.refused.is_none().into())),
    ),
    gauge(
        "readscope_config_last_reload_success_timestamp_seconds",
        "Time at which the configuration in effect was loaded.",
        Once(|snapshot| Some(seconds(snapshot.config_status.as_ref()?.since.wall).into())),
    ),
    gauge(
        "readscope_leader",
        "1 while this readscope counts scale events, 0 while another one with the same Lease does; absent without a \
         Lease.",
        Once(|snapshot| Some(snapshot.cluster.as_ref()?.leads?.into())),
    ),
    gauge(
        "readscope_build_info",
        "Version of readscope, the commit and the compiler it was built from; always 1.",
        Other(&["version", "revision", "rustc"], |_, family| {
            family.series(&[env!("CARGO_PKG_VERSION"), REVISION, RUSTC], true);
        }),
    ),
];
