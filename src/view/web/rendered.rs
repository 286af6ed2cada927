//! A body that is rendered while its client takes it: of what is long there is never the whole, unless its client is slow.

use std::{
    collections::VecDeque,
    io::{self, Write},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, timeout},
};

/// So many pieces wait for the client, for whom the rendering waits then.
const WAITING_MAX: usize = 4;

/// It waits so long in all: others need the thread. What the client has not taken then is kept for it.
const PATIENCE: Duration = Duration::from_millis(250);

/// Bytes of a piece of what is packed.
const PACKED_BYTES: usize = 64 * 1024;

/// A piece, or that there are no more.
type Piece = Option<Waiting>;

/// A piece that waits for the client, in one of the places for them or beyond.
#[derive(Debug)]
struct Waiting {
    bytes: Bytes,
    _place: Option<OwnedSemaphorePermit>,
}

/// Where a rendering goes.
#[derive(Debug)]
pub(super) struct Outlet {
    pieces: mpsc::UnboundedSender<Piece>,
    places: Arc<Semaphore>,
    /// How long it still waits for one.
    patience: Duration,
    runtime: Handle,
    /// What is no whole piece yet.
    begun: Vec<u8>,
}

/// Where it comes out.
#[derive(Debug)]
pub(super) struct Rendered {
    /// What came already.
    ahead: VecDeque<Waiting>,
    /// Whether there are no more.
    ended: bool,
    pieces: mpsc::UnboundedReceiver<Piece>,
}

/// The two ends of a body, in a runtime.
pub(super) fn rendered() -> (Outlet, Rendered) {
    let (to, from) = mpsc::unbounded_channel();
    let places = Arc::new(Semaphore::new(WAITING_MAX));
    let outlet = Outlet { pieces: to, places, patience: PATIENCE, runtime: Handle::current(), begun: Vec::new() };
    (outlet, Rendered { ahead: VecDeque::new(), ended: false, pieces: from })
}

impl Outlet {
    /// Has `write` render, on a thread that may wait. How many bytes that were, before they were packed, it tells `fits`,
    /// which says whether they may be kept until the client has taken them.
    ///
    /// # Errors
    /// When nobody wants the rest, or it may not be kept: the body breaks off.
    pub(super) fn render(
        self,
        packed: bool,
        write: impl FnOnce(&mut dyn FnMut(String)),
        fits: impl FnOnce(usize) -> bool,
    ) -> io::Result<()> {
        let mut coding =
            if packed { Coding::Gzip(GzEncoder::new(self, Compression::fast())) } else { Coding::Identity(self) };
        let (mut bytes, mut outcome) = (0, Ok(()));
        write(&mut |piece| {
            bytes += piece.len();
            if outcome.is_ok() {
                outcome = coding.take(piece);
            }
        });
        outcome?;
        if fits(bytes) { coding.finish() } else { Err(io::ErrorKind::QuotaExceeded.into()) }
    }

    fn hand_on(&mut self, bytes: Bytes) -> io::Result<()> {
        let place = self.place();
        self.send(Some(Waiting { bytes, _place: place }))
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        self.pieces.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Waits for a place, as long as it does. Places come back also when the client is gone.
    fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let (began, place) = (Instant::now(), Arc::clone(&self.places).acquire_owned());
        let place = self.runtime.block_on(async { timeout(self.patience, place).await });
        self.patience = self.patience.saturating_sub(began.elapsed());
        place.ok()?.ok()
    }
}

/// As it is, or smaller.
#[derive(Debug)]
enum Coding {
    Identity(Outlet),
    Gzip(GzEncoder<Outlet>),
}

impl Coding {
    fn take(&mut self, piece: String) -> io::Result<()> {
        match self {
            Self::Identity(outlet) => outlet.hand_on(piece.into()),
            Self::Gzip(gzip) => gzip.write_all(piece.as_bytes()),
        }
    }

    fn finish(self) -> io::Result<()> {
        let mut outlet = match self {
            Self::Identity(outlet) => outlet,
            Self::Gzip(gzip) => gzip.finish()?,
        };
        outlet.flush()?;
        outlet.send(None)
    }
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        if self.begun.len() >= PACKED_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.begun.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.begun);
        self.hand_on(piece.into())
    }
}

