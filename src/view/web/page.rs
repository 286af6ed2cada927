//! The live page: hand-written files, served unchanged.

use std::{io::Write as _, sync::OnceLock};

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::answer::{self, Answer, accepts_gzip, content, gzip};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The compressed files, indexed by `File as usize`. Each is compressed for the first browser that accepts it.
static PACKED: [OnceLock<Option<Bytes>>; 8] = [const { OnceLock::new() }; 8];

#[derive(Clone, Copy, Debug)]
pub(super) enum File {
    Index,
    Style,
    Icon,
    /// The script that starts the others.
    Page,
    Dom,
    Target,
    Timeline,
    Overview,
}

impl File {
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Index),
            "/page/style.css" => Some(Self::Style),
            "/page/icon.svg" => Some(Self::Icon),
            "/page/page.js" => Some(Self::Page),
            "/page/dom.js" => Some(Self::Dom),
            "/page/target.js" => Some(Self::Target),
            "/page/timeline.js" => Some(Self::Timeline),
            "/page/overview.js" => Some(Self::Overview),
            _ => None,
        }
    }

    pub(super) fn answer(self, headers: &HeaderMap) -> Answer {
        let (kind, body) = match self {
            Self::Index => ("text/html; charset=utf-8", include_str!("../page/index.html")),
            Self::Style => ("text/css; charset=utf-8", include_str!("../page/style.css")),
            Self::Icon => ("image/svg+xml", include_str!("../page/icon.svg")),
            Self::Page => (SCRIPT, include_str!("../page/page.js")),
            Self::Dom => (SCRIPT, include_str!("../page/dom.js")),
            Self::Target => (SCRIPT, include_str!("../page/target.js")),
            Self::Timeline => (SCRIPT, include_str!("../page/timeline.js")),
            Self::Overview => (SCRIPT, include_str!("../page/overview.js")),
        };
        let compress = || gzip(|to| to.write_all(body.as_bytes())).ok().map(Bytes::from);
        let packed = || PACKED[self as usize].get_or_init(compress).clone();
        let packed = if accepts_gzip(headers) { packed() } else { None };
        let mut answer = packed.map_or_else(|| content(kind, body), |packed| answer::packed(content(kind, packed)));
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        answer
    }
}
