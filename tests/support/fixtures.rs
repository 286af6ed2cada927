//! Files that tests read.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A file of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A certificate or a key; `tests/fixtures/tls/make` lists them.
pub(crate) fn tls(name: &str) -> PathBuf {
    fixture("tls").join(name)
}

/// The TLS configuration of a server with this certificate and key.
pub(crate) fn tls_server(name: &str) -> Arc<ServerConfig> {
    tls_server_with(&tls(&format!("{name}.pem")), &tls(&format!("{name}.key")))
}

/// As [`tls_server`], with any certificate and key.
pub(crate) fn tls_server_with(certificate: &Path, key: &Path) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}
