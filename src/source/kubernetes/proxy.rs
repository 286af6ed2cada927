//! The proxy between readscope and the API server.

use std::{error::Error, fmt, net::IpAddr};

use hyper::{
    Uri,
    http::uri::{Authority, Parts, Scheme},
};
use hyper_util::client::{legacy, proxy::matcher::Matcher};
use kube::config::Kubeconfig;

use crate::source::cause::causes;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// May contain a password.
    pub(super) url: Uri,
    setting: Setting,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    name: &'static str,
    /// What to check.
    advice: &'static str,
}

const KUBECONFIG: Setting =
    Setting { name: "proxy-url of the kubeconfig", advice: "the proxy, and proxy-url in the kubeconfig" };

const HTTPS_PROXY: Setting = Setting { name: "HTTPS_PROXY", advice: "the proxy, or add the API server to NO_PROXY" };

/// Omits the URL, which may contain a password.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the proxy in {setting}: {reason}; write it as http://HOST:PORT or socks5://HOST:PORT")]
pub struct ProxyError {
    setting: &'static str,
    reason: &'static str,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot connect through the proxy {proxy}: {}; check {}", last_cause(&**cause), proxy.setting.advice)]
struct Unreachable {
    proxy: Proxy,
    cause: Box<dyn Error + Send + Sync>,
}

fn last_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

#[derive(Default)]
pub(super) struct Environment {
    https_proxy: Option<String>,
    no_proxy: String,
}

impl Environment {
    pub(super) fn read() -> Self {
        let value = |names: [&str; 2]| {
            let mut values = names.into_iter().filter_map(|name| std::env::var(name).ok());
            values.find(|value| !value.is_empty())
        };
        Self {
            https_proxy: value(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: value(["NO_PROXY", "no_proxy"]).unwrap_or_default(),
        }
    }

    /// Decides as Go's HTTP client and kubectl do: an API server on loopback needs no proxy.
    fn is_proxied(&self, api_server: &Uri) -> bool {
        let host = api_server.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        // The library accepts `*` only for names.
        let is_off = self.no_proxy.split(',').any(|part| part.trim() == "*");
        let matcher = Matcher::builder().https("http://proxy").no(&self.no_proxy).build();
        !is_loopback && !is_off && matcher.intercept(api_server).is_some()
    }
}

impl Proxy {
    /// `proxy_url` of the kubeconfig overrides the environment and `NO_PROXY`.
    ///
    /// The library does not read the environment in a pod, and compares `NO_PROXY` with the proxy instead of the
    /// server.
    pub(super) fn choose(
        api_server: &Uri,
        proxy_url: Option<&str>,
        environment: &Environment,
    ) -> Result<Option<Self>, ProxyError> {
        let from = |setting: Setting, text| match parse(text) {
            Ok(url) => Ok(Some(Self { url, setting })),
            Err(reason) => Err(ProxyError { setting: setting.name, reason }),
        };
        match (proxy_url, environment.https_proxy.as_deref()) {
            (Some(text), _) => from(KUBECONFIG, text),
            (None, Some(text)) if environment.is_proxied(api_server) => from(HTTPS_PROXY, text),
            _ => Ok(None),
        }
    }

    /// Adds the proxy to connection errors.
    pub(super) fn explain(self, error: Box<dyn Error + Send + Sync>) -> Box<dyn Error + Send + Sync> {
        match error.downcast_ref::<legacy::Error>() {
            Some(connecting) if connecting.is_connect() => Box::new(Unreachable { proxy: self, cause: error }),
            _ => error,
        }
    }
}

/// `None` unless the kubeconfig's cluster has this API server.
pub(super) fn proxy_url(kubeconfig: Kubeconfig, context: Option<&str>, api_server: &Uri) -> Option<String> {
    let name = context.or(kubeconfig.current_context.as_deref())?;
    let context = kubeconfig.contexts.iter().find(|context| context.name == name)?.context.as_ref()?;
    let cluster = kubeconfig.clusters.into_iter().find(|cluster| cluster.name == context.cluster)?.cluster?;
    let server: Uri = cluster.server?.parse().ok()?;
    cluster.proxy_url.filter(|url| !url.is_empty() && server == *api_server)
}

/// The error says why the URL is refused.
fn parse(text: &str) -> Result<Uri, &'static str> {
    let Parts { scheme, authority, .. } = text.parse::<Uri>().map_err(|_| "it is not a URL")?.into_parts();
    let authority = authority.ok_or("it has no host")?;
    let scheme = match scheme.as_ref().map_or("http", Scheme::as_str) {
        scheme @ ("http" | "https") => scheme,
        "socks5" | "socks5h" if authority.as_str().contains('@') => {
            return Err("SOCKS with a password is not supported");
        }
        // The proxy resolves names in both cases.
        "socks5" | "socks5h" => "socks5",
        _ => return Err("its scheme is not http, https or socks5"),
    };
    let url = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
    url.map_err(|_| "it is not a URL")
}

/// Without the password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.authority().map_or("", Authority::as_str);
        let address = address.rsplit_once('@').map_or(address, |(_, address)| address);
        write!(f, "{}://{address} (from {})", self.url.scheme_str().unwrap_or("http"), self.setting.name)
    }
}

