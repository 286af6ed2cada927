//! Paths under the prefix of a reverse proxy.

use super::paths::{CONFIGURATION, PATHS};
use crate::support::{
    http::{get, request},
    program::call,
    site::{Served, snapshot},
};

#[test]
fn every_path_has_the_prefix_and_none_is_without_it() {
    let site = Served::showing_under("/db/readscope", snapshot(), CONFIGURATION);
    for (path, kind) in PATHS {
        let answer = get(site.address, &format!("/db/readscope{path}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
    }
    for path in ["/metrics", "/db", "/db/", "/db/readscopemetrics", "/db/readscope/db/readscope/", "/other/metrics"] {
        let answer = get(site.address, path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.text(), "No such path; the page at /db/readscope/ links to the others.\n");
    }
    assert_eq!(request(site.address, "POST", "/db/readscope/-/reload", "").status, 403);
}

#[test]
fn the_root_and_the_bare_prefix_lead_to_the_page() {
    let site = Served::showing_under("/db/readscope", snapshot(), CONFIGURATION);
    // Relative to the path: a proxy may have removed a prefix of its own.
    for (path, location) in [("/", "db/readscope/"), ("/db/readscope", "readscope/")] {
        let answer = get(site.address, path);
        assert_eq!((answer.status, answer.header("location")), (302, Some(location)), "{path}");
    }
}

#[test]
fn wrong_prefixes_are_refused_with_an_example() {
    let run = ["run", "--address", "127.0.0.1:1", "--config.check"];
    for (option, value, advice) in [
        ("--web.route-prefix", "/a?b", "write a path such as /readscope"),
        (
            "--web.external-url",
            "monitoring.example",
            "write a URL with its path, such as https://monitoring.example/readscope/",
        ),
    ] {
        let refused = call(&[&run[..], &[option, value]].concat());
        assert_eq!(refused.code, Some(2));
        assert!(refused.stderr.contains(advice) && refused.stderr.contains(option), "{refused:?}");
    }
    assert_eq!(call(&[&run[..], &["--web.external-url", "https://monitoring.example/a/"]].concat()).code, Some(0));
}
