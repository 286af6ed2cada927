//! Notices as log lines.

use crate::model::{Notice, Severity};

/// Writes what is new about `target` into the log, at the level of its severity.
pub fn notice(target: &str, notice: &Notice) {
    match notice.severity() {
        Severity::Info => tracing::info!(target, "{notice}"),
        Severity::Warning => tracing::warn!(target, "{notice}"),
    }
}
