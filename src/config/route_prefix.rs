//! The path under which the HTTP server serves, behind a reverse proxy.

use std::str::FromStr;

use hyper::Uri;

/// Empty, or a path that starts with a slash and does not end with one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePrefix(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutePrefixError {
    #[error("write a path such as /readscope")]
    Path,
    #[error("write a URL with its path, such as https://monitoring.example/readscope/")]
    Url,
}

impl RoutePrefix {
    /// The path of a URL, or a path alone, as `--web.external-url` of Prometheus.
    pub fn of_url(text: &str) -> Result<Self, RoutePrefixError> {
        let uri: Uri = text.trim().parse().map_err(|_| RoutePrefixError::Url)?;
        let is_url = matches!(uri.scheme_str(), Some("http" | "https")) || text.trim().starts_with('/');
        // A fragment is no part of a parsed URI.
        if !is_url || uri.query().is_some() || text.contains('#') {
            return Err(RoutePrefixError::Url);
        }
        uri.path().parse().map_err(|_| RoutePrefixError::Url)
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for RoutePrefix {
    type Err = RoutePrefixError;

    fn from_str(text: &str) -> Result<Self, RoutePrefixError> {
        let path = text.trim().trim_matches('/');
        let in_a_path = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+,;=:@".contains(c);
        let is_part = |part: &str| !["", ".", ".."].contains(&part) && part.chars().all(in_a_path);
        match path {
            "" => Ok(Self::default()),
            path if path.split('/').all(is_part) => Ok(Self(format!("/{path}"))),
            _ => Err(RoutePrefixError::Path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_one_form() {
        let prefix = |text: &str| text.parse::<RoutePrefix>().map(|prefix| prefix.0);
        for text in ["readscope", "/readscope", "/readscope/", " readscope/ "] {
            assert_eq!(prefix(text), Ok("/readscope".to_owned()), "{text}");
        }
        assert_eq!(prefix("/a/b-c/"), Ok("/a/b-c".to_owned()));
        for text in ["", "/"] {
            assert_eq!(prefix(text), Ok(String::new()), "{text}");
        }
        for text in ["a//b", "a b", "a?b", "a#b", "../a", "a/./b", "http://host/a"] {
            assert_eq!(prefix(text), Err(RoutePrefixError::Path), "{text}");
        }
    }

    #[test]
    fn a_url_has_the_prefix_of_its_path() {
        let prefix = |text: &str| RoutePrefix::of_url(text).map(|prefix| prefix.0);
        assert_eq!(prefix("https://monitoring.example/readscope/"), Ok("/readscope".to_owned()));
        assert_eq!(prefix("http://monitoring.example:8080"), Ok(String::new()));
        assert_eq!(prefix("/readscope"), Ok("/readscope".to_owned()));
        for text in [
            "",
            "monitoring.example",
            "ftp://host/a",
            "http://",
            "http://host/a?b",
            "http://host/a#b",
            "http://host/a//b",
        ] {
            assert_eq!(prefix(text), Err(RoutePrefixError::Url), "{text}");
        }
    }
}
