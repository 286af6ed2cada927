//! Accepts connections, limits them, and closes them.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use hyper::{
    Request,
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{Site, activity::Activity};

const CONNECTIONS_MAX: usize = 512;

/// Deadline for the head of a request, so that slow clients do not hold connections.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// A larger head is refused with 431.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The same for HTTP/2, which adds 32 bytes to each field.
const HEAD_LIST_BYTES_MAX: u32 = 32 * 1024;

/// Concurrent requests in one HTTP/2 connection: more than the pages that a browser has open.
const REQUESTS_MAX: u32 = 100;

/// HTTP/2 receives request bodies up to this size, although they are never read.
const UNREAD_BYTES_MAX: u32 = 16 * 1024;

const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// A client that does not read must not hold a connection forever. Prometheus opens a new one.
const CONNECTION_LASTS: Duration = Duration::from_secs(300);

/// Time to finish requests on shutdown. They are short; an incomplete request should not delay the stop.
const STOP_WITHIN: Duration = Duration::from_secs(1);

const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

const ACCEPT_LOG_EVERY: Duration = Duration::from_secs(60);

impl Site {
    /// Errors of a connection are ignored, and a failed `accept` is retried.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        let mut logged: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&listener, &places) => accepted,
            };
            let (stream, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if logged.is_none_or(|logged| logged.elapsed() >= ACCEPT_LOG_EVERY) {
                        tracing::warn!(%error, "failed to accept HTTP connections; check the limit of open files");
                        logged = Some(Instant::now());
                    }
                    sleep(ACCEPT_AGAIN_AFTER).await;
                    continue;
                }
            };
            let (site, watcher) = (Arc::clone(&self), graceful.watcher());
            connections.spawn(async move {
                // Disconnects and malformed requests are the client's problem.
                let _ = timeout(CONNECTION_LASTS, site.receive(stream, watcher)).await;
                drop(place);
            });
        }
        drop(listener);
        let _ = timeout(STOP_WITHIN, graceful.shutdown()).await;
    }
}

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    /// Only over TLS, negotiated by ALPN.
    Http2,
}

/// One task per request of an HTTP/2 connection. The connection owns the set, so the tasks end with it.
#[derive(Clone, Debug)]
struct Tasks(Weak<Mutex<JoinSet<()>>>);

impl Site {
    /// TLS is decided once per connection, access once per request: a reload applies to whichever comes next.
    async fn receive(self: Arc<Self>, stream: TcpStream, watcher: Watcher) {
        let tls = self.access.borrow().tls.clone();
        match tls {
            None => self.talk(stream, Protocol::Http1, watcher).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(HEAD_WITHIN, tls.accept(stream)).await {
                    let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    let protocol = if agreed { Protocol::Http2 } else { Protocol::Http1 };
                    self.talk(stream, protocol, watcher).await;
                }
            }
        }
    }

    async fn talk<S>(self: Arc<Self>, stream: S, protocol: Protocol, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let requests = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let (site, open) = (Arc::clone(&self), requests.begin());
            let access = Arc::clone(&site.access.borrow());
            async move { Ok::<_, Infallible>(open.answered(site.respond(request, access).await)) }
        });
        let stream = TokioIo::new(stream);
        match protocol {
            Protocol::Http1 => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_WITHIN)
                    .max_buf_size(HEAD_BYTES_MAX)
                    .serve_connection(stream, service);
                end_of(watcher.watch(connection), &activity).await;
            }
            Protocol::Http2 => {
                let tasks = Arc::default();
                let connection = http2::Builder::new(Tasks(Arc::downgrade(&tasks)))
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(REQUESTS_MAX)
                    .max_header_list_size(HEAD_LIST_BYTES_MAX)
                    .initial_stream_window_size(UNREAD_BYTES_MAX)
                    .initial_connection_window_size(u32::from(u16::MAX))
                    .max_send_buf_size(UNSENT_BYTES_MAX)
                    .serve_connection(stream, service);
                end_of(watcher.watch(connection), &activity).await;
                drop(tasks);
            }
        }
    }
}

async fn end_of<T>(connection: impl Future<Output = T>, activity: &Activity) {
    tokio::select! {
        // Disconnects and malformed requests are the client's problem.
        _ = connection => {}
        () = activity.is_over() => {}
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let Some(tasks) = self.0.upgrade() else { return };
        let mut tasks = tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, place))
}
