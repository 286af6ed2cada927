//! Headers, bodies and errors that all responses share.

use std::{
    collections::VecDeque,
    io::{self, BufWriter, IntoInnerError, Write},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::{Body, Frame, SizeHint},
    header::{self, HeaderMap, HeaderValue},
};

/// Bytes of a body handed to a connection at once. The connection buffers them until the client reads them.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// The unsent rest of a rendered body: a single growing buffer would be copied and take twice the memory.
#[derive(Default)]
pub(super) struct Pieces(VecDeque<Bytes>);

/// Marks a streaming response, which has no deadline.
#[derive(Clone, Debug)]
struct Endless;

struct Keeping<K> {
    body: UnsyncBoxBody<Bytes, io::Error>,
    _kept: K,
}

/// Makes the body own `kept` until the body is fully handed over or dropped.
pub(super) fn keeping(answer: Answer, kept: impl Send + Unpin + 'static) -> Answer {
    answer.map(|body| Keeping { body, _kept: kept }.boxed_unsync())
}

pub(super) fn without_body(mut answer: Answer) -> Answer {
    if let Some(length) = answer.body().size_hint().exact() {
        answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    answer.map(|_| Pieces::default().boxed_unsync())
}

/// Buffers writes to `to` in pieces of [`PIECE_BYTES`]. Compressing small writes one by one takes ten times longer.
pub(super) fn buffered<W: Write, E: From<io::Error>>(
    to: W,
    write: impl FnOnce(&mut BufWriter<W>) -> Result<(), E>,
) -> Result<W, E> {
    let mut buffer = BufWriter::with_capacity(PIECE_BYTES, to);
    write(&mut buffer)?;
    Ok(buffer.into_inner().map_err(IntoInnerError::into_error)?)
}

pub(super) fn gzip<E: From<io::Error>>(
    write: impl FnOnce(&mut BufWriter<GzEncoder<Vec<u8>>>) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    Ok(buffered(GzEncoder::new(Vec::new(), Compression::fast()), write)?.finish()?)
}

pub(super) fn packed(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// Whether the client accepts gzip, by name or by `*`, with a weight above 0.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight_of = |coding: &str| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
        matches!(name.trim(), "gzip" | "*").then_some(weight.unwrap_or(0.0))
    };
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(weight_of).any(|weight| weight > 0.0)
}

pub(super) fn json(body: &impl serde::Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(json) => content("application/json", json),
        Err(error) => internal(&error),
    }
}

pub(super) fn internal(error: &dyn std::error::Error) -> Answer {
    tracing::error!(%error, "cannot answer an HTTP request");
    text(StatusCode::INTERNAL_SERVER_ERROR, "readscope could not render this; its log says why.\n")
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = content("text/plain; charset=utf-8", body);
    *answer.status_mut() = status;
    answer
}

pub(super) fn content(kind: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut pieces = Pieces::default();
    pieces.push(body.into());
    rendered(kind, pieces)
}

pub(super) fn rendered(kind: &'static str, body: Pieces) -> Answer {
    of_body(kind, body.boxed_unsync())
}

pub(super) fn endless(kind: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Answer {
    let mut answer = of_body(kind, body);
    answer.extensions_mut().insert(Endless);
    answer
}

pub(super) fn is_endless(answer: &Answer) -> bool {
    answer.extensions().get::<Endless>().is_some()
}

fn of_body(kind: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Answer {
    let mut answer = Response::new(body);
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

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.0.push_back(piece);
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(Bytes::copy_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(first) = self.0.front_mut() else { return Poll::Ready(None) };
        let piece = first.split_to(first.len().min(PIECE_BYTES));
        if first.is_empty() {
            self.0.pop_front();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

impl<K: Unpin> Body for Keeping<K> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
