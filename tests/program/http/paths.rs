//! Paths, methods and headers.

use std::io::Read;

use crate::support::{
    http::{Answer, get, request},
    site::{Served, snapshot},
};

pub(crate) const CONFIGURATION: &str = "targets:\n- name: mysql/mysql-read\n";

pub(crate) const PATHS: [(&str, &str); 8] = [
    ("/", "text/html; charset=utf-8"),
    ("/metrics", "text/plain; version=0.0.4"),
    ("/api/v1/targets", "application/json"),
    ("/config", "application/yaml; charset=utf-8"),
    ("/-/healthy", "text/plain; charset=utf-8"),
    ("/healthz", "text/plain; charset=utf-8"),
    ("/-/ready", "text/plain; charset=utf-8"),
    ("/readyz", "text/plain; charset=utf-8"),
];

pub(crate) fn served() -> Served {
    Served::showing(snapshot(), CONFIGURATION)
}

/// The security headers of every response.
pub(crate) fn assert_guarded(answer: &Answer) {
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
}

#[test]
fn every_path_supports_get_and_head() {
    let site = served();
    for (path, kind) in PATHS {
        let answer = get(site.address, path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        assert!(!answer.body.is_empty(), "{path}");
        assert_guarded(&answer);
        let head = request(site.address, "HEAD", path, "");
        assert_eq!((head.status, head.header("content-type")), (200, Some(kind)), "{path}");
        assert!(head.body.is_empty(), "{path}");
        assert!(head.header("content-length").is_some_and(|length| length != "0"), "{path}: {head:?}");
        assert_guarded(&head);
    }
    assert_eq!(get(site.address, "/config").text(), CONFIGURATION);
    assert_eq!(get(site.address, "/metrics?name=value").status, 200);
    assert!(get(site.address, "/").text().contains("href=\"metrics\""));
}

#[test]
fn other_paths_are_404_for_every_method() {
    let site = served();
    for path in ["/metrics/", "/nothing", "//", "/-/", "/api", "/api/v1/targets/x", "/%6detrics", "/../etc/passwd"] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = request(site.address, method, path, "");
            assert_eq!(answer.status, 404, "{method} {path}");
            assert_guarded(&answer);
        }
    }
}

#[test]
fn other_methods_are_405_with_the_allowed_methods() {
    let site = served();
    for (path, _) in PATHS {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"] {
            let answer = request(site.address, method, path, "Content-Length: 0\r\n");
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
            assert_guarded(&answer);
        }
    }
}

#[test]
fn metrics_are_compressed_for_clients_that_accept_gzip() {
    let site = served();
    let plain = request(site.address, "GET", "/metrics", "Accept-Encoding: identity\r\n");
    assert_eq!(plain.header("content-encoding"), None);
    let packed = request(site.address, "GET", "/metrics", "Accept-Encoding: gzip;q=1.0, *;q=0.1\r\n");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("content-type"), Some("text/plain; version=0.0.4"));
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).unwrap();
    let ours =
        |text: &str| -> Vec<String> { text.lines().filter(|l| l.contains("readscope_")).map(str::to_owned).collect() };
    assert_eq!(ours(&unpacked), ours(&plain.text()));
    let refused = request(site.address, "GET", "/metrics", "Accept-Encoding: gzip;q=0\r\n");
    assert_eq!(refused.header("content-encoding"), None);
}
