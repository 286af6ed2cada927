//! `--attach` to an exporter with TLS, users and client certificates.

use std::{fs, net::SocketAddr, path::Path};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{
    exporter::{Exporter, PATIENT, SOON, arguments},
    program::{Program, call, readscope},
    replicas::Replicas,
    waiting::wait_until,
};

/// An exporter with a web configuration file, and a folder for the files of its clients.
struct Guarded {
    folder: TempDir,
    exporter: Exporter,
    _replicas: Replicas,
}

impl Guarded {
    /// The exporter has the certificate of this name and one user. `mutual` requires client certificates, too.
    fn new(certificate: &str, mutual: bool) -> Self {
        let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
        let folder = tempfile::tempdir().unwrap();
        let hash = bcrypt::hash("right: one", 4).unwrap();
        let client = format!("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: {tls}/authority.pem\n");
        let client = if mutual { client } else { String::new() };
        let web = format!(
            "tls_server_config:\n  cert_file: {tls}/{certificate}.pem\n  key_file: {tls}/{certificate}.key\n{client}\
             basic_auth_users: {{prometheus: {hash}}}\n"
        );
        fs::write(folder.path().join("web.yaml"), web).unwrap();
        for name in ["authority.pem", "client.pem", "client.key"] {
            fs::copy(Path::new(tls).join(name), folder.path().join(name)).unwrap();
        }
        let replicas = Replicas::of(&[1, 2], 1);
        let file = folder.path().join("web.yaml");
        let further = [&PATIENT[..], &["--web.config.file", file.to_str().unwrap()]].concat();
        let exporter = Exporter::start(readscope(&[]).args(arguments(replicas.address, &further)));
        Self { folder, exporter, _replicas: replicas }
    }

    fn address(&self) -> SocketAddr {
        self.exporter.address
    }

    /// The arguments of a client with this HTTP configuration.
    fn arguments(&self, content: &str) -> [String; 4] {
        let file = self.folder.path().join("http.yaml");
        fs::write(&file, content).unwrap();
        let url = format!("https://{}", self.address());
        ["--attach".to_owned(), url, "--http.config.file".to_owned(), file.to_str().unwrap().to_owned()]
    }

    /// The error of `watch` with this HTTP client configuration.
    fn refusal(&self, content: &str) -> String {
        let arguments = self.arguments(content);
        let ended = call(&["watch", &arguments[0], &arguments[1], &arguments[2], &arguments[3]]);
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{content}: {}", ended.stderr);
        assert!(!ended.stderr.contains("right: one"), "{}", ended.stderr);
        ended.stderr
    }
}

const USER: &str = "basic_auth: {username: prometheus, password_file: password}\n";
const TRUST: &str = "tls_config: {ca_file: authority.pem}\n";

#[test]
fn watch_and_wait_attach_with_a_ca_file_and_a_user() {
    let guarded = Guarded::new("server", false);
    fs::write(guarded.folder.path().join("password"), "right: one\n").unwrap();
    let client = guarded.arguments(&format!("{USER}{TRUST}"));
    let mut program = Program::start(readscope(&["watch"]).args(&client));
    wait_until("some lines", SOON, || program.output().len() >= 5);
    assert!(program.output().iter().all(|line| line.ends_with("  server-101") || line.ends_with("  server-102")));
    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait(SOON).code(), Some(0));

    let mut arguments = vec!["wait", "--for", "pod_ready", "mysql-9", "--timeout", "100ms"];
    arguments.extend(client.iter().map(String::as_str));
    let ended = call(&arguments);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("cannot tell whether mysql-9 has reached pod_ready"), "{}", ended.stderr);

    assert!(guarded.refusal(USER).contains("cannot verify the certificate of https://127.0.0.1:"));
    assert!(guarded.refusal(USER).contains("ca_file"));
    assert!(guarded.refusal(TRUST).contains("requires a user and a password"));
    fs::write(guarded.folder.path().join("password"), "wrong\n").unwrap();
    assert!(guarded.refusal(&format!("{USER}{TRUST}")).contains("check the user and the password"));
    let plain = call(&["watch", "--attach", &format!("http://{}", guarded.address())]);
    assert_eq!(plain.code, Some(1));
    assert!(plain.stderr.contains("http or https"), "{}", plain.stderr);
}

#[test]
fn a_server_name_and_a_client_certificate_are_used() {
    let guarded = Guarded::new("elsewhere", true);
    fs::write(guarded.folder.path().join("password"), "right: one").unwrap();
    let identity = "cert_file: client.pem, key_file: client.key";
    let tls = |more: &str| format!("{USER}tls_config: {{ca_file: authority.pem, {more}}}\n");
    for tls in [
        tls(&format!("server_name: elsewhere.example, {identity}")),
        format!("{USER}tls_config: {{insecure_skip_verify: true, {identity}}}\n"),
    ] {
        let mut program = Program::start(readscope(&["watch"]).args(guarded.arguments(&tls)));
        wait_until("a line", SOON, || !program.output().is_empty() || !program.is_running());
        assert!(program.is_running(), "{tls}: {:?}", program.log());
    }
    assert!(
        guarded.refusal(&tls(identity)).contains("cannot verify the certificate"),
        "the certificate has another name"
    );
    let without = guarded.refusal(&tls("server_name: elsewhere.example"));
    assert!(without.contains("requires a client certificate"), "{without}");
}

#[test]
fn a_password_in_the_url_and_an_unused_http_configuration_are_refused() {
    let ended = call(&["watch", "--attach", "https://prometheus:secret@127.0.0.1:1"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--http.config.file"), "{}", ended.stderr);
    let ended = call(&["wait", "--for", "pod_ready", "mysql-0", "--service", "a/b", "--http.config.file", "x"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("--attach"), "{}", ended.stderr);
    let ended = call(&["watch", "--attach", "http://127.0.0.1:1", "--http.config.file", "missing.yaml"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("cannot read") && ended.stderr.contains("missing.yaml"), "{}", ended.stderr);
}
