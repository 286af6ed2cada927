//! Metrics about the configuration.

use super::{Definition, Kind, Text, define, seconds};
use crate::model::ConfigStatus;

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

pub(super) fn write(text: &mut Text<'_>, configured: &ConfigStatus) {
    text.family(SUCCESSFUL).series(&[], configured.refused.is_none());
    text.family(SUCCESS_TIME).series(&[], seconds(configured.since.wall));
}
