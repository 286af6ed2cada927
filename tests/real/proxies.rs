//! The Kubernetes API through a real HTTP proxy (tinyproxy) and a real SOCKS proxy (microsocks).

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{IpAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

use crate::{
    certificates::Authority,
    namespace::Namespace,
    program::{Interactive, mortal, run},
    support::{
        exporter::{Exporter, SOON},
        fixtures::tls_server_with,
        program::readscope,
        waiting::wait_until,
    },
};

/// Not on loopback: an API server there needs no proxy.
const API_SERVER: &str = "10.96.0.1";

/// Addresses of clients as the API server sees them, by their route.
const HTTP_PROXY: &str = "10.96.0.3";
const SOCKS_PROXY: &str = "10.96.0.4";

/// Nothing listens there.
const NO_PROXY_THERE: &str = "http://user:secret@127.0.0.1:9";

const WITH_PASSWORD: &str = "http://user:secret@127.0.0.1:3128";

/// An API server without objects, and both proxies.
struct Site {
    folder: TempDir,
    authority: Authority,
    clients: Arc<Mutex<Vec<IpAddr>>>,
    _proxies: [Interactive; 2],
    _namespace: Namespace,
}

impl Site {
    fn new() -> Self {
        let namespace = Namespace::enter();
        for address in [API_SERVER, HTTP_PROXY, SOCKS_PROXY] {
            run(Command::new("ip").args(["address", "add", address, "dev", "lo"]));
        }
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "kubernetes");
        let certificate = authority.server(&format!("IP:{API_SERVER}"));
        let clients = serve(&tls_server_with(&certificate.certificate, &certificate.key));
        let proxies = [http_proxy(folder.path()), socks_proxy()];
        Self { folder, authority, clients, _proxies: proxies, _namespace: namespace }
    }

    /// readscope with a kubeconfig that has this `proxy-url`.
    fn with_kubeconfig(&self, proxy_url: &str, environment: &[(&str, &str)]) -> Exporter {
        let path = self.folder.path().join("kubeconfig");
        let authority = self.authority.certificate();
        let cluster = format!(
            "{{server: 'https://{API_SERVER}:6443', certificate-authority: '{}', proxy-url: '{proxy_url}'}}",
            authority.display()
        );
        let rest = "users: [{name: u, user: {}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]";
        let all = format!("clusters: [{{name: c, cluster: {cluster}}}]\n{rest}\ncurrent-context: x\n");
        fs::write(&path, format!("apiVersion: v1\nkind: Config\n{all}")).unwrap();
        Exporter::start(call(&[]).env("KUBECONFIG", path).envs(environment.iter().copied()))
    }

    /// readscope as in a pod: with the files of a `ServiceAccount`.
    fn in_a_pod(&self, environment: &[(&str, &str)]) -> Exporter {
        let script = r#"mount -t tmpfs none /run && account=/run/secrets/kubernetes.io/serviceaccount && mkdir -p $account &&
            cp "$0" $account/ca.crt && printf token >$account/token && printf readscope >$account/namespace && exec "$@""#;
        let authority = self.authority.certificate().display().to_string();
        let mut command = call(&["unshare", "--mount", "--", "bash", "-c", script, &authority]);
        command.env("KUBERNETES_SERVICE_HOST", API_SERVER).env("KUBERNETES_SERVICE_PORT", "6443");
        Exporter::start(command.env("HOME", self.folder.path()).envs(environment.iter().copied()))
    }

    /// Waits for every list, and returns the sources of their requests.
    fn ways_of(&self, mut exporter: Exporter) -> Vec<String> {
        exporter.wait_until("every list", |metrics| metrics.sum("readscope_kube_watch_up", "") == 3);
        assert_keeps_the_secret(&exporter);
        let mut ways: Vec<_> = self.clients.lock().unwrap().drain(..).map(|client| client.to_string()).collect();
        ways.sort_unstable();
        ways.dedup();
        ways
    }
}

/// readscope started by another program, without the environment's own proxies.
fn call(before: &[&str]) -> Command {
    let service =
        ["run", "--service", "mysql/mysql-read", "--no-scale-events", "--address", "127.0.0.1:9", "--interval", "1h"];
    let own = readscope(&service);
    let mut command = mortal("env");
    command.args(before).arg(own.get_program()).args(own.get_args()).args(["--web.listen-address", "127.0.0.1:0"]);
    let ours = own.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name.to_owned());
    let proxies = ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "KUBECONFIG", "NODE_NAME"].map(Into::into);
    for name in ours.chain(proxies) {
        command.env_remove(name);
    }
    command
}

fn http_proxy(folder: &Path) -> Interactive {
    let path = folder.join("tinyproxy.conf");
    let settings = format!("Listen 127.0.0.1\nPort 3128\nBind {HTTP_PROXY}\nTimeout 600\nBasicAuth user secret\n");
    fs::write(&path, settings).unwrap();
    started(Interactive::start(mortal("tinyproxy").args(["-d", "-c"]).arg(path)), 3128)
}

fn socks_proxy() -> Interactive {
    started(Interactive::start(mortal("microsocks").args(["-i", "127.0.0.1", "-p", "1080", "-b", SOCKS_PROXY])), 1080)
}

