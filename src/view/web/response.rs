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
    StatusCode,
    body::{Body, Frame, SizeHint},
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

/// Bytes of a body handed to a connection at once. The connection buffers them until the client reads them.
const PIECE_BYTES: usize = 64 * 1024;

pub(super) type Response = hyper::Response<UnsyncBoxBody<Bytes, io::Error>>;

/// The unsent rest of a rendered body. No piece is empty.
struct Rest(VecDeque<Bytes>);

/// A body while it is rendered. The process would keep the memory of one large allocation.
#[derive(Default)]
pub(super) struct Pieces(Vec<Vec<u8>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.last().is_none_or(|last| last.len() == PIECE_BYTES) {
            self.0.push(Vec::with_capacity(PIECE_BYTES));
        }
        let Some(last) = self.0.last_mut() else { return Ok(0) };
        let taken = bytes.len().min(PIECE_BYTES - last.len());
        last.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Marks a streaming response, which has no deadline.
#[derive(Clone, Debug)]
struct Endless;

struct Keeping<K> {
    body: UnsyncBoxBody<Bytes, io::Error>,
    _kept: K,
}

/// Makes the body own `kept` until the body is fully handed over or dropped.
pub(super) fn keeping(response: Response, kept: impl Send + Unpin + 'static) -> Response {
    response.map(|body| Keeping { body, _kept: kept }.boxed_unsync())
}

pub(super) fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response.map(|_| Rest(VecDeque::new()).boxed_unsync())
}

/// The buffer collects small writes: compressing them one by one takes ten times longer.
pub(super) fn gzip<E: From<io::Error>>(
    write: impl FnOnce(&mut BufWriter<GzEncoder<Vec<u8>>>) -> Result<(), E>,
) -> Result<Vec<u8>, E> {
    let mut buffer = BufWriter::with_capacity(PIECE_BYTES, GzEncoder::new(Vec::new(), Compression::fast()));
    write(&mut buffer)?;
    Ok(buffer.into_inner().map_err(IntoInnerError::into_error)?.finish()?)
}

pub(super) fn gzipped(response: Response) -> Response {
    with_header(response, header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))
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

pub(super) fn json(body: &impl serde::Serialize) -> Response {
    let mut json = Pieces::default();
    match serde_json::to_writer(&mut json, body) {
        Ok(()) => in_pieces("application/json", json),
        Err(error) => internal(&error),
    }
}

pub(super) fn internal(error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "failed to answer an HTTP request");
    text(StatusCode::INTERNAL_SERVER_ERROR, "Internal error; see the log of readscope.\n")
}

/// 503, with the time after which the client may try again.
pub(super) fn busy(reason: &'static str, retry_after_seconds: u64) -> Response {
    let response = text(StatusCode::SERVICE_UNAVAILABLE, reason);
    with_header(response, header::RETRY_AFTER, retry_after_seconds.into())
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = content("text/plain; charset=utf-8", body);
    *response.status_mut() = status;
    response
}

pub(super) fn content(kind: &'static str, body: impl Into<Bytes>) -> Response {
    let body = Some(body.into()).filter(|body| !body.is_empty());
    of_body(kind, Rest(body.into_iter().collect()).boxed_unsync())
}

pub(super) fn in_pieces(kind: &'static str, Pieces(pieces): Pieces) -> Response {
    of_body(kind, Rest(pieces.into_iter().map(Bytes::from).collect()).boxed_unsync())
}

pub(super) fn endless(kind: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Response {
    // nginx otherwise holds back what it gets.
    let name = HeaderName::from_static("x-accel-buffering");
    let mut response = with_header(of_body(kind, body), name, HeaderValue::from_static("no"));
    response.extensions_mut().insert(Endless);
    response
}

pub(super) fn is_endless(response: &Response) -> bool {
    response.extensions().get::<Endless>().is_some()
}

pub(super) fn with_header(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

fn of_body(kind: &'static str, body: UnsyncBoxBody<Bytes, io::Error>) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    );
    response
}

impl Body for Rest {
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

    #[tokio::test]
    async fn a_large_body_is_sent_in_pieces_and_its_length_is_known() {
        let whole = (0..20_000).map(|number| format!("line {number}\n")).collect::<Vec<_>>().concat();
        let mut written = Pieces::default();
        whole.split_inclusive('\n').for_each(|line| written.write_all(line.as_bytes()).unwrap());
        for response in [content("text/plain", whole.clone()), in_pieces("text/plain", written)] {
            let mut body = response.into_body();
            assert_eq!(body.size_hint().exact(), Some(whole.len() as u64));
            let (mut sent, mut pieces) = (Vec::new(), 0);
            while let Some(frame) = body.frame().await {
                let piece = frame.unwrap().into_data().unwrap();
                assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES);
                sent.extend_from_slice(&piece);
                pieces += 1;
            }
            assert!(pieces > 2 && body.is_end_stream());
            assert!(sent == whole.as_bytes());
        }
    }

    #[test]
    fn gzip_is_used_if_the_client_accepts_it() {
        for (value, accepts) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            assert_eq!(accepts_gzip(&headers), accepts, "{value}");
        }
    }
}
