//! The paths and their responses.

use std::sync::Arc;

use hyper::{
    Method, Request, StatusCode, Version,
    body::{Body, Incoming},
    header::{self, HeaderValue},
};
use tokio::sync::oneshot;

use super::{
    Access, Site,
    answer::{
        Answer, Pieces, accepts_gzip, buffered, content, gzip, internal, json, packed, rendered, text, without_body,
    },
    page::File,
};
use crate::{
    api::{ScaleEvents, Targets},
    view::metrics,
};

/// Request bodies are never read. A longer one is refused.
const BODY_BYTES_MAX: u64 = 4096;

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
    Reload,
}

impl Site {
    pub(super) async fn respond(self: Arc<Self>, request: Request<Incoming>, access: Arc<Access>) -> Answer {
        // For HTTP/1.1, hyper drops the body itself.
        let head_alone = *request.method() == Method::HEAD && request.version() == Version::HTTP_2;
        let mut answer = match access.admit(request.headers()).await {
            Ok(()) => self.lead(request).await,
            Err(refused) => refused,
        };
        access.dress(&mut answer);
        if head_alone { without_body(answer) } else { answer }
    }

    async fn lead(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let Some(route) = Route::of(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "There is nothing here; see / for what there is.\n");
        };
        let (possible, allow) = match route {
            Route::Reload => (*request.method() == Method::POST, "POST"),
            _ => (matches!(*request.method(), Method::GET | Method::HEAD), "GET, HEAD"),
        };
        if !possible {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("Only {allow} is possible here.\n"));
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
            return answer;
        }
        if request.body().size_hint().lower() > BODY_BYTES_MAX {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "No request here needs a body.\n");
        }
        match route {
            Route::Page(file) => file.answer(request.headers()),
            Route::Events => self.events(&request),
            Route::Metrics => {
                let (compressed, site) = (accepts_gzip(request.headers()), Arc::clone(&self));
                self.renderer.answer(move || site.metrics(compressed)).await
            }
            Route::Targets => {
                let site = Arc::clone(&self);
                self.renderer.answer(move || json(&Targets::of(&site.snapshot()))).await
            }
            Route::ScaleEvents => json(&ScaleEvents::of(&self.snapshot())),
            Route::Configuration => content("application/yaml; charset=utf-8", self.configuration.borrow().clone()),
            Route::Reload => self.reload().await,
            Route::Healthy => text(StatusCode::OK, "readscope is healthy.\n"),
            Route::Ready => match self.not_ready() {
                None => text(StatusCode::OK, "readscope is ready.\n"),
                Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
        }
    }

    fn metrics(&self, compressed: bool) -> Answer {
        let snapshot = self.snapshot();
        let answer = if compressed {
            let body = gzip(|to| self.exposition.write(&snapshot, to));
            body.map(|body| packed(content(metrics::CONTENT_TYPE, body)))
        } else {
            let body = buffered(Pieces::default(), |to| self.exposition.write(&snapshot, to));
            body.map(|body| rendered(metrics::CONTENT_TYPE, body))
        };
        answer.unwrap_or_else(|error| internal(&error))
    }

    async fn reload(&self) -> Answer {
        let Some(reload) = &self.reload else {
            return text(StatusCode::FORBIDDEN, "Reloading is off; start readscope with --web.enable-lifecycle.\n");
        };
        let (wish, loaded) = oneshot::channel();
        // A full queue is refused: a reload that is already waiting covers this request.
        if reload.try_send(wish).is_err() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "Too many reloads are waiting.\n");
        }
        match loaded.await {
            Ok(Ok(())) => text(StatusCode::OK, "The configuration was loaded anew.\n"),
            Ok(Err(why)) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")),
            Err(_) => text(StatusCode::SERVICE_UNAVAILABLE, "readscope is shutting down.\n"),
        }
    }

    /// Why readscope is not ready. A configuration is loaded and the HTTP server listens already.
    fn not_ready(&self) -> Option<String> {
        if self.stop.is_cancelled() {
            return Some("readscope is shutting down.\n".to_owned());
        }
        let snapshot = self.snapshots.borrow();
        let watches = snapshot.cluster.iter().flat_map(|told| &told.watches);
        if let Some((name, _)) = watches.clone().find(|(_, watch)| !watch.settled()) {
            return Some(format!("The first list of {} is not received yet.\n", name.kind.resource()));
        }
        let waiting = snapshot.targets.iter().find(|target| target.probes == 0)?;
        Some(format!("The first probe of {} is not over yet.\n", waiting.name))
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
            "/-/reload" => Some(Self::Reload),
            _ => File::at(path).map(Self::Page),
        }
    }
}
