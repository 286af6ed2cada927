//! Errors of requests to an exporter, with advice.

use hyper::StatusCode;
use hyper_util::client::legacy;

use super::ExporterUrl;
use crate::source::cause::causes;

#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    #[error("cannot reach {0}: {1}; check the address, http or https, and that `readscope run` is there")]
    Unreachable(ExporterUrl, String),
    #[error("cannot trust {0}: {1}; name its authority as tls_config.ca_file in a file for --http.config.file")]
    Untrusted(ExporterUrl, String),
    #[error(
        "{0} lets in nobody without a certificate: {1}; name one as tls_config.cert_file, and its key_file, in a file \
         for --http.config.file"
    )]
    Uncertified(ExporterUrl, String),
    #[error("{0} wants to know who asks; write basic_auth (or authorization) into a file for --http.config.file")]
    Anonymous(ExporterUrl),
    #[error("{0} does not let in who the file of --http.config.file says; check the user and the password in it")]
    Unauthorized(ExporterUrl),
    #[error("cannot ask {0}: {1}")]
    Credentials(ExporterUrl, String),
    #[error("{0} answers {1} to {2}; check that it is readscope's own address")]
    Status(ExporterUrl, StatusCode, &'static str),
    #[error("{0} does not answer as readscope does: {1}; check the address, and that both have the same version")]
    Unreadable(ExporterUrl, String),
}

impl ExporterError {
    /// An error from before the response.
    pub(super) fn of_client(url: &ExporterUrl, error: &legacy::Error) -> Self {
        let (mut text, mut tls) = (String::new(), None);
        for cause in causes(error) {
            text = cause.to_string();
            tls = tls.or_else(|| cause.downcast_ref::<rustls::Error>());
        }
        match tls {
            Some(rustls::Error::InvalidCertificate(_)) => Self::Untrusted(url.clone(), text),
            Some(rustls::Error::AlertReceived(_)) => Self::Uncertified(url.clone(), text),
            _ => Self::Unreachable(url.clone(), text),
        }
    }
}
