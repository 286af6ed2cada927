//! How connections are encrypted, from what the configuration says.

use std::{io, net::IpAddr, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::config::{ClientIdentity, Tls};

/// The TLS side of one target.
pub(super) struct Encryption {
    connector: TlsConnector,
    /// `None` if the host is no name that a certificate can have; then its address has to do.
    name: Option<ServerName<'static>>,
}

/// The configuration's files were checked when they were read, so this says that they no longer fit.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct EncryptionError(String);

/// Takes any certificate: `--tls required` encrypts, whoever the server is, and a signature that belongs to nobody known
/// says nothing.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl Encryption {
    /// How connections to `host` are encrypted; `None` if they are not.
    pub(super) fn of(tls: &Tls, host: &str) -> Result<Option<Self>, EncryptionError> {
        let text = |error: &dyn std::fmt::Display| EncryptionError(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| text(&error))?;
        let (builder, client) = match tls {
            Tls::Disabled => return Ok(None),
            Tls::Required { client } => {
                let verifier = Arc::new(AnyCertificate(provider));
                (builder.dangerous().with_custom_certificate_verifier(verifier), client)
            }
            Tls::VerifyIdentity { authorities, client } => {
                let mut roots = RootCertStore::empty();
                match authorities {
                    None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
                    Some(file) => {
                        for certificate in CertificateDer::pem_slice_iter(&file.bytes) {
                            let certificate = certificate.map_err(|error| text(&error))?;
                            roots.add(certificate).map_err(|error| text(&error))?;
                        }
                    }
                }
                (builder.with_root_certificates(roots), client)
            }
        };
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(ClientIdentity { certificate, key }) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate.bytes).collect();
                let chain = chain.map_err(|error| text(&error))?;
                let key = PrivateKeyDer::from_pem_slice(&key.bytes).map_err(|error| text(&error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| text(&error))?
            }
        };
        // A client that connects for the first time has no session to resume, and the next replica would not know it.
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(host.to_owned()).ok();
        Ok(Some(Self { connector: TlsConnector::from(Arc::new(config)), name }))
    }

    /// The handshake with the server at `address`.
    pub(super) async fn encrypt(&self, stream: TcpStream, address: IpAddr) -> io::Result<TlsStream<TcpStream>> {
        let name = self.name.clone().unwrap_or_else(|| ServerName::from(address));
        self.connector.connect(name, stream).await
    }
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
