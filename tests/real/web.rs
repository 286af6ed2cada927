//! A web configuration as the exporter-toolkit takes it, with TLS, client certificates and users: as seen
//! by curl, openssl and a real Prometheus.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    certificates::{Authority, Certificate},
    namespace::Namespace,
    prometheus::Prometheus,
    support::{
        exporter::{Exporter, QUICK, arguments},
        program::readscope,
        script::Script,
        server::Server,
        waiting::wait_until,
    },
};

/// Files are checked every second and Prometheus scrapes as often, but the machine may be busy.
const WITHIN: Duration = Duration::from_secs(60);

const USERS: [(&str, &str); 2] = [("prometheus", "correct horse"), ("somebody", "battery: staple")];

/// An exporter of a played server whose certificate is behind a symlink, as a mounted Secret is.
struct Guarded {
    folder: TempDir,
    authority: Authority,
    client: Certificate,
    exporter: Exporter,
    _server: Server,
}

impl Guarded {
    fn new() -> Self {
        let users = format!("basic_auth_users:\n{}", USERS.map(hashed).concat());
        Self::with("  min_version: TLS12\n", &users)
    }

    /// With further lines about TLS, and what comes after them.
    fn with(tls: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let authority = Authority::new(folder.path(), "right");
        let client = authority.client();
        issue(folder.path(), &authority, "1");
        symlink("1", folder.path().join("..data")).expect("nothing is there");
        // Paths in it are relative to its folder.
        let content = format!(
            "tls_server_config:
  cert_file: ..data/tls.crt
  key_file: ..data/tls.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: right-ca.pem
{tls}{more}"
        );
        let file = folder.path().join("web.yaml");
        fs::write(&file, content).expect("a temporary file can be written");
        let server = Server::playing(Script::good());
        let web = ["--web.config.file", file.to_str().expect("it is text")];
        let further = [&QUICK[..], &web].concat();
        let exporter = Exporter::start(readscope(&[]).args(arguments(server.address, &further)));
        Self { folder, authority, client, exporter, _server: server }
    }

    /// The status that curl gets for the metrics, and how it ends.
    fn curl(&self, further: &[&str]) -> (String, i32) {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "30", "--output", "/dev/null", "--write-out", "%{http_code}", "--cacert"])
            .arg(self.authority.certificate())
            .args(further)
            .arg(format!("https://{}/metrics", self.exporter.address))
            .stdin(Stdio::null())
            .output()
            .expect("curl is installed");
        (String::from_utf8(output.stdout).expect("it is a number"), output.status.code().unwrap_or(-1))
    }

    /// The same with the client's certificate, as this user.
    fn status(&self, user: Option<&str>) -> String {
        let [certificate, key] = self.identity();
        let mut further = vec!["--cert", &certificate, "--key", &key];
        further.extend(user.iter().flat_map(|user| ["--user", user]));
        let (status, code) = self.curl(&further);
        assert_eq!(code, 0, "{status}: {:?}", self.exporter.program.log());
        status
    }

    fn identity(&self) -> [String; 2] {
        paths(&self.client)
    }

    /// The output of openssl for a handshake, and whether the handshake succeeded.
    fn handshake(&self, further: &[&str]) -> (String, bool) {
        let [client, key] = self.identity();
        let shown = Command::new("timeout")
            .args(["30", "openssl", "s_client", "-connect", &self.exporter.address.to_string()])
            .args(["-cert", &client, "-key", &key, "-verify_return_error", "-CAfile"])
            .arg(self.authority.certificate())
            .args(further)
            .stdin(Stdio::null())
            .output()
            .expect("openssl is installed");
        (String::from_utf8_lossy(&shown.stdout).into_owned(), shown.status.success())
    }

    /// Whether the server presents the certificate of this file.
    fn shows(&self, certificate: &Path) -> bool {
        let pem = fs::read_to_string(certificate).expect("it was issued");
        self.handshake(&[]).0.contains(pem.trim())
    }
}

/// A user, with the least cost for a quick test.
fn hashed((name, password): (&str, &str)) -> String {
    format!("  {name}: {}\n", bcrypt::hash(password, 4).expect("the cost is possible"))
}

fn paths(of: &Certificate) -> [String; 2] {
    [&of.certificate, &of.key].map(|path| path.display().to_string())
}

/// A new server's certificate in a folder of its own.
fn issue(folder: &Path, authority: &Authority, version: &str) -> PathBuf {
    let issued = authority.server("IP:127.0.0.1");
    let version = folder.join(version);
    fs::create_dir(&version).expect("the version is new");
    fs::copy(issued.key, version.join("tls.key")).expect("both are in the directory");
    let certificate = version.join("tls.crt");
    fs::copy(issued.certificate, &certificate).expect("both are in the directory");
    certificate
}

