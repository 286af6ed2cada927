//! TLS of the HTTP client, from the configuration.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WantsClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::WebPkiSupportedAlgorithms,
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::SingleCertAndKey,
};

use super::{ClientIdentity, PemFile, TlsError};

/// For `insecure_skip_verify`: the connection is encrypted, but the server is not authenticated.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

pub(in crate::config) fn without_verification(identity: Option<&ClientIdentity>) -> Result<ClientConfig, TlsError> {
    let any = AnyCertificate(rustls::crypto::ring::default_provider().signature_verification_algorithms);
    with_identity(ClientConfig::builder().dangerous().with_custom_certificate_verifier(Arc::new(any)), identity)
}

/// Verifies the name and certificate of the server. Without `authorities`, it uses the Mozilla root certificates.
pub(in crate::config) fn with_verification(
    authorities: Option<&PemFile>,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, TlsError> {
    let mozilla = || Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    let roots = authorities.map_or_else(mozilla, PemFile::authorities)?;
    with_identity(ClientConfig::builder().with_root_certificates(roots), identity)
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, TlsError> {
    Ok(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key()?)))
        }
    })
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
        self.0.supported_schemes()
    }
}
