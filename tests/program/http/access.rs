//! The web configuration file: users, refused settings, reload.

use std::{fs, path::Path};

use base64::Engine;

use super::http2::{connect, try_connect};
use crate::support::{
    exporter::{Exporter, QUICK, SOON, arguments},
    fixtures, http,
    program::{Ended, call, readscope},
    script::Script,
    server::Server,
    waiting::wait_until,
};

/// `$2y$04$`: the lowest cost, for a fast test.
fn user(name: &str, password: &str) -> String {
    format!("  {name}: {}\n", bcrypt::hash(password, 4).unwrap())
}

fn basic(text: &str) -> String {
    format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(text))
}

fn status(exporter: &Exporter, path: &str, headers: &str) -> u16 {
    http::request(exporter.address, "GET", path, headers).status
}

/// The certificates and keys of the fixtures, beside the file that names them.
fn copy_fixtures(folder: &Path) {
    for name in ["server.pem", "server.key", "client.key", "expired.pem", "expired.key"] {
        fs::copy(fixtures::tls(name), folder.join(name)).unwrap();
    }
}

fn tls_with(more: &str) -> String {
    format!("tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n{more}")
}

fn check(file: &Path, content: &str) -> Ended {
    fs::write(file, content).unwrap();
    let file = file.to_str().unwrap();
    call(&["run", "--address", "127.0.0.1", "--config.check", "--web.config.file", file])
}

#[test]
fn every_path_needs_credentials_and_a_changed_file_is_reloaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    let headers = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    fs::write(&file, format!("{headers}basic_auth_users:\n{}{}", user("one", "a:b"), user("two", "second"))).unwrap();
    let server = Server::playing(Script::good());
    let web = ["--web.config.file", file.to_str().unwrap()];
    let further = [&QUICK[..], &web, &["--web.enable-lifecycle"]].concat();
    let exporter = Exporter::start(readscope(&[]).args(arguments(server.address, &further)));
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/config", "/api/v1/events", "/nothing"] {
        let refused = http::get(exporter.address, path);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Basic")), "{path}");
        assert_eq!(refused.header("x-frame-options"), Some("deny"), "{path}");
    }
    assert_eq!(http::request(exporter.address, "POST", "/-/reload", "").status, 401);
    for (credentials, expected) in [("one:a:b", 200), ("two:second", 200), ("one:second", 401), ("none:second", 401)] {
        assert_eq!(status(&exporter, "/metrics", &basic(credentials)), expected, "{credentials}");
    }
    assert_eq!(status(&exporter, "/metrics", "Authorization: Basic ###\r\n"), 401);

    fs::write(&file, "basic_auth_users: {one: plain}\n").unwrap();
    wait_until("the refusal", SOON, || exporter.program.logged(&["failed to reload the web configuration"]) > 0);
    assert_eq!(status(&exporter, "/metrics", &basic("one:a:b")), 200, "the previous configuration stays in effect");
    fs::write(&file, format!("basic_auth_users:\n{}", user("three", "third"))).unwrap();
    wait_until("the new user", SOON, || status(&exporter, "/metrics", &basic("three:third")) == 200);
    assert_eq!(status(&exporter, "/metrics", &basic("one:a:b")), 401);
}

#[test]
fn unsupported_settings_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    let tls = |more: &str| tls_with(&format!("  {more}\n"));
    copy_fixtures(folder.path());
    assert_eq!(check(&file, &tls("min_version: TLS13")).code, Some(0));
    assert_eq!(check(&file, "").code, Some(0), "nothing is configured");
    for (content, parts) in [
        (tls("min_version: TLS10"), ["4: min_version", "TLS10"]),
        (tls("cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]"), ["4: cipher_suites", "TLS_RSA_WITH_AES_128_CBC_SHA"]),
        (tls("curve_preferences: [CurveP521]"), ["4: curve_preferences", "CurveP521"]),
        (tls("client_auth_type: RequireAndVerifyClientCert"), ["client_ca_file", "missing"]),
        (tls("client_auth_type: Always"), ["4: client_auth_type", "Always"]),
        (tls("client_allowed_sans: [a]"), ["4: client_allowed_sans", "RequireAnyClientCert"]),
        (tls("nonsense: 1"), ["4: nonsense", "unknown key"]),
        (tls("").replace("server.key", "client.key"), ["2: cert_file", "cannot be used"]),
        (tls("").replace("server.pem", "server.key"), ["2: cert_file", "no certificate"]),
        (tls("").replace("server.pem", "gone.pem"), ["2: cert_file", "cannot read"]),
        ("http_server_config: {headers: {X-Other: a}}".to_owned(), ["1: X-Other", "not supported"]),
        ("basic_auth_users: {one: \"\"}".to_owned(), ["1: basic_auth_users.one", "not a bcrypt hash"]),
        (
            "basic_auth_users: {one: $2y$31$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}".to_owned(),
            ["1: basic_auth_users.one", "cost 31"],
        ),
        ("rate_limit: {interval: 1s}".to_owned(), ["burst", "at least 1"]),
    ] {
        check(&file, &content).assert_refused(&parts);
    }
}

#[tokio::test]
async fn http_2_is_offered_over_tls_unless_it_is_disabled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    copy_fixtures(folder.path());
    let server = Server::playing(Script::good());
    for (more, expected) in [
        ("", "h2"),
        ("http_server_config:\n  http2: true\n", "h2"),
        ("http_server_config:\n  http2: false\n", "http/1.1"),
    ] {
        fs::write(&file, tls_with(more)).unwrap();
        let further = [&QUICK[..], &["--web.config.file", file.to_str().unwrap()]].concat();
        let exporter = Exporter::start(readscope(&[]).args(arguments(server.address, &further)));
        let stream = connect(exporter.address, &["h2", "http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(expected.as_bytes()), "{more}");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_reported_once_and_used_until_it_is_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("web.yaml");
    copy_fixtures(folder.path());
    fs::write(&file, tls_with("").replace("server.", "expired.")).unwrap();
    let server = Server::playing(Script::good());
    let further = [&QUICK[..], &["--web.config.file", file.to_str().unwrap()]].concat();
    let exporter = Exporter::start(readscope(&[]).args(arguments(server.address, &further)));
    let warnings = || exporter.program.logged(&["has expired", "2021-01-01T00:00:00Z", "renew the certificate"]);
    wait_until("the warning", SOON, || warnings() == 1);
    assert!(try_connect(exporter.address, &[]).await.is_err(), "a client that checks dates refuses it");
    fs::write(&file, tls_with("")).unwrap();
    wait_until("the renewed one", SOON, || exporter.program.logged(&["reloaded the web configuration"]) == 1);
    assert!(try_connect(exporter.address, &[]).await.is_ok());
    assert_eq!(warnings(), 1);
}
