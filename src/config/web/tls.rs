//! `tls_server_config`: TLS of the HTTP server.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use rustls::{
    NamedGroup, RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};
use serde::Deserialize;
use serde_saphyr::Spanned;
use x509_parser::{certificate::X509Certificate, prelude::FromDer};

use super::{EXAMPLE, client::Guard, wrong};
use crate::config::{file::Wrong, file_stamp::FileStamp, text::without_mark};

type Text = Option<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    cert: Text,
    key: Text,
    client_ca: Text,
    cert_file: Text,
    key_file: Text,
    client_auth_type: Text,
    client_ca_file: Text,
    cipher_suites: Option<Vec<Spanned<String>>>,
    curve_preferences: Option<Vec<Spanned<String>>>,
    min_version: Text,
    max_version: Text,
    prefer_server_cipher_suites: Option<bool>,
    client_allowed_sans: Option<Spanned<Vec<String>>>,
}

pub(super) struct Server {
    pub(super) config: Arc<ServerConfig>,
    /// Expiry of the server certificate.
    pub(super) expires: Option<Timestamp>,
}

/// The policies of Go's `crypto/tls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

/// Contents, with the line and the key that they come from.
type Read = (Vec<u8>, u64, &'static str);

/// Reads PEM from the file itself or from files that it names, and records the latter.
struct Pem<'a> {
    folder: &'a Path,
    files: &'a mut Vec<FileStamp>,
}

impl Pem<'_> {
    /// Reads a pair of keys such as `cert` and `cert_file`.
    fn read(
        &mut self,
        (inline, inline_key): (&Text, &'static str),
        (file, file_key): (&Text, &'static str),
    ) -> Result<Option<Read>, Wrong> {
        let said = |text: &Text| text.as_ref().is_some_and(|text| !text.value.is_empty());
        match (inline, file) {
            (Some(text), Some(_)) if said(inline) && said(file) => {
                let problem = format!("{inline_key} and {file_key} exclude each other; leave one out");
                Err(wrong(text.referenced.line(), inline_key, problem, EXAMPLE))
            }
            (Some(text), _) if said(inline) => {
                Ok(Some((text.value.clone().into_bytes(), text.referenced.line(), inline_key)))
            }
            (_, Some(path)) if said(file) => {
                let line = path.referenced.line();
                let path = self.folder.join(&path.value);
                let stamp = FileStamp::of(&path);
                let bytes = std::fs::read(&path).map_err(|error| {
                    let problem = format!(
                        "cannot read {}: {error}; check that it exists and that this user may read it",
                        path.display()
                    );
                    wrong(line, file_key, problem, EXAMPLE)
                })?;
                self.files.push(stamp);
                Ok(Some((without_mark(&bytes).to_vec(), line, file_key)))
            }
            _ => Ok(None),
        }
    }
}

/// `None` if the file configures no TLS by the rules of the toolkit.
pub(super) fn server(
    raw: &Spanned<Raw>,
    http2: bool,
    folder: &Path,
    files: &mut Vec<FileStamp>,
) -> Result<Option<Server>, Wrong> {
    let (line, raw) = (raw.referenced.line(), &raw.value);
    let mut pem = Pem { folder, files };
    let certificate = pem.read((&raw.cert, "cert"), (&raw.cert_file, "cert_file"))?;
    let key = pem.read((&raw.key, "key"), (&raw.key_file, "key_file"))?;
    let authorities = pem.read((&raw.client_ca, "client_ca"), (&raw.client_ca_file, "client_ca_file"))?;
    let policy = policy(&raw.client_auth_type)?;
    let (certificate, key) = match (certificate, key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if authorities.is_none() && raw.client_auth_type.is_none() => {
            let settings =
                raw.cipher_suites.is_some() || raw.min_version.is_some() || raw.client_allowed_sans.is_some();
            if settings {
                return Err(wrong(line, "cert_file", "TLS needs a certificate; write cert_file and key_file", EXAMPLE));
            }
            return Ok(None);
        }
        (None, _) => {
            return Err(wrong(line, "cert_file", "the certificate is missing; write cert_file or cert", EXAMPLE));
        }
        (_, None) => return Err(wrong(line, "key_file", "the private key is missing; write key_file or key", EXAMPLE)),
    };
    let provider = Arc::new(provider(raw)?);
    let versions = versions(raw)?;
    let (chain, key) = (certificates(&certificate)?, private_key(&key)?);
    let expires = chain.first().and_then(expiry);
    let guard = guard(raw, policy, authorities.as_ref(), &provider, line)?;
    let unusable = |error: rustls::Error| {
        let problem = format!("the certificate cannot be used: {error}; check that the private key belongs to it");
        wrong(certificate.1, certificate.2, problem, EXAMPLE)
    };
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions).map_err(|error| {
        wrong(line, "cipher_suites", format!("these settings leave no usable TLS version: {error}"), EXAMPLE)
    })?;
    let builder = match guard {
        Some(guard) => builder.with_client_cert_verifier(Arc::new(guard)),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key).map_err(unusable)?;
    config.ignore_client_order = raw.prefer_server_cipher_suites.unwrap_or(true);
    // In order of preference.
    config.alpn_protocols =
        ["h2", "http/1.1"][usize::from(!http2)..].iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Some(Server { config: Arc::new(config), expires }))
}