/// Hides the password too: the library logs errors in this form.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(https_proxy: &str, no_proxy: &str) -> Environment {
        Environment { https_proxy: Some(https_proxy.to_owned()), no_proxy: no_proxy.to_owned() }
    }

    fn chosen(api_server: &str, proxy_url: Option<&str>, environment: &Environment) -> String {
        match Proxy::choose(&api_server.parse().unwrap(), proxy_url, environment) {
            Ok(proxy) => proxy.map_or("none".to_owned(), |proxy| proxy.to_string()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn no_proxy_is_compared_with_the_api_server() {
        let used = |api_server: &str, no_proxy: &str| {
            chosen(api_server, None, &environment("http://10.96.0.1:3128", no_proxy)) != "none"
        };
        for no_proxy in ["", "10.97.0.0/16", "10.96.0.2", ".svc", "example.com,,"] {
            assert!(used("https://10.96.0.1:443", no_proxy), "{no_proxy}");
        }
        for no_proxy in ["10.96.0.0/16", "localhost, 10.96.0.1", "*", ".svc,10.0.0.0/8,"] {
            assert!(!used("https://10.96.0.1:443", no_proxy), "{no_proxy}");
        }
        for no_proxy in ["example.com", ".example.com", "k8s.example.com"] {
            assert!(!used("https://k8s.example.com:6443", no_proxy), "{no_proxy}");
        }
        for api_server in ["https://127.0.0.1:6443", "https://[::1]:6443", "https://localhost:6443", "http://10.0.0.1"]
        {
            assert!(!used(api_server, ""), "{api_server}");
        }
    }

    #[test]
    fn the_kubeconfig_wins_over_the_environment() {
        let environment = environment("http://environment:3128", "10.96.0.1");
        let chosen = chosen("https://10.96.0.1", Some("socks5h://kubeconfig:1080"), &environment);
        assert_eq!(chosen, "socks5://kubeconfig:1080 (from proxy-url of the kubeconfig)");
    }

    #[test]
    fn no_password_is_shown() {
        let chosen = |proxy: &str| chosen("https://10.96.0.1", None, &environment(proxy, ""));
        assert_eq!(chosen("http://user:p%40ss@proxy:3128/"), "http://proxy:3128 (from HTTPS_PROXY)");
        assert_eq!(chosen("user:secret@proxy:3128"), "http://proxy:3128 (from HTTPS_PROXY)");
        for refused in
            ["socks5://user:secret@proxy:1080", "ftp://user:secret@proxy", "http://user:se cret@proxy", "/secret"]
        {
            let text = chosen(refused);
            assert!(text.starts_with("cannot use the proxy in HTTPS_PROXY: ") && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn the_kubeconfig_of_another_api_server_does_not_count() {
        let kubeconfig = Kubeconfig::from_yaml(
            "clusters: [{name: c, cluster: {server: 'https://10.0.0.1', proxy-url: 'http://proxy:3128'}}]\n\
             contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n",
        );
        let kubeconfig = kubeconfig.unwrap();
        let of = |context, server: &str| proxy_url(kubeconfig.clone(), context, &server.parse().unwrap());
        assert_eq!(of(None, "https://10.0.0.1").as_deref(), Some("http://proxy:3128"));
        assert_eq!(of(Some("x"), "https://10.0.0.1/").as_deref(), Some("http://proxy:3128"));
        assert_eq!(of(Some("y"), "https://10.0.0.1"), None);
        assert_eq!(of(None, "https://10.96.0.1"), None);
    }
}
