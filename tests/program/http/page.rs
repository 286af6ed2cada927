//! The files of the live page.

use std::io::Read;

use super::paths::{assert_guarded, served};
use crate::support::http::{get, request};

const FILES: [(&str, &str); 8] = [
    ("/", "text/html; charset=utf-8"),
    ("/page/style.css", "text/css; charset=utf-8"),
    ("/page/icon.svg", "image/svg+xml"),
    ("/page/page.js", "text/javascript; charset=utf-8"),
    ("/page/dom.js", "text/javascript; charset=utf-8"),
    ("/page/target.js", "text/javascript; charset=utf-8"),
    ("/page/timeline.js", "text/javascript; charset=utf-8"),
    ("/page/overview.js", "text/javascript; charset=utf-8"),
];

#[test]
fn the_page_is_complete_small_and_compressed_for_browsers() {
    let site = served();
    let mut bytes = 0;
    for (path, kind) in FILES {
        let plain = get(site.address, path);
        assert_eq!((plain.status, plain.header("content-type")), (200, Some(kind)), "{path}");
        assert_guarded(&plain);
        let policy = plain.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self'") && policy.contains("connect-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains("data:"), "{policy}");
        bytes += plain.body.len();

        let packed = request(site.address, "GET", path, "Accept-Encoding: gzip\r\n");
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert!(unpacked == plain.body, "{path}");
    }
    assert!(bytes <= 67_000, "the page has grown to {bytes} bytes");
}

#[test]
fn the_page_refers_only_to_files_of_this_server() {
    let site = served();
    let known: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
    let index = get(site.address, "/").text();
    let values = ["href=\"", "src=\""].map(|attribute| index.split(attribute).skip(1)).into_iter().flatten();
    let links = values.map(|rest| rest.split('"').next().unwrap()).filter(|link| !link.starts_with('#'));
    for link in links.clone() {
        // Relative, for a page under another path.
        assert!(!link.starts_with('/'), "{link}");
        assert_eq!(get(site.address, &format!("/{link}")).status, 200, "{link}");
    }
    for file in &known[1..] {
        let by_module = file.strip_prefix("/page/").unwrap();
        let script = get(site.address, "/page/page.js").text() + &get(site.address, "/page/target.js").text();
        assert!(links.clone().any(|link| file[1..] == *link) || script.contains(by_module), "{file} is used nowhere");
    }
    for path in known {
        let text = get(site.address, path).text();
        let elsewhere = text.matches("://").count() - text.matches("http://www.w3.org/2000/svg").count();
        assert_eq!(elsewhere, 0, "{path}");
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick="] {
            assert!(!text.contains(way), "{way} in {path}");
        }
    }
}