impl Rendered {
    /// Returns when there is something to say. Of what is short that is all, and its length is known.
    ///
    /// # Errors
    /// When the rendering broke off.
    pub(super) async fn begin(&mut self) -> io::Result<()> {
        while !self.ended && self.ahead.len() < 2 {
            let piece = self.pieces.recv().await;
            let piece = self.take_in(piece)?;
            self.ahead.extend(piece);
        }
        Ok(())
    }

    fn take_in(&mut self, received: Option<Piece>) -> io::Result<Piece> {
        let piece = received.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.ended = piece.is_none();
        Ok(piece)
    }
}

impl Body for Rendered {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match self.ahead.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None if self.ended => Ok(None),
            None => {
                let received = ready!(self.pieces.poll_recv(cx));
                self.take_in(received)
            }
        };
        Poll::Ready(piece.map(|piece| piece.map(|piece| Frame::data(piece.bytes))).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.ahead.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.iter().map(|piece| piece.bytes.len()).sum::<usize>() as u64;
        if self.ended {
            return SizeHint::with_exact(ahead);
        }
        let mut hint = SizeHint::new();
        hint.set_lower(ahead);
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use http_body_util::BodyExt as _;

    use super::*;

    /// Many pieces that cannot be packed well, and the whole.
    fn pieces() -> (Vec<String>, String) {
        let number =
            |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let piece =
            |from: u64| (from..from + 4096).map(|at| format!("{:016x}", number(at))).collect::<Vec<_>>().concat();
        let pieces: Vec<String> = (1..40).map(|piece_number| piece(4096 * piece_number)).collect();
        let whole = pieces.concat();
        (pieces, whole)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_comes_piece_by_piece_and_waits_for_its_client() {
        for packed in [false, true] {
            let (pieces, whole) = pieces();
            let length = whole.len();
            let (outlet, mut body) = rendered();
            let rendering = tokio::task::spawn_blocking(move || {
                outlet.render(packed, |done| pieces.into_iter().for_each(done), |bytes| bytes == length)
            });
            body.begin().await.unwrap();
            assert_eq!(body.size_hint().exact(), None);
            assert!(!rendering.is_finished(), "it waits");
            let told = body.collect().await.unwrap().to_bytes();
            rendering.await.unwrap().unwrap();
            let mut text = String::new();
            if packed {
                GzDecoder::new(&*told).read_to_string(&mut text).unwrap();
            } else {
                text.push_str(std::str::from_utf8(&told).unwrap());
            }
            assert!(text == whole, "what comes out is what went in");
        }
    }

    #[tokio::test]
    async fn of_what_is_short_the_length_is_known() {
        for (packed, length) in [(false, Some(5)), (true, None)] {
            let (outlet, mut body) = rendered();
            tokio::task::spawn_blocking(move || outlet.render(packed, |done| done("short".to_owned()), |_| true));
            body.begin().await.unwrap();
            let told = body.size_hint().exact();
            assert!(told.is_some_and(|told| length.is_none_or(|length| told == length)), "{told:?}");
            assert_eq!(told, Some(body.collect().await.unwrap().to_bytes().len() as u64));
        }
    }

    #[tokio::test]
    async fn a_rendering_that_breaks_off_is_an_error_and_no_end() {
        let (mut outlet, mut body) = rendered();
        outlet.hand_on(Bytes::from_static(b"half")).unwrap();
        outlet.hand_on(Bytes::from_static(b"more")).unwrap();
        drop(outlet);
        body.begin().await.unwrap();
        let error = body.collect().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn nobody_renders_for_a_client_that_is_gone() {
        let (outlet, body) = rendered();
        drop(body);
        let rendering =
            tokio::task::spawn_blocking(move || outlet.render(false, |done| done("piece".to_owned()), |_| true));
        assert_eq!(rendering.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test(start_paused = true)]
    async fn the_thread_is_not_held_by_a_client_that_takes_nothing() {
        let (pieces, whole) = pieces();
        let (outlet, mut body) = rendered();
        let rendering = tokio::task::spawn_blocking(move || {
            outlet.render(false, |done| pieces.into_iter().for_each(done), |_| true)
        });
        body.begin().await.unwrap();
        let began = std::time::Instant::now();
        while !rendering.is_finished() {
            assert!(began.elapsed() < Duration::from_secs(60), "it is held");
            tokio::time::advance(PATIENCE).await;
        }
        let told = body.collect().await.unwrap().to_bytes();
        assert!(told == whole.as_bytes(), "a slow client has it all in the end");
    }
}