fn certificates((bytes, line, key): &Read) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(wrong(
            *line,
            key,
            "no certificate in PEM format; check that it has a line -----BEGIN CERTIFICATE-----",
            EXAMPLE,
        )),
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn private_key((bytes, line, key): &Read) -> Result<PrivateKeyDer<'static>, Wrong> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|_| {
        wrong(*line, key, "no private key in PEM format; check that it has a line -----BEGIN PRIVATE KEY-----", EXAMPLE)
    })
}

fn policy(written: &Text) -> Result<Policy, Wrong> {
    let Some(written) = written else { return Ok(Policy::None) };
    match &*written.value {
        "" | "NoClientCert" => Ok(Policy::None),
        "RequestClientCert" => Ok(Policy::Request),
        "RequireAnyClientCert" | "RequireClientCert" => Ok(Policy::RequireAny),
        "VerifyClientCertIfGiven" => Ok(Policy::VerifyIfGiven),
        "RequireAndVerifyClientCert" => Ok(Policy::RequireAndVerify),
        other => {
            let problem = format!(
                "{other:?} is not supported; write NoClientCert, RequestClientCert, RequireAnyClientCert, \
                 VerifyClientCertIfGiven or RequireAndVerifyClientCert"
            );
            let example = "  client_auth_type: RequireAndVerifyClientCert";
            Err(wrong(written.referenced.line(), "client_auth_type", problem, example))
        }
    }
}

