//! What every answer has in common: its headers, its body, its errors.

use std::{convert::Infallible, io::Write};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};

/// An answer; its body is rendered whole or streams.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The same answer, smaller.
pub(super) fn packed(kind: &'static str, body: &[u8]) -> Answer {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    match gzip.write_all(body).and_then(|()| gzip.finish()) {
        Ok(compressed) => {
            let mut answer = content(kind, compressed);
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        Err(error) => internal(&error),
    }
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
    stream(kind, Full::new(body.into()).boxed_unsync())
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
