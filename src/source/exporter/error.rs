//! Errors of requests to an exporter, with advice.

use hyper::StatusCode;
use hyper_util::client::legacy;

use super::ExporterUrl;
use crate::source::cause::causes;

#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    #[error(
        "cannot reach {0}: {1}; check the URL, whether it is http or https, and that `readscope run` listens there"
    )]
    Unreachable(ExporterUrl, String),
    #[error("cannot verify the certificate of {0}: {1}; set tls_config.ca_file in the file of --http.config.file")]
    Untrusted(ExporterUrl, String),
    #[error(
        "{0} requires a client certificate: {1}; set tls_config.cert_file and tls_config.key_file in the file of \
         --http.config.file"
    )]
    Uncertified(ExporterUrl, String),
    #[error("{0} requires a user and a password; set basic_auth (or authorization) in the file of --http.config.file")]
    Anonymous(ExporterUrl),
    #[error("{0} rejected the credentials; check the user and the password in the file of --http.config.file")]
    Unauthorized(ExporterUrl),
    #[error("cannot use the credentials for {0}: {1}")]
    Credentials(ExporterUrl, String),
    #[error("{0} answered {1} to {2}; check that the URL is that of readscope")]
    Status(ExporterUrl, StatusCode, &'static str),
    #[error(
        "cannot read the response of {0}: {1}; check that the URL is that of readscope, and that both versions are equal"
    )]
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
