//! The HTTP client configuration file of Prometheus' tools (`promtool --http.config.file`): TLS and credentials for
//! requests to an exporter. Keys mean what they mean in Prometheus; an unsupported key is an error, never ignored.

use std::{fmt::Display, path::Path};

use rustls::{ClientConfig, pki_types::ServerName};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    file::{FileError, Wrong, from_yaml, load},
    secret::PasswordSource,
    tls::{ClientIdentity, PemFile, TlsError, with_verification, without_verification},
};

const EXAMPLE: &str = "  basic_auth: {username: prometheus, password_file: password}\n  tls_config: {ca_file: ca.pem}";

#[derive(Clone, Debug)]
pub struct HttpConfiguration {
    /// Used for `https` URLs.
    pub tls: ClientConfig,
    /// Expected in the certificate, instead of the URL's host.
    pub server_name: Option<ServerName<'static>>,
    pub credentials: Option<Credentials>,
}

/// The `Authorization` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    Basic {
        username: String,
        /// Read again when it changes.
        password: PasswordSource,
    },
    Token {
        /// Such as `Bearer`.
        scheme: String,
        /// Read again when it changes.
        token: PasswordSource,
    },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    basic_auth: Option<Spanned<Basic>>,
    authorization: Option<Spanned<Authorization>>,
    tls_config: Option<Spanned<TlsConfig>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Basic {
    username: String,
    password: Option<String>,
    password_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorization {
    #[serde(rename = "type")]
    scheme: Option<String>,
    credentials: Option<String>,
    credentials_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsConfig {
    ca_file: Option<String>,
    cert_file: Option<String>,
    key_file: Option<String>,
    server_name: Option<Spanned<String>>,
    insecure_skip_verify: Option<bool>,
}

impl HttpConfiguration {
    /// Trusts the authorities that browsers trust, and sends no credentials.
    pub fn usual() -> Result<Self, TlsError> {
        Ok(Self { tls: with_verification(None, None)?, server_name: None, credentials: None })
    }

    /// Relative paths in the file start at its folder.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        load(path, parse)
    }
}

fn parse(text: &str, folder: &Path) -> Result<HttpConfiguration, Wrong> {
    let file: File = from_yaml(text, |_| EXAMPLE.to_owned())?.unwrap_or_default();
    let credentials = match (file.basic_auth, file.authorization) {
        (Some(_), Some(other)) => {
            return Err(wrong(
                other.referenced.line(),
                "authorization",
                "basic_auth and authorization exclude each other; leave one out",
            ));
        }
        (Some(basic), None) => Some(self::basic(basic, folder)?),
        (None, Some(authorization)) => Some(token(authorization, folder)?),
        (None, None) => None,
    };
    let (tls, server_name) = match file.tls_config {
        Some(raw) => tls(raw, folder)?,
        None => (with_verification(None, None).map_err(|error| wrong(1, "tls_config", error))?, None),
    };
    Ok(HttpConfiguration { tls, server_name, credentials })
}

fn basic(raw: Spanned<Basic>, folder: &Path) -> Result<Credentials, Wrong> {
    let (line, Basic { username, password, password_file }) = (raw.referenced.line(), raw.value);
    if username.contains(':') {
        return Err(wrong(
            line,
            "username",
            "HTTP basic authentication allows no colon in a user name; use a name without one",
        ));
    }
    let password = secret(password, password_file, folder, ["password", "password_file"], line)?;
    Ok(Credentials::Basic { username, password })
}

fn token(raw: Spanned<Authorization>, folder: &Path) -> Result<Credentials, Wrong> {
    let (line, Authorization { scheme, credentials, credentials_file }) = (raw.referenced.line(), raw.value);
    let scheme = scheme.unwrap_or_else(|| "Bearer".to_owned());
    if scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong(line, "type", "write the user and the password as basic_auth"));
    }
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c)) {
        return Err(wrong(line, "type", "not a valid type; write one word, such as Bearer"));
    }
    let token = secret(credentials, credentials_file, folder, ["credentials", "credentials_file"], line)?;
    if token == PasswordSource::Empty {
        return Err(wrong(line, "credentials_file", "the token is missing; write credentials_file or credentials"));
    }
    Ok(Credentials::Token { scheme, token })
}

/// Reads a secret from the file itself or from the file that it names.
fn secret(
    inline: Option<String>,
    file: Option<String>,
    folder: &Path,
    [inline_key, file_key]: [&str; 2],
    line: u64,
) -> Result<PasswordSource, Wrong> {
    let source = match (inline, file) {
        (Some(_), Some(_)) => {
            return Err(wrong(
                line,
                inline_key,
                format!("{inline_key} and {file_key} exclude each other; leave one out"),
            ));
        }
        (Some(text), None) if text.is_empty() => PasswordSource::Empty,
        (Some(text), None) => {
            PasswordSource::given(text.as_bytes(), "the value").map_err(|error| wrong(line, inline_key, error))?
        }
        (None, Some(path)) => PasswordSource::File(folder.join(path)),
        (None, None) => PasswordSource::Empty,
    };
    // A missing file is reported now; otherwise the exporter would only reject the requests.
    source.read().map_err(|error| wrong(line, file_key, error))?;
    Ok(source)
}

