//! From what went wrong on the wire to one of the closed set of reasons.

use std::{fmt, io, net::SocketAddr};

use mysql_async::{DriverError, Error, IoError, ServerError};

use super::{containment::Panicked, identity::harmless};
use crate::model::{Failure, FailureReason};

/// How much of an error's text is kept.
const TEXT_CHARS_MAX: usize = 500;

/// What a connection was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Login,
    Query,
}

/// The failure that `error` means at this stage.
pub(super) fn failure(error: &Error, stage: Stage, address: SocketAddr) -> Failure {
    let reason = match error {
        Error::Server(error) => server_reason(error, stage),
        Error::Io(IoError::Tls(_)) => FailureReason::Tls,
        Error::Io(IoError::Io(error)) => io_reason(error),
        Error::Driver(error) => driver_reason(error),
        Error::Url(_) | Error::Other(_) => FailureReason::Other,
    };
    Failure { reason, text: harmless(&text(error, stage, address), TEXT_CHARS_MAX), address: Some(address) }
}

/// The failure that a panic of the driver means: what the server sent is beyond it.
pub(super) fn beyond_the_driver(panicked: &Panicked, stage: Stage, address: SocketAddr) -> Failure {
    let message = panicked.message();
    let text = format!("cannot {stage} {address}: what it sent is beyond the MySQL driver ({message})");
    Failure { reason: FailureReason::Protocol, text: harmless(&text, TEXT_CHARS_MAX), address: Some(address) }
}

/// Whether a client would go on to the name's next address: nothing was spoken to yet, and no time was lost.
pub(super) fn tries_next(failure: &Failure) -> bool {
    matches!(failure.reason, FailureReason::Refused | FailureReason::Unreachable)
}

fn text(error: &Error, stage: Stage, address: SocketAddr) -> String {
    // The driver's own wrapping ("Input/output error: Input/output error: …") says nothing; the innermost error does.
    match error {
        Error::Io(IoError::Io(error)) => match io_reason(error) {
            FailureReason::Refused | FailureReason::Unreachable => format!("cannot connect to {address}: {error}"),
            _ => format!("cannot {stage} {address}: {error}"),
        },
        Error::Server(error) => format!("cannot {stage} {address}: {error}"),
        Error::Driver(DriverError::UnexpectedPacket { .. }) => {
            format!("cannot {stage} {address}: a packet came that does not belong there")
        }
        Error::Driver(error) => format!("cannot {stage} {address}: {error}"),
        error => format!("cannot {stage} {address}: {error}"),
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Login => "log in to",
            Self::Query => "query",
        })
    }
}

fn server_reason(error: &ServerError, stage: Stage) -> FailureReason {
    match (error.code, error.state.as_str(), stage) {
        // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
        (1040 | 1203 | 1226, ..) => FailureReason::TooManyConnections,
        // ER_HOST_IS_BLOCKED
        (1129, ..) => FailureReason::HostBlocked,
        // ER_SECURE_TRANSPORT_REQUIRED
        (3159, ..) => FailureReason::Tls,
        (_, _, Stage::Query) => FailureReason::Query,
        // ER_HOST_NOT_PRIVILEGED, ER_NOT_SUPPORTED_AUTH_MODE, ER_PLUGIN_IS_NOT_LOADED, ER_MUST_CHANGE_PASSWORD_LOGIN,
        // ER_ACCOUNT_HAS_BEEN_LOCKED, MariaDB's ER_ACCOUNT_HAS_BEEN_LOCKED, and the class "invalid authorization"
        (1130 | 1251 | 1524 | 1862 | 3118 | 4151, ..) | (_, "28000", _) => FailureReason::Auth,
        // ER_HANDSHAKE_ERROR, ER_NET_PACKET_TOO_LARGE, ER_NET_*_ERROR
        (1043 | 1153 | 1156..=1161, ..) => FailureReason::Protocol,
        _ => FailureReason::Other,
    }
}

fn io_reason(error: &io::Error) -> FailureReason {
    // EACCES and EPERM are what a firewall's "administratively prohibited" becomes.
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureReason::Refused,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::PermissionDenied => FailureReason::Unreachable,
        io::ErrorKind::TimedOut => FailureReason::Timeout,
        _ if is_tls(error) => FailureReason::Tls,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput => FailureReason::Protocol,
        // The packet codec's own errors come as `Other` around an error that is no system error.
        io::ErrorKind::Other if error.raw_os_error().is_none() => FailureReason::Protocol,
        _ => FailureReason::Other,
    }
}

/// Whether the TLS layer made this error; it has no kind of its own.
fn is_tls(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else { return false };
    inner.is::<rustls::Error>()
        || inner.source().is_some_and(<dyn std::error::Error>::is::<rustls::Error>)
        || inner.to_string().starts_with("tls handshake")
}

fn driver_reason(error: &DriverError) -> FailureReason {
    match error {
        DriverError::NoClientSslFlagFromServer | DriverError::NoKeyFound => FailureReason::Tls,
        DriverError::UnknownAuthPlugin { .. }
        | DriverError::CleartextPluginDisabled
        | DriverError::MysqlOldPasswordDisabled
        | DriverError::InvalidParsecSalt => FailureReason::Auth,
        DriverError::CantParseServerVersion { .. }
        | DriverError::ConnectionClosed
        | DriverError::PacketOutOfOrder
        | DriverError::UnexpectedPacket { .. }
        | DriverError::PacketTooLarge
        | DriverError::BadCompressedPacketHeader
        | DriverError::FromRow { .. }
        | DriverError::FromValue { .. }
        | DriverError::LocalInfile(_) => FailureReason::Protocol,
        _ => FailureReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, sql_state: &str, stage: Stage) -> FailureReason {
        server_reason(&ServerError { code, state: sql_state.to_owned(), message: String::new() }, stage)
    }

    #[test]
    fn the_servers_own_errors_have_their_reasons() {
        assert_eq!(server(1040, "08004", Stage::Login), FailureReason::TooManyConnections);
        assert_eq!(server(1129, "HY000", Stage::Login), FailureReason::HostBlocked);
        assert_eq!(server(1045, "28000", Stage::Login), FailureReason::Auth);
        assert_eq!(server(3159, "HY000", Stage::Login), FailureReason::Tls);
        assert_eq!(server(1043, "08S01", Stage::Login), FailureReason::Protocol);
        assert_eq!(server(1053, "08S01", Stage::Login), FailureReason::Other);
        assert_eq!(server(1193, "HY000", Stage::Query), FailureReason::Query);
    }

    #[test]
    fn an_error_of_the_tls_layer_is_told_from_a_broken_connection() {
        let certificate = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert_eq!(io_reason(&io::Error::new(io::ErrorKind::InvalidData, certificate)), FailureReason::Tls);
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(io_reason(&eof), FailureReason::Tls);
        assert_eq!(io_reason(&io::ErrorKind::UnexpectedEof.into()), FailureReason::Protocol);
        assert_eq!(io_reason(&io::Error::from_raw_os_error(24)), FailureReason::Other);
    }
}
