//! The live page: hand-written files, served unchanged.

use std::{io::Write as _, sync::OnceLock};

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderValue};

use super::response::{Response, accepts_gzip, content, gzip, gzipped};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

static FILES: [File; 8] = [
    File::new("/", "text/html; charset=utf-8", include_str!("../page/index.html")),
    File::new("/page/style.css", "text/css; charset=utf-8", include_str!("../page/style.css")),
    File::new("/page/icon.svg", "image/svg+xml", include_str!("../page/icon.svg")),
    File::new("/page/page.js", SCRIPT, include_str!("../page/page.js")),
    File::new("/page/dom.js", SCRIPT, include_str!("../page/dom.js")),
    File::new("/page/target.js", SCRIPT, include_str!("../page/target.js")),
    File::new("/page/timeline.js", SCRIPT, include_str!("../page/timeline.js")),
    File::new("/page/overview.js", SCRIPT, include_str!("../page/overview.js")),
];

#[derive(Debug)]
pub(super) struct File {
    path: &'static str,
    kind: &'static str,
    body: &'static str,
    /// Compressed for the first browser that accepts it.
    gzipped: OnceLock<Option<Bytes>>,
}

impl File {
    const fn new(path: &'static str, kind: &'static str, body: &'static str) -> Self {
        Self { path, kind, body, gzipped: OnceLock::new() }
    }

    pub(super) fn at(path: &str) -> Option<&'static Self> {
        FILES.iter().find(|file| file.path == path)
    }

    pub(super) fn response(&self, headers: &HeaderMap) -> Response {
        let compress = || gzip(|to| to.write_all(self.body.as_bytes())).ok().map(Bytes::from);
        let compressed = accepts_gzip(headers).then(|| self.gzipped.get_or_init(compress).clone()).flatten();
        let mut response = match compressed {
            Some(compressed) => gzipped(content(self.kind, compressed)),
            None => content(self.kind, self.body),
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}
