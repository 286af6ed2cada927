//! What every answer has in common: its headers, its body, its errors.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io::{self, Write},
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

/// So much of a body is handed to a connection at once. What it has it keeps until its client takes it.
const PIECE_BYTES: usize = 64 * 1024;

/// An answer; its body is rendered whole or streams.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// A body that was rendered whole, and how many bytes are left of it.
struct Pieces(VecDeque<Bytes>, usize);

/// A body that keeps something until the last of it was handed over, or nobody wants the rest.
struct Keeping<K> {
    body: UnsyncBoxBody<Bytes, Infallible>,
    _kept: K,
}

/// Lets the answer's body keep something as long as there is any of it left to hand over.
pub(super) fn keeping(answer: Answer, kept: impl Send + Unpin + 'static) -> Answer {
    answer.map(|body| Keeping { body, _kept: kept }.boxed_unsync())
}

/// The same to a question for its head alone.
pub(super) fn without_body(mut answer: Answer) -> Answer {
    if let Some(length) = answer.body().size_hint().exact() {
        answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    answer.map(|_| Pieces(VecDeque::new(), 0).boxed_unsync())
}

/// An answer of the pieces that `write` makes, smaller.
pub(super) fn packed(kind: &'static str, write: impl FnOnce(&mut dyn FnMut(String))) -> Answer {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut outcome = Ok(());
    write(&mut |piece| {
        if outcome.is_ok() {
            outcome = gzip.write_all(piece.as_bytes());
        }
    });
    let packed = outcome.and_then(|()| gzip.finish());
    packed.map_or_else(|error| internal(&error), |packed| of_gzip(kind, packed))
}

/// A body, smaller.
pub(super) fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body)?;
    gzip.finish()
}

/// The answer that a body from [`gzip`] makes.
pub(super) fn of_gzip(kind: &'static str, packed: impl Into<Bytes>) -> Answer {
    let mut answer = content(kind, packed);
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// Whether the client takes gzip: named (or any) with a weight above 0.
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
    in_pieces(kind, VecDeque::from([body.into()]))
}

/// What was rendered piece by piece.
pub(super) fn in_pieces(kind: &'static str, pieces: VecDeque<Bytes>) -> Answer {
    let bytes = pieces.iter().map(Bytes::len).sum();
    stream(kind, Pieces(pieces, bytes).boxed_unsync())
}

pub(super) fn stream(kind: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
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

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(rest) = self.0.front_mut() else { return Poll::Ready(None) };
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        if rest.is_empty() {
            self.0.pop_front();
        }
        self.1 -= piece.len();
        Poll::Ready((!piece.is_empty()).then_some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.1 == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.1 as u64)
    }
}

impl<K: Unpin> Body for Keeping<K> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
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