fn guard(
    raw: &Raw,
    policy: Policy,
    authorities: Option<&Read>,
    provider: &Arc<CryptoProvider>,
    line: u64,
) -> Result<Option<Guard>, Wrong> {
    const EXAMPLE: &str = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: clients.pem";
    let verifies = matches!(policy, Policy::VerifyIfGiven | Policy::RequireAndVerify);
    let mandatory = matches!(policy, Policy::RequireAny | Policy::RequireAndVerify);
    match authorities {
        Some((_, line, key)) if policy == Policy::None => {
            return Err(wrong(
                *line,
                key,
                "the client_auth_type does not request certificates; write RequireAndVerifyClientCert",
                EXAMPLE,
            ));
        }
        None if verifies => {
            let problem = "the CA certificates are missing; write client_ca_file or client_ca";
            return Err(wrong(line, "client_ca_file", problem, EXAMPLE));
        }
        _ => {}
    }
    if let Some(sans) = raw.client_allowed_sans.as_ref().filter(|_| !mandatory) {
        let problem = "needs client_auth_type RequireAnyClientCert or RequireAndVerifyClientCert: a client without a \
                       certificate has no names";
        return Err(wrong(sans.referenced.line(), "client_allowed_sans", problem, EXAMPLE));
    }
    if policy == Policy::None {
        return Ok(None);
    }
    let chain = match authorities.filter(|_| verifies) {
        Some(read) => {
            let mut roots = RootCertStore::empty();
            let unusable = |error: String| wrong(read.1, read.2, format!("cannot be used: {error}"), EXAMPLE);
            for certificate in certificates(read)? {
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            Some(builder.build().map_err(|error| unusable(error.to_string()))?)
        }
        None => None,
    };
    let allowed = raw.client_allowed_sans.as_ref().map(|sans| sans.value.clone());
    Ok(Some(Guard { chain, mandatory, allowed, algorithms: provider.signature_verification_algorithms }))
}

fn provider(raw: &Raw) -> Result<CryptoProvider, Wrong> {
    let mut provider = rustls::crypto::ring::default_provider();
    if let Some(written) = raw.cipher_suites.as_ref().filter(|written| !written.is_empty()) {
        // Go does not let users choose TLS 1.3 suites either.
        let all = std::mem::take(&mut provider.cipher_suites);
        provider.cipher_suites = all.iter().filter(|suite| suite.tls13().is_some()).copied().collect();
        for name in written {
            let found = all.iter().find(|suite| {
                let known = format!("{:?}", suite.suite());
                known == name.value || known.replacen("TLS13_", "TLS_", 1) == name.value
            });
            match found {
                Some(suite) if suite.tls13().is_some() => {}
                Some(suite) => provider.cipher_suites.push(*suite),
                None => {
                    let known: Vec<_> = all.iter().map(|suite| format!("{:?}", suite.suite())).collect();
                    let problem = format!("{:?} is not supported; write one of {}", name.value, known.join(", "));
                    let example = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]";
                    return Err(wrong(name.referenced.line(), "cipher_suites", problem, example));
                }
            }
        }
    }
    if let Some(written) = raw.curve_preferences.as_ref().filter(|written| !written.is_empty()) {
        let all = std::mem::take(&mut provider.kx_groups);
        for name in written {
            let group = match &*name.value {
                "CurveP256" => Some(NamedGroup::secp256r1),
                "CurveP384" => Some(NamedGroup::secp384r1),
                "X25519" => Some(NamedGroup::X25519),
                _ => None,
            };
            let Some(known) = group.and_then(|group| all.iter().find(|known| known.name() == group)) else {
                let problem = format!("{:?} is not supported; write one of X25519, CurveP256, CurveP384", name.value);
                let example = "  curve_preferences: [X25519, CurveP256]";
                return Err(wrong(name.referenced.line(), "curve_preferences", problem, example));
            };
            provider.kx_groups.push(*known);
        }
    }
    Ok(provider)
}

fn versions(raw: &Raw) -> Result<Vec<&'static SupportedProtocolVersion>, Wrong> {
    let read = |text: &Text, key: &'static str, usual: u8| match text.as_ref().map(|text| (&*text.value, text)) {
        None => Ok(usual),
        Some(("TLS12", _)) => Ok(12),
        Some(("TLS13", _)) => Ok(13),
        Some((other, text)) => {
            let problem = format!("{other:?} is not supported; write TLS12 or TLS13");
            Err(wrong(text.referenced.line(), key, problem, "  min_version: TLS12"))
        }
    };
    let (least, most) = (read(&raw.min_version, "min_version", 12)?, read(&raw.max_version, "max_version", 13)?);
    let all = [(12, &TLS12), (13, &TLS13)];
    let versions: Vec<_> =
        all.into_iter().filter(|(n, _)| (least..=most).contains(n)).map(|(_, version)| version).collect();
    if versions.is_empty() {
        let line = raw.min_version.as_ref().map_or(1, |text| text.referenced.line());
        return Err(wrong(
            line,
            "min_version",
            "min_version is above max_version; lower it or raise max_version",
            "  min_version: TLS12",
        ));
    }
    Ok(versions)
}
