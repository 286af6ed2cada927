//! What is served under which path.

use std::sync::Arc;

use hyper::{
    Method, Request, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};

use super::{
    Site,
    answer::{Answer, accepts_gzip, content, internal, json, packed, text},
    page::File,
};
use crate::view::{
    api::{ScaleEvents, Targets},
    metrics,
};

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
enum Route {
    Page(File),
    Events,
    Metrics,
    Targets,
    ScaleEvents,
    Configuration,
    Healthy,
    Ready,
}

impl Site {
    pub(super) async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let Some(route) = Route::of(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "There is nothing here; see / for what there is.\n");
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are possible here.\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match route {
            Route::Page(file) => file.answer(request.headers()),
            Route::Events => self.events(&request),
            Route::Metrics => {
                let gzip = accepts_gzip(request.headers());
                // Rendering thousands of series must not delay samples, which run on the one event loop.
                let rendered = tokio::task::spawn_blocking(move || self.metrics(gzip)).await;
                rendered.unwrap_or_else(|error| internal(&error))
            }
            Route::Targets => {
                let rendered = tokio::task::spawn_blocking(move || json(&Targets::of(&self.snapshot()))).await;
                rendered.unwrap_or_else(|error| internal(&error))
            }
            Route::ScaleEvents => json(&ScaleEvents::of(&self.snapshot())),
            Route::Configuration => content("application/yaml; charset=utf-8", self.configuration.clone()),
            Route::Healthy => text(StatusCode::OK, "readscope is healthy.\n"),
            Route::Ready => match self.not_ready() {
                None => text(StatusCode::OK, "readscope is ready.\n"),
                Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
        }
    }

    fn metrics(&self, gzip: bool) -> Answer {
        let snapshot = self.snapshot();
        let rendered = match self.exposition.render(&snapshot) {
            Ok(rendered) => rendered,
            Err(error) => return internal(&error),
        };
        if !gzip {
            return content(metrics::CONTENT_TYPE, rendered);
        }
        packed(metrics::CONTENT_TYPE, rendered.as_bytes())
    }

    /// Why it is not ready; the configuration is loaded and the listener up, or nobody could ask.
    fn not_ready(&self) -> Option<String> {
        if self.stop.is_cancelled() {
            return Some("readscope is shutting down.\n".to_owned());
        }
        let snapshot = self.snapshots.borrow();
        let watches = snapshot.cluster.iter().flat_map(|told| &told.watches);
        if let Some((name, _)) = watches.clone().find(|(_, watch)| !watch.settled()) {
            return Some(format!("The first list of {} is not received yet.\n", name.kind.resource()));
        }
        let waiting = snapshot.targets.iter().find(|target| target.samples == 0)?;
        Some(format!("The first sample of {} is not over yet.\n", waiting.name))
    }
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        match path {
            "/api/v1/events" => Some(Self::Events),
            "/metrics" => Some(Self::Metrics),
            "/api/v1/targets" => Some(Self::Targets),
            "/api/v1/scale-events" => Some(Self::ScaleEvents),
            "/config" => Some(Self::Configuration),
            "/-/healthy" | "/healthz" => Some(Self::Healthy),
            "/-/ready" | "/readyz" => Some(Self::Ready),
            _ => File::at(path).map(Self::Page),
        }
    }
}
