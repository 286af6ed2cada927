//! The metrics that readscope has of its own HTTP server and of its requests to the API server.

use std::fs;

use super::{
    access::{basic, user},
    events::Events,
    paths::{assert_guarded, served},
};
use crate::support::{
    api_server::{ApiServer, Mode},
    exporter::{Exporter, Metrics, QUICK, SOON, arguments},
    http::{get, request},
    program::readscope,
    script::Script,
    server::Server,
    waiting::wait_until,
};

#[test]
fn requests_are_counted_by_code_and_path() {
    let site = served();
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/page/page.js"),
        ("HEAD", "/metrics"),
        ("GET", "/healthz"),
        ("GET", "/-/healthy"),
        ("POST", "/config"),
        ("GET", "/.env"),
        ("GET", "/probe?target=mysql-0%3A3306"),
    ] {
        request(site.address, method, path, "");
    }
    let metrics = get(site.address, "/metrics").text();
    for (code, handler, requests) in [
        ("200", "/", 2),
        ("200", "/metrics", 1),
        ("200", "/-/healthy", 2),
        ("405", "/config", 1),
        ("404", "other", 1),
        ("400", "/probe", 1),
    ] {
        let series = format!("readscope_http_requests_total{{code=\"{code}\",handler=\"{handler}\"}} {requests}\n");
        assert!(metrics.contains(&series), "{series}{metrics}");
    }
    assert!(metrics.contains("\nreadscope_http_scrape_duration_seconds_count 1\n"), "{metrics}");
    assert!(metrics.contains("\nreadscope_http_refused_logins_total 0\n"), "{metrics}");
}

#[test]
fn open_event_streams_are_counted() {
    let site = served();
    let open = |number: u32| {
        let series = format!("\nreadscope_http_event_streams {number}\n");
        wait_until(&series, SOON, || get(site.address, "/metrics").text().contains(&series));
    };
    open(0);
    let streams = [Events::open(site.address, ""), Events::open(site.address, "")];
    open(2);
    drop(streams);
    open(0);
}

#[test]
fn only_wrong_passwords_are_refused_logins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    fs::write(&file, format!("basic_auth_users:\n{}", user("one", "right"))).unwrap();
    let server = Server::playing(Script::good());
    let further = [&QUICK[..], &["--web.config.file", file.to_str().unwrap()]].concat();
    let exporter = Exporter::start(readscope(&[]).args(arguments(server.address, &further)));
    for (headers, status) in
        [(String::new(), 401), (basic("one:wrong"), 401), (basic("two:right"), 401), (basic("one:right"), 200)]
    {
        assert_eq!(request(exporter.address, "GET", "/config", &headers).status, status, "{headers}");
    }
    let metrics = request(exporter.address, "GET", "/metrics", &basic("one:right")).text();
    for series in [
        "readscope_http_refused_logins_total 2",
        "readscope_http_requests_total{code=\"401\",handler=\"/config\"} 3",
        "readscope_http_requests_total{code=\"200\",handler=\"/config\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == series), "{series}: {metrics}");
    }
}

#[test]
fn requests_to_the_api_server_are_counted_by_verb_and_code() {
    let server = Server::playing(Script::good());
    let api_server = ApiServer::start(Mode::Serves(vec![1, 2]));
    let service = ["--service", "mysql/mysql-read", "--no-scale-events"];
    let arguments = arguments(server.address, &[&QUICK[..], &service].concat());
    let mut exporter = Exporter::start(readscope(&[]).args(arguments).env("KUBECONFIG", api_server.kubeconfig()));
    let requests = |metrics: &Metrics, labels: &str| metrics.sum("readscope_kube_requests_total", labels);
    // Services, EndpointSlices and pods.
    exporter.wait_until("the watches", |metrics| requests(metrics, r#"code="200",verb="watch""#) == 3);
    assert_eq!(requests(&exporter.metrics(), r#"code="200",verb="list""#), 3, "{}", exporter.metrics().text());
    api_server.set(Mode::HangsUp);
    exporter.wait_until("a request without a response", |metrics| requests(metrics, r#"code="error""#) > 0);
    api_server.set(Mode::Refuses("503 Service Unavailable", ""));
    exporter.wait_until("a refused request", |metrics| requests(metrics, r#"code="503""#) > 0);
}

#[test]
fn the_probe_path_of_other_exporters_says_what_to_do_instead() {
    let site = served();
    for path in ["/probe", "/probe?target=mysql-0:3306&auth_module=client"] {
        let answer = get(site.address, path);
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.text(),
            "readscope has no /probe: it compares many reads over time, which one scrape cannot do; list the Services in \
             the configuration file, or let `discover` find them by a label: \
             https://github.com/readscope/readscope/blob/main/docs/targets.md#why-there-is-no-probetarget\n"
        );
        assert_guarded(&answer);
    }
    let page = include_str!("../../../docs/targets.md");
    assert!(page.contains("\n## Why there is no `/probe?target=`\n"), "the anchor of the link");
    assert_eq!(request(site.address, "POST", "/probe", "").status, 405);
}
