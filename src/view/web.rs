//! The HTTP server: live page and events, metrics, JSON API, health, readiness, configuration.

mod access;
mod activity;
mod connections;
mod events;
mod feed;
mod page;
mod renderer;
mod response;
mod routes;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub use self::{access::Access, renderer::RENDERINGS_MAX};

use self::{events::Streams, renderer::Renderer};
use super::metrics::{Counts, Exposition};
use crate::model::Snapshot;

pub type Reload = oneshot::Sender<Result<(), String>>;

pub struct Site {
    snapshots: watch::Receiver<Snapshot>,
    exposition: Exposition,
    streams: Streams,
    renderer: Renderer,
    /// The effective configuration, without secrets.
    configuration: watch::Receiver<String>,
    /// `None` if reload by HTTP is disabled.
    reload: Option<mpsc::Sender<Reload>>,
    access: watch::Receiver<Arc<Access>>,
    /// Before every path; empty, or it starts with a slash and does not end with one.
    prefix: String,
    stop: CancellationToken,
}

impl Site {
    pub fn new(
        snapshots: watch::Receiver<Snapshot>,
        configuration: watch::Receiver<String>,
        stop: CancellationToken,
    ) -> Self {
        let (_, access) = watch::channel(Arc::new(Access::open()));
        Self {
            snapshots,
            exposition: Exposition::default(),
            streams: Streams::default(),
            renderer: Renderer::default(),
            configuration,
            reload: None,
            access,
            prefix: String::new(),
            stop,
        }
    }

    pub fn with_reload(self, reload: mpsc::Sender<Reload>) -> Self {
        Self { reload: Some(reload), ..self }
    }

    pub fn with_access(self, access: watch::Receiver<Arc<Access>>) -> Self {
        Self { access, ..self }
    }

    pub fn with_counts(mut self, counts: Counts) -> Self {
        self.exposition.counts = counts;
        self
    }

    pub fn with_prefix(self, prefix: String) -> Self {
        Self { prefix, ..self }
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }
}
