//! The HTTP side: live page and its events, metrics, JSON API, health, readiness, configuration.

mod answer;
mod connections;
mod events;
mod feed;
mod page;
mod routes;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::events::Streams;
use super::metrics::Exposition;
use crate::model::Snapshot;

/// What is served.
#[derive(Debug)]
pub struct Site {
    snapshots: watch::Receiver<Snapshot>,
    exposition: Exposition,
    streams: Streams,
    /// The effective configuration, secrets hidden.
    configuration: String,
    stop: CancellationToken,
}

impl Site {
    /// A site that shows the latest of `snapshots` and the text `configuration`, until `stop` is cancelled.
    #[must_use]
    pub fn new(snapshots: watch::Receiver<Snapshot>, configuration: String, stop: CancellationToken) -> Self {
        Self { snapshots, exposition: Exposition::new(), streams: Streams::default(), configuration, stop }
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }
}
