//! `/api/v1/events`: server-sent events. Each stream follows the latest snapshot and stores only its position.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    Request, StatusCode,
    body::{Frame as Chunk, Incoming},
};
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Site,
    feed::{Feed, Feeds, Next, Topic, event},
    response::{Response, busy, endless, text},
};
use crate::model::Snapshot;

/// Limit of open streams; a browser has one per page. Below the limit of connections, so that scrapes always get one.
const STREAMS_MAX: usize = 256;

/// An idle stream sends a beat this often, so that readers can detect a broken connection.
const BEAT_EVERY: Duration = Duration::from_secs(3);

/// A reader that takes longer to receive a frame is disconnected, with the reason.
const RECEIVE_WITHIN: Duration = Duration::from_secs(10);

/// Maximum age of a stream. It ends with an event before its connection does, so that the reader reconnects at once.
const AGE_MAX: Duration = Duration::from_secs(200);

const RETRY: &str = "retry: 1000\n\n";

#[derive(Debug)]
pub(super) struct Streams {
    feeds: Feeds,
    places: Arc<Semaphore>,
}

struct Stream {
    feed: Arc<Feed>,
    /// Whether exactly one target existed when the stream was opened without a target name.
    only: Option<bool>,
    snapshots: watch::Receiver<Snapshot>,
    stop: CancellationToken,
    sent: Option<u64>,
    /// When the last bytes were handed over. The connection polls for more only after it has sent them.
    handed: Option<Instant>,
    began: Option<Instant>,
    over: bool,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct End {
    reason: &'static str,
    /// Whether the reader should reconnect at once.
    again: bool,
}

const STOPPING: End = End { reason: "readscope is shutting down", again: false };
const SLOW: End =
    End { reason: "the reader was too slow; it receives a whole snapshot after it reconnects", again: true };
const GONE: End = End { reason: "the configured targets changed", again: true };
const OLD: End = End { reason: "streams end after a few minutes; reconnect for the next one", again: true };

impl Default for Streams {
    fn default() -> Self {
        Self { feeds: Feeds::default(), places: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

impl Streams {
    pub(super) fn open(&self) -> usize {
        STREAMS_MAX.saturating_sub(self.places.available_permits())
    }
}

impl Site {
    /// Streams the target in the query, otherwise the only target, otherwise the overview.
    pub(super) fn events(&self, request: &Request<Incoming>) -> Response {
        let query = request.uri().query().unwrap_or_default();
        let named = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "target").map(|(_, value)| value);
        let snapshot = self.snapshot();
        let (topic, only) = match named {
            Some(name) => match snapshot.targets.iter().find(|target| *target.name == *name) {
                Some(target) => (Topic::Target(Arc::clone(&target.name)), None),
                None => return text(StatusCode::NOT_FOUND, "No target has this name; see /api/v1/targets.\n"),
            },
            None => match &snapshot.targets[..] {
                [target] => (Topic::Target(Arc::clone(&target.name)), Some(true)),
                _ => (Topic::Overview, Some(false)),
            },
        };
        let Ok(place) = Arc::clone(&self.streams.places).try_acquire_owned() else {
            return busy("Too many event streams are open; try again later.\n", 10);
        };
        let mut snapshots = self.snapshots.clone();
        snapshots.mark_changed();
        let stop = self.stop.clone();
        let feed = self.streams.feeds.follow(topic);
        let stream =
            Stream { feed, only, snapshots, stop, sent: None, handed: None, began: None, over: false, _place: place };
        let chunks = unfold(stream, |mut stream| async {
            let bytes = stream.next().await?;
            Some((Ok(Chunk::data(bytes)), stream))
        });
        endless("text/event-stream", BodyExt::boxed_unsync(StreamBody::new(chunks)))
    }
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if self.handed.is_some_and(|handed| handed.elapsed() > RECEIVE_WITHIN) {
            return Some(self.end(SLOW));
        }
        let Some(began) = self.began else {
            self.began = Some(Instant::now());
            return Some(Bytes::from_static(RETRY.as_bytes()));
        };
        if began.elapsed() > AGE_MAX {
            return Some(self.end(OLD));
        }
        let beat = Instant::now() + BEAT_EVERY;
        let mut retry = None;
        loop {
            let wake = retry.unwrap_or(beat);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Some(self.end(STOPPING)),
                () = sleep_until(wake) => {
                    if retry.take().is_none() {
                        self.handed = Some(Instant::now());
                        return Some(Bytes::from_static(b"event: beat\ndata: {}\n\n"));
                    }
                }
                // A change is already pending until the pause is over.
                changed = self.snapshots.changed(), if retry.is_none() => if changed.is_err() {
                    return Some(self.end(STOPPING));
                },
            }
            let next = {
                let snapshot = self.snapshots.borrow_and_update();
                match self.only {
                    Some(only) if only != (snapshot.targets.len() == 1) => Next::Gone,
                    _ => self.feed.next(self.sent, &snapshot, Instant::now()),
                }
            };
            match next {
                Next::Frame(frame) => {
                    let bytes = self.feed.bytes(&frame, self.sent);
                    self.sent = Some(frame.number);
                    // The frame may be older than the snapshot. The rest is due after the pause.
                    self.snapshots.mark_changed();
                    self.handed = Some(Instant::now());
                    return Some(bytes);
                }
                Next::Wait(until) => retry = Some(until),
                Next::Nothing => {}
                Next::Gone => return Some(self.end(GONE)),
            }
        }
    }

    fn end(&mut self, end: End) -> Bytes {
        self.over = true;
        let mut text = String::new();
        event(&mut text, "end", &end);
        text.into()
    }
}