#[test]
fn a_client_needs_a_certificate_and_a_password() {
    let guarded = Guarded::new();
    for (name, password) in USERS {
        assert_eq!(guarded.status(Some(&format!("{name}:{password}"))), "200", "{name}");
        assert_eq!(guarded.status(Some(&format!("{name}:wrong"))), "401", "{name}");
    }
    assert_eq!(guarded.status(None), "401");
    assert_eq!(guarded.status(Some("no-such-user:correct horse")), "401");

    let (status, code) = guarded.curl(&["--user", "prometheus:correct horse"]);
    assert!(status == "000" && code != 0, "without a certificate: {status}, {code}");
    let elsewhere = Authority::new(guarded.folder.path(), "wrong").client();
    let [certificate, key] = paths(&elsewhere);
    let (status, code) = guarded.curl(&["--user", "prometheus:correct horse", "--cert", &certificate, "--key", &key]);
    assert!(status == "000" && code != 0, "with another authority's certificate: {status}, {code}");
}

#[test]
fn prometheus_scrapes_over_tls_with_a_password_while_the_certificate_is_rotated() {
    let _namespace = Namespace::enter();
    let guarded = Guarded::new();
    let [certificate, key] = guarded.identity();
    let scheme = format!(
        "scheme: https, tls_config: {{ca_file: '{}', cert_file: '{certificate}', key_file: '{key}'}}, \
         basic_auth: {{username: {}, password: '{}'}}",
        guarded.authority.certificate().display(),
        USERS[0].0,
        USERS[0].1
    );
    let prometheus = Prometheus::scraping_with(guarded.exporter.address, &scheme);
    let reads = || prometheus.query("sum(readscope_reads_total)", "").values().sum::<f64>();
    wait_until("reads to be scraped", WITHIN, || reads() > 0.0);

    let first = guarded.folder.path().join("1/tls.crt");
    assert!(guarded.shows(&first));
    let second = issue(guarded.folder.path(), &guarded.authority, "2");
    let next = guarded.folder.path().join("..next");
    symlink("2", &next).expect("nothing is there");
    fs::rename(next, guarded.folder.path().join("..data")).expect("both are in one directory");
    wait_until("the rotated certificate", WITHIN, || guarded.shows(&second));
    assert!(!guarded.shows(&first));
    let before = reads();
    wait_until("further reads to be scraped", WITHIN, || reads() > before);
    assert_eq!(prometheus.query("min_over_time(up[5m])", "").values().sum::<f64>().to_string(), "1");
}

#[test]
fn the_server_offers_the_configured_versions_ciphers_curves_and_protocols() {
    let guarded = Guarded::with(
        "  max_version: TLS12
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [CurveP384]
",
        "http_server_config: {http2: true}\n",
    );
    let (output, succeeded) = guarded.handshake(&["-alpn", "http/1.1,h2"]);
    assert!(succeeded, "{output}");
    for part in [
        "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256",
        "Server Temp Key: ECDH, secp384r1, 384 bits",
        "ALPN protocol: h2",
        "Verify return code: 0 (ok)",
        "Acceptable client certificate CA names",
    ] {
        assert!(output.contains(part), "{part} is not in {output}");
    }
    for other in [&["-tls1_3"][..], &["-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], &["-curves", "X25519"]] {
        let (output, succeeded) = guarded.handshake(other);
        assert!(!succeeded, "{other:?}: {output}");
    }

    let newest = Guarded::with("  min_version: TLS13\n", "http_server_config: {http2: false}\n");
    let (output, succeeded) = newest.handshake(&["-alpn", "http/1.1,h2"]);
    assert!(succeeded && output.contains("New, TLSv1.3") && output.contains("ALPN protocol: http/1.1"), "{output}");
    let (output, succeeded) = newest.handshake(&["-tls1_2"]);
    assert!(!succeeded, "{output}");
}

#[test]
fn a_client_certificate_needs_an_allowed_name() {
    const ALLOWED: [&str; 4] = [
        "DNS:prometheus.example",
        "email:prometheus@example.org",
        "IP:10.1.2.3",
        "URI:spiffe://example.org/prometheus",
    ];
    let names = ALLOWED.map(|name| name.split_once(':').expect("they are so written").1);
    let guarded = Guarded::with(&format!("  client_allowed_sans: [\"{}\"]\n", names.join("\", \"")), "");
    let curl = |client: &Certificate| {
        let [certificate, key] = paths(client);
        guarded.curl(&["--cert", &certificate, "--key", &key])
    };
    for (number, name) in ALLOWED.into_iter().enumerate() {
        let client = guarded.authority.client_called(&format!("allowed-{number}"), name);
        assert_eq!(curl(&client), ("200".to_owned(), 0), "{name}");
    }
    let several = guarded.authority.client_called("several", "DNS:other.example,DNS:prometheus.example");
    assert_eq!(curl(&several), ("200".to_owned(), 0));
    for name in ["DNS:other.example", "DNS:prometheus.example.org", "email:other@example.org", "IP:10.1.2.4"] {
        let client = guarded.authority.client_called("other", name);
        let (status, code) = curl(&client);
        assert!(status == "000" && code != 0, "{name}: {status}, {code}");
    }
    // Without any name.
    let (status, code) = curl(&guarded.client);
    assert!(status == "000" && code != 0, "{status}, {code}");
}
