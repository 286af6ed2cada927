//! A web configuration as the exporter-toolkit takes it, with TLS, client certificates and users: what curl, openssl and
//! a real Prometheus make of it.

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

/// Files are looked at every second and Prometheus scrapes as often, but the machine may be busy.
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
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        let authority = Authority::new(folder.path(), "right");
        let client = authority.client();
        issue(folder.path(), &authority, "1");
        symlink("1", folder.path().join("..data")).expect("nothing is there");
        let hash =
            |(name, password)| format!("  {name}: {}\n", bcrypt::hash(password, 4).expect("the cost is possible"));
        // Paths in it are relative to its folder.
        let content = format!(
            "tls_server_config:
  cert_file: ..data/tls.crt
  key_file: ..data/tls.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: right-ca.pem
  min_version: TLS12
basic_auth_users:\n{}",
            USERS.map(hash).concat()
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

    /// The same with the client's certificate, as who is given.
    fn status(&self, user: Option<&str>) -> String {
        let [certificate, key] = self.identity();
        let mut further = vec!["--cert", &certificate, "--key", &key];
        further.extend(user.iter().flat_map(|user| ["--user", user]));
        let (status, code) = self.curl(&further);
        assert_eq!(code, 0, "{status}: {:?}", self.exporter.program.log());
        status
    }

    fn identity(&self) -> [String; 2] {
        [&self.client.certificate, &self.client.key].map(|path| path.display().to_string())
    }

    /// Whether openssl is shown the certificate of a file.
    fn shows(&self, certificate: &Path) -> bool {
        let [client, key] = self.identity();
        let shown = Command::new("timeout")
            .args(["30", "openssl", "s_client", "-connect", &self.exporter.address.to_string()])
            .args(["-cert", &client, "-key", &key, "-verify_return_error", "-CAfile"])
            .arg(self.authority.certificate())
            .stdin(Stdio::null())
            .output()
            .expect("openssl is installed");
        let pem = fs::read_to_string(certificate).expect("it was issued");
        String::from_utf8_lossy(&shown.stdout).contains(pem.trim())
    }
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
fn only_who_has_a_certificate_and_a_password_is_let_in() {
    let guarded = Guarded::new();
    for (name, password) in USERS {
        assert_eq!(guarded.status(Some(&format!("{name}:{password}"))), "200", "{name}");
        assert_eq!(guarded.status(Some(&format!("{name}:wrong"))), "401", "{name}");
    }
    assert_eq!(guarded.status(None), "401");
    assert_eq!(guarded.status(Some("nobody:correct horse")), "401");

    let (status, code) = guarded.curl(&["--user", "prometheus:correct horse"]);
    assert!(status == "000" && code != 0, "without a certificate: {status}, {code}");
    let elsewhere = Authority::new(guarded.folder.path(), "wrong").client();
    let [certificate, key] = [elsewhere.certificate, elsewhere.key].map(|path| path.display().to_string());
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