fn tls(raw: Spanned<TlsConfig>, folder: &Path) -> Result<(ClientConfig, Option<ServerName<'static>>), Wrong> {
    let (line, raw) = (raw.referenced.line(), raw.value);
    let path = |file: Option<String>| file.filter(|file| !file.is_empty()).map(|file| folder.join(file));
    let refused = |key: &str, error: &dyn Display| wrong(line, key, error);
    let identity = match (path(raw.cert_file), path(raw.key_file)) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(ClientIdentity::load(&certificate, &key).map_err(|error| refused("cert_file", &error))?)
        }
        _ => return Err(refused("cert_file", &"cert_file and key_file belong together; give both or neither")),
    };
    let authorities = path(raw.ca_file).map(|path| PemFile::of_authorities(&path)).transpose();
    let authorities = authorities.map_err(|error| refused("ca_file", &error))?;
    let tls = match (raw.insecure_skip_verify == Some(true), &authorities) {
        (true, Some(_)) => {
            return Err(refused("ca_file", &"insecure_skip_verify turns the check against ca_file off; leave one out"));
        }
        (true, None) => without_verification(identity.as_ref()),
        (false, _) => with_verification(authorities.as_ref(), identity.as_ref()),
    };
    let tls = tls.map_err(|error| refused("tls_config", &error))?;
    let server_name = raw.server_name.filter(|name| !name.value.is_empty()).map(|name| {
        let line = name.referenced.line();
        ServerName::try_from(name.value).map_err(|_| {
            wrong(line, "server_name", "not a valid host name; write the name in the certificate of the server")
        })
    });
    Ok((tls, server_name.transpose()?))
}

fn wrong(line: u64, key: &str, problem: impl Display) -> Wrong {
    Wrong::new(line, key, problem, EXAMPLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn fixtures() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls"))
    }

    fn read(text: &str) -> HttpConfiguration {
        parse(text, fixtures()).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
    }

    #[test]
    fn an_empty_file_sends_no_credentials() {
        for text in ["", "# empty\n", "tls_config: {}"] {
            let HttpConfiguration { server_name, credentials, .. } = read(text);
            assert!(server_name.is_none() && credentials.is_none(), "{text}");
        }
    }

    #[test]
    fn users_tokens_and_ca_certificates_are_read() {
        let password = PasswordSource::Given(Secret::new("a:b".to_owned()));
        let basic = read("basic_auth: {username: prometheus, password: 'a:b'}").credentials;
        assert!(!format!("{basic:?}").contains("a:b"));
        assert_eq!(basic, Some(Credentials::Basic { username: "prometheus".to_owned(), password }));
        let token = read("authorization: {credentials: \"abc\\n\"}").credentials;
        let abc = PasswordSource::Given(Secret::new("abc".to_owned()));
        assert_eq!(token, Some(Credentials::Token { scheme: "Bearer".to_owned(), token: abc }));
        let tls = "tls_config: {ca_file: authority.pem, cert_file: client.pem, key_file: client.key, server_name: a.b}";
        assert_eq!(read(tls).server_name, Some("a.b".try_into().unwrap()));
        assert!(read(tls).tls.client_auth_cert_resolver.has_certs());
        assert!(!read("tls_config: {insecure_skip_verify: true}").tls.client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn invalid_settings_are_refused_with_line_and_key() {
        for (text, line, key, part) in [
            ("\nproxy_url: http://proxy", 2, "proxy_url", "unknown key"),
            ("basic_auth: {password: x}", 1, "username", "missing"),
            ("basic_auth: {username: 'a:b'}", 1, "username", "colon"),
            ("basic_auth:\n  username: a\n  password_file: none", 2, "password_file", "cannot read"),
            ("basic_auth: {username: a, password: x, password_file: y}", 1, "password", "leave one out"),
            ("basic_auth: {username: a}\nauthorization: {credentials: b}", 2, "authorization", "leave one out"),
            ("authorization: {type: Basic, credentials: b}", 1, "type", "basic_auth"),
            ("authorization: {type: 'a b', credentials: b}", 1, "type", "one word"),
            ("basic_auth: {username: a, password: \"b\\nc\"}", 1, "password", "the value is not one line"),
            ("authorization: {credentials: \"b\\0\"}", 1, "credentials", "the value is not one line"),
            ("authorization: {type: Bearer}", 1, "credentials_file", "missing"),
            ("tls_config: {ca_file: none.pem}", 1, "ca_file", "cannot read"),
            ("tls_config: {ca_file: server.key}", 1, "ca_file", "no certificate in PEM form"),
            ("tls_config: {cert_file: client.pem}", 1, "cert_file", "belong together"),
            (
                "tls_config: {ca_file: authority.pem, insecure_skip_verify: true}",
                1,
                "ca_file",
                "turns the check against ca_file off",
            ),
            ("tls_config: {server_name: 'a b'}", 1, "server_name", "not a valid host name"),
            ("[]", 1, "YAML", "mapping"),
        ] {
            let wrong = parse(text, fixtures()).map(|read| panic!("{text}: {read:?}")).unwrap_err();
            assert_eq!((wrong.line, &*wrong.key), (line, key), "{text}: {}", wrong.problem);
            assert!(wrong.problem.contains(part), "{text}: {}", wrong.problem);
        }
    }
}
