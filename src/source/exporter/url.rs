//! The URL of an exporter.

use std::{fmt, str::FromStr};

use hyper::Uri;

const PORT: u16 = 10_306;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExporterUrl {
    scheme: &'static str,
    host: String,
    port: u16,
    /// Path prefix of a reverse proxy, without a slash at the end.
    prefix: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExporterUrlError {
    #[error("not a URL; write http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:10306")]
    Unreadable,
    #[error("the scheme is neither http nor https; write http://HOST:PORT or https://HOST:PORT")]
    Scheme,
    #[error(
        "a user in the URL is visible to all users of this machine; set basic_auth in the file of --http.config.file \
         instead"
    )]
    User,
}

impl FromStr for ExporterUrl {
    type Err = ExporterUrlError;

    fn from_str(text: &str) -> Result<Self, ExporterUrlError> {
        let text = text.trim();
        // An address without a scheme means the exporter's own port.
        let is_url = text.contains("://");
        let text = if is_url { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().map_err(|_| ExporterUrlError::Unreadable)?;
        let (scheme, usual) = match uri.scheme_str() {
            Some("http") => ("http", 80),
            Some("https") => ("https", 443),
            _ => return Err(ExporterUrlError::Scheme),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(ExporterUrlError::User);
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(ExporterUrlError::Unreadable)?;
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if is_url { usual } else { PORT }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for ExporterUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, prefix } = self;
        write!(f, "{scheme}://{host}:{port}{prefix}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, ExporterUrlError> {
        text.parse().map(|url: ExporterUrl| url.to_string())
    }

    #[test]
    fn an_exporter_is_given_as_a_url_or_as_host_and_port() {
        assert_eq!(url("http://127.0.0.1:9999").unwrap(), "http://127.0.0.1:9999");
        assert_eq!(url("readscope.mysql").unwrap(), "http://readscope.mysql:10306");
        assert_eq!(url("127.0.0.1:9999").unwrap(), "http://127.0.0.1:9999");
        assert_eq!(url("http://[::1]:1/").unwrap(), "http://[::1]:1");
        assert_eq!(url("http://proxy/readscope/").unwrap(), "http://proxy:80/readscope");
        assert_eq!(url("https://readscope.example").unwrap(), "https://readscope.example:443");
        assert_eq!(url("ftp://readscope"), Err(ExporterUrlError::Scheme));
        for text in ["", "http://", "a b", "http://:80"] {
            assert_eq!(url(text), Err(ExporterUrlError::Unreadable), "{text}");
        }
    }

    #[test]
    fn a_url_with_a_user_is_refused() {
        for text in
            ["https://prometheus:secret@readscope", "prometheus:secret@readscope", "http://prometheus@readscope"]
        {
            assert_eq!(url(text), Err(ExporterUrlError::User), "{text}");
        }
    }
}
