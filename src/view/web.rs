//! The HTTP side: metrics, JSON API, health, readiness, configuration.

use std::{convert::Infallible, io, io::Write, sync::Arc, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderMap, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    api::{ScaleEvents, Targets},
    metrics::{self, Exposition},
};
use crate::model::Snapshot;

/// Connections served at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 512;

/// A client that needs longer to send its request's head is hung up on, so that slow ones hold no connection for ever.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// A larger head is refused with 431.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// A connection lasts so long at most: a client that does not read its answers holds no place for ever. Prometheus opens
/// a new one then.
const CONNECTION_LASTS: Duration = Duration::from_secs(300);

/// A stop waits so long for requests under way, which are short; half a request would hold it up for nothing.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// How long a failed `accept` (no free file descriptor) is waited for before the next.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Failed `accept`s are told this often.
const ACCEPT_TOLD_EVERY: Duration = Duration::from_secs(60);

const LANDING: &str = include_str!("landing.html");

type Answer = Response<Full<Bytes>>;

/// What is served.
#[derive(Debug)]
pub struct Site {
    snapshots: watch::Receiver<Snapshot>,
    exposition: Exposition,
    /// The effective configuration, secrets hidden.
    configuration: String,
    stop: CancellationToken,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug)]
enum Route {
    Landing,
    Metrics,
    Targets,
    ScaleEvents,
    Configuration,
    Healthy,
    Ready,
}

impl Site {
    /// A site that shows the latest of `snapshots` and the text `configuration`, until `stop` is cancelled.
    #[must_use]
    pub fn new(snapshots: watch::Receiver<Snapshot>, configuration: String, stop: CancellationToken) -> Self {
        Self { snapshots, exposition: Exposition::new(), configuration, stop }
    }

    /// Serves `listener` until the site's stop, then lets requests under way end.
    ///
    /// # Errors
    /// None at present: a connection's trouble is its own, and a failed accept is tried again.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = tokio::task::JoinSet::new();
        let mut told: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listener, &places) => accepted,
            };
            let (stream, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if told.is_none_or(|told| told.elapsed() >= ACCEPT_TOLD_EVERY) {
                        tracing::warn!(%error, "cannot accept HTTP connections; check the limit of open files");
                        told = Some(Instant::now());
                    }
                    sleep(ACCEPT_AGAIN_AFTER).await;
                    continue;
                }
            };
            let site = Arc::clone(&self);
            let service = service_fn(move |request| {
                let site = Arc::clone(&site);
                async move { Ok::<_, Infallible>(site.respond(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .max_buf_size(HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            connections.spawn(async move {
                // Clients that hang up or talk nonsense are no concern of anybody's.
                let _ = timeout(CONNECTION_LASTS, connection).await;
                drop(place);
            });
        }
        drop(listener);
        let _ = timeout(STOP_WITHIN, graceful.shutdown()).await;
        Ok(())
    }

    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let Some(route) = Route::of(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "There is nothing here; see / for what there is.\n");
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are possible here.\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match route {
            Route::Landing => content("text/html; charset=utf-8", LANDING),
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
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let compressed = gzip.write_all(rendered.as_bytes()).and_then(|()| gzip.finish());
        match compressed {
            Ok(compressed) => {
                let mut answer = content(metrics::CONTENT_TYPE, compressed);
                answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                answer
            }
            Err(error) => internal(&error),
        }
    }

    fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
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
            "/" => Some(Self::Landing),
            "/metrics" => Some(Self::Metrics),
            "/api/v1/targets" => Some(Self::Targets),
            "/api/v1/scale-events" => Some(Self::ScaleEvents),
            "/config" => Some(Self::Configuration),
            "/-/healthy" | "/healthz" => Some(Self::Healthy),
            "/-/ready" | "/readyz" => Some(Self::Ready),
            _ => None,
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}

/// Whether the client takes gzip: named (or any) with a weight above 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight_of = |coding: &str| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
        matches!(name.trim(), "gzip" | "*").then_some(weight.unwrap_or(0.0))
    };
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(weight_of).any(|weight| weight > 0.0)
}

fn json(body: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(json) => content("application/json", json),
        Err(error) => internal(&error),
    }
}

fn internal(error: &dyn std::error::Error) -> Answer {
    tracing::error!(%error, "cannot answer an HTTP request");
    text(StatusCode::INTERNAL_SERVER_ERROR, "readscope could not render this; its log says why.\n")
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = content("text/plain; charset=utf-8", body);
    *answer.status_mut() = status;
    answer
}

fn content(kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    );
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_when_the_client_takes_it() {
        for (value, takes) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), takes, "{value}");
        }
    }
}
