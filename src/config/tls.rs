//! Encryption of MySQL connections, and the certificates that they trust.

mod client;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize, Serializer};

pub(super) use self::client::{with_verification, without_verification};
use super::{
    file_stamp::FileStamp,
    text::{self, deserialize_from_str, serialize_display, without_mark},
};

/// Options of the command line, keys of `tls` in the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Args, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSettings {
    /// TLS mode: disabled, required (accepts any certificate) or verify-identity
    #[arg(long = "tls", id = "tls", env = "READSCOPE_TLS", value_name = "MODE", default_value_t)]
    #[serde(deserialize_with = "text::read_or_default")]
    pub mode: TlsMode,
    /// CA certificates for verify-identity, PEM [default: the Mozilla root certificates]
    #[arg(long = "tls-ca", id = "tls_ca", value_name = "FILE")]
    #[serde(serialize_with = "text::write_path_option", skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long = "tls-cert", id = "tls_cert", value_name = "FILE")]
    #[serde(serialize_with = "text::write_path_option", skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Private key of the client certificate, PEM
    #[arg(long = "tls-key", id = "tls_key", value_name = "FILE")]
    #[serde(serialize_with = "text::write_path_option", skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// Named as in the `mysql` client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum TlsMode {
    Disabled,
    /// Encrypted; any certificate is accepted.
    #[default]
    Required,
    /// Encrypted; the certificate must come from a trusted authority and carry the host's name.
    VerifyIdentity,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsModeError {
    #[error(
        "preferred is not possible: falling back to an unencrypted login takes a second connection, which may reach \
         another replica; write disabled, required or verify-identity"
    )]
    Preferred,
    #[error(
        "verify-ca is not possible: it would accept any server with a certificate of the CA; write verify-identity, or \
         required"
    )]
    VerifyCa,
    #[error("write disabled, required or verify-identity")]
    Unknown,
}

/// PEM files in it are already checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    Disabled,
    Required {
        client: Option<ClientIdentity>,
    },
    VerifyIdentity {
        /// `None` means the authorities that browsers trust.
        authorities: Option<PemFile>,
        client: Option<ClientIdentity>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// With its intermediate certificates.
    pub certificate: PemFile,
    pub key: PemFile,
}

/// A file and its contents. Debug output and equality use the path only: changed contents do not make another target.
#[derive(Clone)]
pub struct PemFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    stamp: FileStamp,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the mode {mode} does not use {file}; leave it out, or choose the mode {instead}")]
    NotUsed { file: &'static str, mode: TlsMode, instead: &'static str },
    #[error("the client certificate and its private key belong together; give both or neither")]
    HalfIdentity,
    #[error("cannot read {path:?}: {reason}; check that it exists and that this user may read it")]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error("{path:?} has no {what} in PEM format ({reason}); check that it has a line -----BEGIN {label}-----")]
    NotPem {
        path: PathBuf,
        what: &'static str,
        /// Label of its `BEGIN` line.
        label: &'static str,
        reason: String,
    },
    #[error("{path:?} cannot be used: {reason}; for a client certificate, check that the private key belongs to it")]
    Unusable { path: PathBuf, reason: String },
}

impl Tls {
    /// Reads and checks the files that the mode needs.
    pub fn load(settings: &TlsSettings) -> Result<Self, TlsError> {
        let TlsSettings { mode, ca_file, cert_file, key_file } = settings;
        let not_used = |file, instead| TlsError::NotUsed { file, mode: *mode, instead };
        if *mode != TlsMode::VerifyIdentity && ca_file.is_some() {
            return Err(not_used("a CA file", "verify-identity"));
        }
        if *mode == TlsMode::Disabled && cert_file.as_ref().or(key_file.as_ref()).is_some() {
            return Err(not_used("a client certificate", "required or verify-identity"));
        }
        let client = match (cert_file, key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(ClientIdentity::load(certificate, key)?),
            _ => return Err(TlsError::HalfIdentity),
        };
        Ok(match mode {
            TlsMode::Disabled => Self::Disabled,
            TlsMode::Required => Self::Required { client },
            TlsMode::VerifyIdentity => Self::VerifyIdentity {
                authorities: ca_file.as_deref().map(PemFile::of_authorities).transpose()?,
                client,
            },
        })
    }

