//! Metrics about the configuration.

use prometheus::proto::MetricFamily;

use super::{
    Definition, Kind, define,
    family::{family, gauge, seconds},
};
use crate::model::Configured;

pub(super) const SUCCESSFUL: Definition = define(
    "readscope_config_last_reload_successful",
    Kind::Gauge,
    &[],
    "1 if the last configuration that was loaded is in force, 0 if it was refused and the one before still is.",
);
pub(super) const SUCCESS_TIME: Definition = define(
    "readscope_config_last_reload_success_timestamp_seconds",
    Kind::Gauge,
    &[],
    "When the configuration in force was loaded.",
);

pub(super) fn families(configured: &Configured) -> Vec<MetricFamily> {
    let successful = f64::from(u8::from(configured.refused.is_none()));
    vec![
        family(SUCCESSFUL, vec![gauge(&[], successful)]),
        family(SUCCESS_TIME, vec![gauge(&[], seconds(configured.since.wall))]),
    ]
}
