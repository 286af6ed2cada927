//! The paths and their responses.

use std::{mem::discriminant, sync::Arc};

use hyper::{
    Method, Request, StatusCode, Version,
    body::{Body, Incoming},
    header::{self, HeaderValue},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Access, Site,
    page::File,
    response::{
        Pieces, Response, accepts_gzip, content, gzip, gzipped, in_pieces, internal, json, text, with_header,
        without_body,
    },
};
use crate::{
    api::{ScaleEvents, Targets},
    view::metrics,
};

/// Request bodies are never read. A longer one is refused.
const BODY_BYTES_MAX: u64 = 4096;

/// Users of other exporters look for it.
const NO_PROBE: &str = "\
readscope has no /probe: it compares many reads over time, which one scrape cannot do; list the Services in the \
configuration file, or let `discover` find them by a label: \
https://github.com/readscope/readscope/blob/main/docs/targets.md#why-there-is-no-probetarget\n";

#[derive(Clone, Copy, Debug)]
enum Route {
    Page(&'static File),
    Events,
    Metrics,
    Probe,
    Targets,
    ScaleEvents,
    Configuration,
    Healthy,
    Ready,
    Reload,
}

/// Besides the files of the page.
const ROUTES: [(&str, Route); 11] = [
    ("/api/v1/events", Route::Events),
    ("/metrics", Route::Metrics),
    ("/probe", Route::Probe),
    ("/api/v1/targets", Route::Targets),
    ("/api/v1/scale-events", Route::ScaleEvents),
    ("/config", Route::Configuration),
    ("/-/healthy", Route::Healthy),
    ("/healthz", Route::Healthy),
    ("/-/ready", Route::Ready),
    ("/readyz", Route::Ready),
    ("/-/reload", Route::Reload),
];

impl Site {
    pub(super) async fn respond(self: Arc<Self>, request: Request<Incoming>, access: Arc<Access>) -> Response {
        // For HTTP/1.1, hyper drops the body itself.
        let without_content = *request.method() == Method::HEAD && request.version() == Version::HTTP_2;
        let counts = self.exposition.counts.clone();
        let route = request.uri().path().strip_prefix(&*self.prefix).and_then(Route::of);
        let mut response = match access.admit(request.headers()).await {
            Ok(()) => self.route(route, request).await,
            Err(refused) => {
                // A browser asks without a password first.
                let has_credentials = request.headers().contains_key(header::AUTHORIZATION);
                if has_credentials && refused.status() == StatusCode::UNAUTHORIZED {
                    counts.refused_login();
                }
                refused
            }
        };
        counts.request(response.status().as_str(), route.map_or("other", Route::handler));
        access.add_headers(&mut response);
        if without_content { without_body(response) } else { response }
    }

    async fn route(self: Arc<Self>, route: Option<Route>, request: Request<Incoming>) -> Response {
        let (path, prefix) = (request.uri().path(), &*self.prefix);
        let Some(route) = route else {
            if !prefix.is_empty() && ["/", prefix].contains(&path) {
                return to_page(path, prefix);
            }
            return text(StatusCode::NOT_FOUND, format!("No such path; the page at {prefix}/ links to the others.\n"));
        };
        let (allowed, allow) = match route {
            Route::Reload => (*request.method() == Method::POST, "POST"),
            _ => (matches!(*request.method(), Method::GET | Method::HEAD), "GET, HEAD"),
        };
        if !allowed {
            let response = text(StatusCode::METHOD_NOT_ALLOWED, format!("Method not allowed; use {allow}.\n"));
            return with_header(response, header::ALLOW, HeaderValue::from_static(allow));
        }
        if request.body().size_hint().lower() > BODY_BYTES_MAX {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large; readscope needs none.\n");
        }
        match route {
            Route::Page(file) => file.response(request.headers()),
            Route::Events => self.events(&request),
            Route::Metrics => {
                let (compressed, site) = (accepts_gzip(request.headers()), Arc::clone(&self));
                let began = Instant::now();
                let response = self.renderer.respond(move || site.metrics(compressed)).await;
                if response.status() == StatusCode::OK {
                    self.exposition.counts.scrape(began.elapsed());
                }
                response
            }
            Route::Targets => {
                let site = Arc::clone(&self);
                self.renderer.respond(move || json(&Targets::of(&site.snapshot()))).await
            }
            Route::Probe => text(StatusCode::BAD_REQUEST, NO_PROBE),
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

    fn metrics(&self, compressed: bool) -> Response {
        let snapshot = self.snapshot();
        self.exposition.counts.set_event_streams(self.streams.open());
        let response = if compressed {
            let body = gzip(|to| self.exposition.write(&snapshot, to));
            body.map(|body| gzipped(content(metrics::CONTENT_TYPE, body)))
        } else {
            let mut body = Pieces::default();
            self.exposition.write(&snapshot, &mut body).map(|()| in_pieces(metrics::CONTENT_TYPE, body))
        };
        response.unwrap_or_else(|error| internal(&error))
    }

    async fn reload(&self) -> Response {
        let Some(reload) = &self.reload else {
            return text(StatusCode::FORBIDDEN, "Reload by HTTP is disabled; enable it with --web.enable-lifecycle.\n");
        };
        let (request, loaded) = oneshot::channel();
        // A full queue is refused: a reload that is already waiting covers this request.
        if reload.try_send(request).is_err() {
            return text(StatusCode::SERVICE_UNAVAILABLE, "Too many reloads at once; try again later.\n");
        }
        match loaded.await {
            Ok(Ok(())) => text(StatusCode::OK, "The configuration was reloaded.\n"),
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
        let watches = snapshot.cluster.iter().flat_map(|cluster| &cluster.watches);
        if let Some((name, _)) = watches.clone().find(|(_, watch)| !watch.settled()) {
            return Some(format!("The first list of {} has not arrived yet.\n", name.kind.resource()));
        }
        let waiting = snapshot.targets.iter().find(|target| target.probes == 0)?;
        Some(format!("The first probe of {} has not finished yet.\n", waiting.name))
    }
}

/// Redirects to the page, whose links are relative. So is the redirect: a proxy may add another prefix.
fn to_page(path: &str, prefix: &str) -> Response {
    let from = path.rfind('/').map_or(0, |slash| slash + 1);
    let location = HeaderValue::from_str(&format!("{}/", &prefix[from..]));
    let response = text(StatusCode::FOUND, format!("The page is at {prefix}/.\n"));
    location.map_or_else(|error| internal(&error), |to| with_header(response, header::LOCATION, to))
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        let known = ROUTES.into_iter().find(|(known, _)| *known == path).map(|(_, route)| route);
        known.or_else(|| File::at(path).map(Self::Page))
    }

    /// As a label: the path, or the first of several.
    fn handler(self) -> &'static str {
        let is_same = |route: &Self| discriminant(route) == discriminant(&self);
        ROUTES.into_iter().find(|(_, route)| is_same(route)).map_or("/", |(path, _)| path)
    }
}