    /// Its files as they were when they were read.
    pub fn stamps(&self) -> Vec<FileStamp> {
        let (authorities, client) = self.files();
        let client = client.into_iter().flat_map(|client| [&client.certificate, &client.key]);
        authorities.into_iter().chain(client).map(|file| file.stamp.clone()).collect()
    }

    pub fn read_again(&self) -> Result<Self, TlsError> {
        Self::load(&self.settings())
    }

    fn settings(&self) -> TlsSettings {
        let (authorities, client) = self.files();
        let path = |file: &PemFile| file.path.clone();
        TlsSettings {
            mode: self.mode(),
            ca_file: authorities.map(path),
            cert_file: client.map(|client| path(&client.certificate)),
            key_file: client.map(|client| path(&client.key)),
        }
    }

    fn files(&self) -> (Option<&PemFile>, Option<&ClientIdentity>) {
        match self {
            Self::Disabled => (None, None),
            Self::Required { client } => (None, client.as_ref()),
            Self::VerifyIdentity { authorities, client } => (authorities.as_ref(), client.as_ref()),
        }
    }

    fn mode(&self) -> TlsMode {
        match self {
            Self::Disabled => TlsMode::Disabled,
            Self::Required { .. } => TlsMode::Required,
            Self::VerifyIdentity { .. } => TlsMode::VerifyIdentity,
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::Required { client: None }
    }
}

impl Serialize for Tls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.settings().serialize(serializer)
    }
}

impl ClientIdentity {
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let identity = Self { certificate: PemFile::read(certificate)?, key: PemFile::read(key)? };
        identity.certified_key()?;
        Ok(identity)
    }

    fn certified_key(&self) -> Result<CertifiedKey, TlsError> {
        let Self { certificate, key } = self;
        let chain = certificate.certificates()?;
        let private = PrivateKeyDer::from_pem_slice(&key.bytes)
            .map_err(|error| key.not_pem("private key", "PRIVATE KEY", error.to_string()))?;
        CertifiedKey::from_der(chain, private, &rustls::crypto::ring::default_provider())
            .map_err(|error| certificate.unusable(&error))
    }
}

impl PemFile {
    /// Checks that the file contains certificates.
    pub(super) fn of_authorities(path: &Path) -> Result<Self, TlsError> {
        let file = Self::read(path)?;
        file.authorities()?;
        Ok(file)
    }

    fn authorities(&self) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in self.certificates()? {
            roots.add(certificate).map_err(|error| self.unusable(&error))?;
        }
        Ok(roots)
    }

    fn read(path: &Path) -> Result<Self, TlsError> {
        // Before the read: a change during the read is found by the next check.
        let stamp = FileStamp::of(path);
        let bytes = std::fs::read(path).map_err(|reason| TlsError::Unreadable { path: path.to_owned(), reason })?;
        // A mark before the first certificate would hide it.
        Ok(Self { path: path.to_owned(), bytes: without_mark(&bytes).to_vec(), stamp })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let not_pem = |reason| self.not_pem("certificate", "CERTIFICATE", reason);
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(certificates) if certificates.is_empty() => Err(not_pem("none found".to_owned())),
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(not_pem(error.to_string())),
        }
    }

    fn unusable(&self, error: &rustls::Error) -> TlsError {
        TlsError::Unusable { path: self.path.clone(), reason: error.to_string() }
    }

    fn not_pem(&self, what: &'static str, label: &'static str, reason: String) -> TlsError {
        TlsError::NotPem { path: self.path.clone(), what, label, reason }
    }
}

impl PartialEq for PemFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for PemFile {}

impl fmt::Debug for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl TlsMode {
    fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Required => "required",
            Self::VerifyIdentity => "verify-identity",
        }
    }
}

