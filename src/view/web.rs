//! The HTTP side: metrics, JSON API, health, readiness, configuration.

mod answer;
mod connections;
mod routes;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::metrics::Exposition;
use crate::model::Snapshot;

/// What is served.
#[derive(Debug)]
pub struct Site {
    snapshots: watch::Receiver<Snapshot>,
    exposition: Exposition,
    /// The effective configuration, secrets hidden.
    configuration: String,
    stop: CancellationToken,
}

impl Site {
    /// A site that shows the latest of `snapshots` and the text `configuration`, until `stop` is cancelled.
    #[must_use]
    pub fn new(snapshots: watch::Receiver<Snapshot>, configuration: String, stop: CancellationToken) -> Self {
        Self { snapshots, exposition: Exposition::new(), configuration, stop }
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }
}
