//! Addresses to connect to and to listen on.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use super::text::{deserialize_from_str, serialize_display};
use crate::model::cluster::ObjectName;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without brackets if it is an IPv6 address.
    pub host: String,
    /// Absent: that of the Service, else 3306.
    pub port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("the host is empty; write HOST or HOST:PORT, such as mysql-read.mysql:3306")]
    NoHost,
    #[error("{0:?} is not a host name or IP address; write HOST or HOST:PORT, such as mysql-read.mysql:3306")]
    Host(String),
    #[error("{0:?} is not a port; write a number from 1 to 65535, such as mysql-read.mysql:3306")]
    Port(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `:PORT`: all addresses of the machine, IPv6 and IPv4.
    All(u16),
    One(SocketAddr),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write [IP]:PORT with a port from 0 to 65535, such as :10306, 127.0.0.1:10306 or [::1]:0")]
pub struct ListenError;

impl Address {
    /// The Service's DNS name in the cluster.
    /// Does not fail with a name that Kubernetes accepts.
    pub fn of_service(service: &ObjectName) -> Result<Self, AddressError> {
        format!("{}.{}.svc", service.name, service.namespace).parse()
    }

    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let parse_port = |port: &str| match port.parse() {
            Ok(0) | Err(_) => Err(AddressError::Port(port.to_owned())),
            Ok(port) => Ok(port),
        };
        if let Ok(ip) = text.parse::<Ipv6Addr>() {
            return Ok(Self { host: ip.to_string(), port: None });
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => {
                let host: Ipv6Addr = host.parse().map_err(|_| AddressError::Host(text.to_owned()))?;
                match (rest, rest.strip_prefix(':')) {
                    ("", _) => (host.to_string(), None),
                    (_, Some(port)) => (host.to_string(), Some(parse_port(port)?)),
                    (_, None) => return Err(AddressError::Host(text.to_owned())),
                }
            }
            None => match text.rsplit_once(':') {
                None => (text.to_owned(), None),
                Some((host, port)) => (host.to_owned(), Some(parse_port(port)?)),
            },
        };
        let in_a_name = |c: char| c.is_alphanumeric() || "-._:".contains(c);
        match host.as_str() {
            "" => Err(AddressError::NoHost),
            name if name.len() > 253 || !name.chars().all(in_a_name) => Err(AddressError::Host(host)),
            name if name.contains(':') && name.parse::<Ipv6Addr>().is_err() => Err(AddressError::Host(host)),
            _ => Ok(Self { host, port }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (_, None) => f.write_str(&self.host),
        }
    }
}

deserialize_from_str!(Address);
serialize_display!(Address);

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: Some(address.port()) }
    }
}

impl Listen {
    /// Addresses to bind, in order of preference; the second is for machines without IPv6.
    pub fn candidates(self) -> Vec<SocketAddr> {
        match self {
            Self::One(address) => vec![address],
            Self::All(port) => vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()],
        }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let text = text.trim();
        if let Some(port) = text.strip_prefix(':') {
            return Ok(Self::All(port.parse().map_err(|_| ListenError)?));
        }
        // A static binary has no getaddrinfo, so `localhost` is the only name that is supported.
        let with_ip = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let address = with_ip.as_deref().unwrap_or(text).parse().map_err(|_| ListenError)?;
        Ok(Self::One(address))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(port) => write!(f, ":{port}"),
            Self::One(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_a_port() {
        for (text, host, port) in [
            ("mysql-read", "mysql-read", None),
            ("mysql-read.mysql.svc:3307", "mysql-read.mysql.svc", Some(3307)),
            ("10.0.0.1", "10.0.0.1", None),
            ("::1", "::1", None),
            ("[::1]", "::1", None),
            ("[::1]:33", "::1", Some(33)),
        ] {
            assert_eq!(text.parse(), Ok(Address { host: host.to_owned(), port }), "{text}");
        }
    }

    #[test]
    fn an_invalid_address_is_refused_with_an_example() {
        for text in ["", ":3306", "host:", "host:0", "host:65536", "host:x", "[::1]x", "a b", "http://x", "[x]:1"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains("such as"), "{text}: {error}");
        }
    }

    #[test]
    fn a_listen_address_without_an_ip_is_valid() {
        assert_eq!(":10306".parse(), Ok(Listen::All(10306)));
        assert_eq!("localhost:0".parse(), Ok(Listen::One(([127, 0, 0, 1], 0).into())));
        for text in ["", "10306", "host:1", ":x", ":65536"] {
            assert_eq!(text.parse::<Listen>(), Err(ListenError), "{text}");
        }
    }
}
