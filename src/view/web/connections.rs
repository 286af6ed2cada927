//! Listening, the limits of connections, and how they end.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::Site;

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

impl Site {
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
            let (site, watcher) = (Arc::clone(&self), graceful.watcher());
            connections.spawn(async move {
                // Clients that hang up or talk nonsense are no concern of anybody's.
                let _ = timeout(CONNECTION_LASTS, site.receive(stream, watcher)).await;
                drop(place);
            });
        }
        drop(listener);
        let _ = timeout(STOP_WITHIN, graceful.shutdown()).await;
        Ok(())
    }
}

impl Site {
    /// Serves one connection to its end. Who may look is decided as it is when the connection, or a request, comes.
    async fn receive(self: Arc<Self>, stream: TcpStream, watcher: Watcher) {
        let tls = self.access.borrow().tls().cloned();
        match tls {
            None => self.talk(stream, watcher).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(HEAD_WITHIN, tls.accept(stream)).await {
                    self.talk(stream, watcher).await;
                }
            }
        }
    }

    async fn talk<S>(self: Arc<Self>, stream: S, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let site = Arc::clone(&self);
            let access = Arc::clone(&site.access.borrow());
            async move { Ok::<_, Infallible>(site.respond(request, access).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let _ = watcher.watch(connection).await;
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