impl FromStr for TlsMode {
    type Err = TlsModeError;

    fn from_str(text: &str) -> Result<Self, TlsModeError> {
        // The mysql client ignores case, and underscores as in MYSQL_SSL_MODE are common.
        match text.to_ascii_lowercase().replace('_', "-").as_str() {
            "disabled" => Ok(Self::Disabled),
            "required" => Ok(Self::Required),
            "verify-identity" => Ok(Self::VerifyIdentity),
            "preferred" => Err(TlsModeError::Preferred),
            "verify-ca" => Err(TlsModeError::VerifyCa),
            _ => Err(TlsModeError::Unknown),
        }
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

deserialize_from_str!(TlsMode);
serialize_display!(TlsMode);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Reloaded;

    #[test]
    fn unsupported_modes_are_refused_with_the_reason() {
        assert_eq!("VERIFY_IDENTITY".parse(), Ok(TlsMode::VerifyIdentity));
        assert_eq!("preferred".parse::<TlsMode>(), Err(TlsModeError::Preferred));
        assert_eq!("verify-ca".parse::<TlsMode>(), Err(TlsModeError::VerifyCa));
        assert_eq!("on".parse::<TlsMode>(), Err(TlsModeError::Unknown));
    }

    fn verify_identity(ca_file: &Path) -> TlsSettings {
        TlsSettings { mode: TlsMode::VerifyIdentity, ca_file: Some(ca_file.to_owned()), ..TlsSettings::default() }
    }

    #[test]
    fn files_that_a_mode_does_not_use_are_refused() {
        let file = || Some(PathBuf::from("x"));
        let refused = |settings| Tls::load(&settings).unwrap_err().to_string();
        let required = TlsSettings { mode: TlsMode::Required, ..verify_identity(Path::new("x")) };
        assert!(refused(required).starts_with("the mode required does not use a CA file"));
        let both = TlsSettings { cert_file: file(), key_file: file(), ..TlsSettings::default() };
        let disabled = TlsSettings { mode: TlsMode::Disabled, ..both };
        assert!(refused(disabled).starts_with("the mode disabled does not use a client certificate"));
        let half = TlsSettings { cert_file: file(), ..TlsSettings::default() };
        assert!(refused(half).contains("belong together"));
    }

    #[test]
    fn a_changed_file_is_detected_and_is_the_same_setting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        std::fs::copy(fixtures.join("authority.pem"), &path).unwrap();
        let tls = Tls::load(&verify_identity(&path)).unwrap();
        let mut files = Reloaded::new((), tls.stamps());
        assert!(!files.is_due());
        std::fs::write(&path, "half").unwrap();
        assert!(files.is_due());
        assert!(matches!(tls.read_again(), Err(TlsError::NotPem { .. })));
        std::fs::copy(fixtures.join("elsewhere.pem"), &path).unwrap();
        let again = tls.read_again().unwrap();
        assert!(!Reloaded::new((), again.stamps()).is_due());
        assert_eq!(again, tls, "the target need not restart");
        let bytes = |tls: &Tls| tls.files().0.unwrap().bytes.clone();
        assert_ne!(bytes(&again), bytes(&tls));
    }

    #[test]
    fn a_byte_order_mark_hides_no_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
        let certificate = |name| std::fs::read_to_string(fixtures.join(name)).unwrap();
        std::fs::write(&path, format!("\u{feff}{}{}", certificate("authority.pem"), certificate("server.pem")))
            .unwrap();
        assert_eq!(PemFile::read(&path).unwrap().certificates().unwrap().len(), 2);
    }

    #[test]
    fn a_file_that_is_missing_or_not_pem_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let load = || Tls::load(&verify_identity(&path)).unwrap_err();
        assert!(matches!(load(), TlsError::Unreadable { .. }));
        for text in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(load(), TlsError::NotPem { .. }), "{text:?}");
        }
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(load(), TlsError::Unusable { .. }));
    }
}
