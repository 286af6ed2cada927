//! The web configuration file of Prometheus' exporter-toolkit: TLS, client certificates, users, headers, rate limit.
//! Keys mean what they mean in the toolkit; an unsupported key is an error, never ignored.

mod client;
mod tls;

use std::{collections::BTreeMap, fmt::Display, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use rustls::ServerConfig;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    duration::parse_duration,
    file::{FileError, Wrong, from_yaml, load},
    file_stamp::FileStamp,
};

const EXAMPLE: &str = "  tls_server_config: {cert_file: server.pem, key_file: server.key}";

/// A check at a higher cost takes seconds of CPU, and clients without the password can trigger it.
const BCRYPT_COST_MAX: u32 = 16;

#[derive(Clone, Debug, Default)]
pub struct WebConfiguration {
    /// `None` means plain HTTP.
    pub tls: Option<Arc<ServerConfig>>,
    /// Expiry of the server certificate.
    pub expires: Option<Timestamp>,
    /// bcrypt hash by user name; without users, the server requires no password.
    pub users: BTreeMap<String, String>,
    /// Headers of every response, by name.
    pub headers: Vec<(&'static str, String)>,
    pub rate_limit: Option<RateLimit>,
    /// Files that were read, as they were then.
    pub files: Vec<FileStamp>,
}

/// One request per interval, and a burst after idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    pub interval: Duration,
    pub burst: u32,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tls_server_config: Option<Spanned<tls::Raw>>,
    http_server_config: Option<Http>,
    basic_auth_users: Option<BTreeMap<String, Spanned<String>>>,
    rate_limit: Option<Limit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    /// Applies to TLS only.
    http2: Option<bool>,
    headers: Option<BTreeMap<String, Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    interval: Option<Spanned<String>>,
    burst: Option<Spanned<u32>>,
}

/// Headers that may be set, with their values if only a few are allowed.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

impl WebConfiguration {
    /// Relative paths in the file start at its folder.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let stamp = FileStamp::of(path);
        let mut configuration = load(path, parse)?;
        configuration.files.push(stamp);
        Ok(configuration)
    }
}

fn parse(text: &str, folder: &Path) -> Result<WebConfiguration, Wrong> {
    let file: File = from_yaml(text, |_| EXAMPLE.to_owned())?.unwrap_or_default();
    let mut files = Vec::new();
    let http2 = file.http_server_config.as_ref().and_then(|http| http.http2).unwrap_or(true);
    let server = match &file.tls_server_config {
        Some(raw) => tls::server(raw, http2, folder, &mut files)?,
        None => None,
    };
    let (tls, expires) = server.map(|server| (server.config, server.expires)).unzip();
    let headers = match file.http_server_config {
        Some(http) => headers(http)?,
        None => Vec::new(),
    };
    let users = users(file.basic_auth_users.unwrap_or_default())?;
    let rate_limit = file.rate_limit.map_or(Ok(None), limit)?;
    Ok(WebConfiguration { tls, expires: expires.flatten(), users, headers, rate_limit, files })
}

fn wrong(line: u64, key: &str, problem: impl Display, example: &'static str) -> Wrong {
    Wrong::new(line, key, problem, example)
}

fn headers(http: Http) -> Result<Vec<(&'static str, String)>, Wrong> {
    const EXAMPLE: &str = "  http_server_config: {headers: {X-Frame-Options: deny}}";
    let mut headers = Vec::new();
    for (name, value) in http.headers.unwrap_or_default() {
        let line = value.referenced.line();
        let Some((known, values)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = HEADERS.iter().map(|(known, _)| *known).collect();
            let problem = format!("this header is not supported; use one of {}", known.join(", "));
            return Err(wrong(line, &name, problem, EXAMPLE));
        };
        if !values.is_empty() && !values.contains(&&*value.value) {
            let problem = format!("{:?} is not a valid value; write {}", value.value, values.join(" or "));
            return Err(wrong(line, &name, problem, EXAMPLE));
        }
        if !value.value.chars().all(|c| c == '\t' || (' '..='~').contains(&c)) {
            return Err(wrong(
                line,
                &name,
                "a header allows only printable ASCII characters and tabs; remove the others",
                EXAMPLE,
            ));
        }
        headers.push((*known, value.value));
    }
    // Blank values count as unset.
    headers.retain(|(_, value)| !value.trim().is_empty());
    Ok(headers)
}

fn users(raw: BTreeMap<String, Spanned<String>>) -> Result<BTreeMap<String, String>, Wrong> {
    const EXAMPLE: &str =
        "  basic_auth_users:\n    prometheus: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";
    let mut users = BTreeMap::new();
    for (name, hash) in raw {
        let line = hash.referenced.line();
        if name.is_empty() || name.contains(':') {
            let problem = "the user name is empty or has a colon; use another name";
            return Err(wrong(line, &format!("basic_auth_users.{name}"), problem, EXAMPLE));
        }
        let key = format!("basic_auth_users.{name}");
        match bcrypt_cost(&hash.value) {
            None => {
                let problem = "not a bcrypt hash; create one with `htpasswd -nBC 10 \"\"`";
                return Err(wrong(line, &key, problem, EXAMPLE));
            }
            Some(cost) if cost > BCRYPT_COST_MAX => {
                let problem = format!(
                    "the bcrypt hash has cost {cost}, so that every check takes seconds; use a cost of at most \
                     {BCRYPT_COST_MAX}"
                );
                return Err(wrong(line, &key, problem, EXAMPLE));
            }
            Some(_) => users.insert(name, hash.value),
        };
    }
    Ok(users)
}

/// `None` if it is not a bcrypt hash.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let mut parts = hash.strip_prefix('$')?.splitn(3, '$');
    let (version, cost, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let is_hash = |text: &str| text.len() == 53 && text.chars().all(|c| c.is_ascii_alphanumeric() || "./".contains(c));
    let cost = (cost.len() == 2).then(|| cost.parse().ok())??;
    (["2a", "2b", "2x", "2y"].contains(&version) && is_hash(rest) && (4..=31).contains(&cost)).then_some(cost)
}

fn limit(raw: Limit) -> Result<Option<RateLimit>, Wrong> {
    const EXAMPLE: &str = "  rate_limit: {interval: 100ms, burst: 20}";
    let Some(interval) = raw.interval else { return Ok(None) };
    let line = interval.referenced.line();
    let duration = parse_duration(&interval.value).map_err(|error| wrong(line, "interval", error, EXAMPLE))?;
    if duration.is_zero() {
        return Ok(None);
    }
    match raw.burst {
        Some(burst) if burst.value > 0 => Ok(Some(RateLimit { interval: duration, burst: burst.value })),
        _ => Err(wrong(line, "burst", "must be at least 1, or the server refuses every request", EXAMPLE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bcrypt_hashes_have_a_cost() {
        let hash = |cost: &str| format!("$2y${cost}$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi");
        assert_eq!(bcrypt_cost(&hash("10")), Some(10));
        assert_eq!(bcrypt_cost(&hash("31")), Some(31));
        for text in ["", "secret", "$2y$10$", &hash("3"), &hash("32"), &hash("1x"), &hash("10")[1..]] {
            assert_eq!(bcrypt_cost(text), None, "{text}");
        }
    }
}
