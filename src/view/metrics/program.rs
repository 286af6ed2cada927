//! Metrics of readscope itself: its configuration and its version.

use super::{
    Definition, Kind,
    family::{Family, Value},
    seconds,
};
use crate::model::{ConfigStatus, Snapshot};

pub(super) const METRICS: &[Definition] = &[
    Definition {
        name: "readscope_config_last_reload_successful",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 if the last configuration reload succeeded, 0 if it was refused and the previous configuration stays \
               in effect.",
        read: |snapshot, family| configured(snapshot, family, |configured| configured.refused.is_none()),
    },
    Definition {
        name: "readscope_config_last_reload_success_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &[],
        help: "Time at which the configuration in effect was loaded.",
        read: |snapshot, family| configured(snapshot, family, |configured| seconds(configured.since.wall)),
    },
    Definition {
        name: "readscope_leader",
        kind: Kind::Gauge,
        labels: &[],
        help: "1 while this readscope counts scale events, 0 while another one with the same Lease does; absent without a \
               Lease.",
        read: |snapshot, family| {
            if let Some(leads) = snapshot.cluster.as_ref().and_then(|cluster| cluster.leads) {
                family.series(&[], leads);
            }
        },
    },
    Definition {
        name: "readscope_build_info",
        kind: Kind::Gauge,
        labels: &["version"],
        help: "Version of readscope; always 1.",
        read: |_, family| family.series(&[env!("CARGO_PKG_VERSION")], true),
    },
];

fn configured<V: Into<Value>>(snapshot: &Snapshot, family: &mut Family, value: fn(&ConfigStatus) -> V) {
    if let Some(configured) = &snapshot.config_status {
        family.series(&[], value(configured));
    }
}