fn started(proxy: Interactive, port: u16) -> Interactive {
    wait_until("the proxy to listen", SOON, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    proxy
}

/// Serves until the process ends. Adds the address of each client to the returned list.
fn serve(tls: &Arc<ServerConfig>) -> Arc<Mutex<Vec<IpAddr>>> {
    let listener = TcpListener::bind((API_SERVER, 6443)).unwrap();
    let clients = Arc::new(Mutex::new(Vec::new()));
    let (seen, tls) = (Arc::clone(&clients), Arc::clone(tls));
    thread::spawn(move || {
        while let Ok((client, address)) = listener.accept() {
            seen.lock().unwrap().push(address.ip());
            let tls = Arc::clone(&tls);
            // Clients that are killed close their connections.
            thread::spawn(move || converse(client, tls));
        }
    });
    clients
}

/// Lists are empty, and watches have no events.
fn converse(client: TcpStream, tls: Arc<ServerConfig>) -> io::Result<()> {
    let link = ServerConnection::new(tls).map_err(io::Error::other)?;
    let mut link = BufReader::new(StreamOwned::new(link, client));
    loop {
        let mut request = String::new();
        if link.read_line(&mut request)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while link.read_line(&mut header)? > 2 {
            header.clear();
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        let list = r#"{"metadata":{"resourceVersion":"1"},"items":[]}"#;
        if request.contains("watch=true") {
            write!(link.get_mut(), "{head}Transfer-Encoding: chunked\r\n\r\n")?;
        } else {
            write!(link.get_mut(), "{head}Content-Length: {}\r\n\r\n{list}", list.len())?;
        }
        link.get_mut().flush()?;
    }
}

fn assert_keeps_the_secret(exporter: &Exporter) {
    let log = exporter.program.log();
    let encoded = "dXNlcjpzZWNyZXQ";
    assert!(!log.iter().any(|line| line.contains("secret") || line.contains(encoded)), "{log:#?}");
    for path in ["/config", "/api/v1/targets", "/api/v1/scale-events"] {
        let page = crate::support::http::get(exporter.address, path).text();
        assert!(!page.contains("secret"), "{path}: {page}");
    }
}

#[test]
fn https_proxy_is_used_unless_no_proxy_exempts_the_api_server() {
    let site = Site::new();
    let ways = |environment: &[(&str, &str)]| site.ways_of(site.with_kubeconfig("", environment));
    assert_eq!(ways(&[]), [API_SERVER], "a direct connection comes from the same address");
    assert_eq!(ways(&[("HTTPS_PROXY", WITH_PASSWORD)]), [HTTP_PROXY]);
    assert_eq!(ways(&[("https_proxy", WITH_PASSWORD), ("NO_PROXY", "127.0.0.1,.svc")]), [HTTP_PROXY]);
    assert_eq!(ways(&[("HTTPS_PROXY", WITH_PASSWORD), ("NO_PROXY", ".svc,10.96.0.0/16")]), [API_SERVER]);
    assert_eq!(ways(&[("HTTPS_PROXY", "socks5://127.0.0.1:1080")]), [SOCKS_PROXY]);
}

#[test]
fn a_pod_uses_https_proxy_too() {
    let site = Site::new();
    let ways = |environment: &[(&str, &str)]| site.ways_of(site.in_a_pod(environment));
    assert_eq!(ways(&[("HTTPS_PROXY", WITH_PASSWORD)]), [HTTP_PROXY]);
    assert_eq!(ways(&[("HTTPS_PROXY", WITH_PASSWORD), ("NO_PROXY", "10.96.0.1")]), [API_SERVER]);
}

#[test]
fn proxy_url_in_the_kubeconfig_wins_over_the_environment() {
    let site = Site::new();
    let ways = |proxy_url| {
        let environment = [("HTTPS_PROXY", NO_PROXY_THERE), ("NO_PROXY", "10.96.0.0/16")];
        site.ways_of(site.with_kubeconfig(proxy_url, &environment))
    };
    assert_eq!(ways("socks5://127.0.0.1:1080"), [SOCKS_PROXY]);
    assert_eq!(ways(WITH_PASSWORD), [HTTP_PROXY]);
}

#[test]
fn a_failing_proxy_is_reported_with_advice_and_without_its_password() {
    let site = Site::new();
    let says = |exporter: Exporter, parts: &[&str]| {
        wait_until(&format!("{parts:?}"), SOON, || exporter.program.logged(parts) > 0);
        assert_keeps_the_secret(&exporter);
    };
    let https_proxy = |proxy| site.with_kubeconfig("", &[("HTTPS_PROXY", proxy), ("RUST_LOG", "trace")]);
    let no_proxy = "cannot connect through the proxy http://127.0.0.1:9 (from HTTPS_PROXY): ";
    let advice = "; check the proxy, or add the API server to NO_PROXY";
    says(https_proxy(NO_PROXY_THERE), &[no_proxy, "Connection refused", advice]);
    let refuses = "cannot connect through the proxy http://127.0.0.1:3128 (from HTTPS_PROXY): ";
    says(https_proxy("http://127.0.0.1:3128"), &[refuses, "proxy authorization required", advice]);
    says(https_proxy("http://user:other-secret@127.0.0.1:3128"), &[refuses, "tunnel error: unsuccessful", advice]);
    let socks = "cannot connect through the proxy socks5://127.0.0.1:9 (from proxy-url of the kubeconfig): ";
    let advice = "; check the proxy, and proxy-url in the kubeconfig";
    says(site.with_kubeconfig("socks5://127.0.0.1:9", &[]), &[socks, "failed to create underlying connection", advice]);
}
