//! The event stream of an exporter. Only the occurrence of events matters here; the data comes from the documents.

use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{ExporterError, ExporterUrl};

/// Bytes kept of each line. Event names are shorter; the rest of a line is ignored.
const START_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The exporter has new data.
    Update,
    /// Keep-alive only.
    KeepAlive,
}

#[derive(Debug)]
pub struct Events {
    url: ExporterUrl,
    body: Incoming,
    lines: Lines,
}

/// Parser of the stream; it keeps only the start of each line.
#[derive(Debug, Default)]
struct Lines {
    /// Start of the incomplete line.
    start: Vec<u8>,
    /// Whether the incomplete event is more than a keep-alive.
    is_update: bool,
}

impl Events {
    pub(super) fn of(url: ExporterUrl, body: Incoming) -> Self {
        Self { url, body, lines: Lines::default() }
    }

    /// `None` at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Received>, ExporterError> {
        match self.body.frame().await {
            None => Ok(None),
            Some(Ok(frame)) => Ok(Some(frame.data_ref().map_or(Received::KeepAlive, |bytes| self.lines.take(bytes)))),
            Some(Err(error)) => Err(ExporterError::Unreachable(self.url.clone(), error.to_string())),
        }
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Received {
        let mut received = Received::KeepAlive;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (part, over) = part.strip_suffix(b"\n").map_or((part, false), |line| (line, true));
            self.start.extend(part.iter().take(START_MAX.saturating_sub(self.start.len())));
            if !over {
                continue;
            }
            if let Some(name) = self.start.strip_prefix(b"event: ") {
                self.is_update = name != b"beat";
            } else if self.start.is_empty() && std::mem::take(&mut self.is_update) {
                // An empty line ends an event.
                received = Received::Update;
            }
            self.start.clear();
        }
        received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_reported_when_its_event_is_complete() {
        let stream = format!("retry: 1000\n\nevent: snapshot\ndata: {}\n\n", "x".repeat(5000));
        for size in [1, 7, 4096, 10_000] {
            let mut lines = Lines::default();
            let received: Vec<_> = stream.as_bytes().chunks(size).map(|bytes| lines.take(bytes)).collect();
            let (last, before) = received.split_last().unwrap();
            assert_eq!((*last, before.contains(&Received::Update)), (Received::Update, false), "{size}");
            assert!(lines.start.capacity() <= 2 * START_MAX);
        }
    }

    #[test]
    fn a_beat_is_only_a_keep_alive() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"event: beat\ndata: {}\n\n"), Received::KeepAlive);
        assert_eq!(lines.take(b"event: beat\ndata: {}\n\nevent: answers\ndata: {}\n\n"), Received::Update);
        assert_eq!(lines.take(b"event: answers\ndata: {}\n\nevent: beat\ndata: {}\n\n"), Received::Update);
        assert_eq!(lines.take(b""), Received::KeepAlive);
    }
}
