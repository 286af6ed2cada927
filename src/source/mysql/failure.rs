//! Why a conversation with a server ended, and which of the closed set of reasons that is.

use std::{io, net::SocketAddr};

use super::{identity::harmless, rsa::KeyError};
use crate::model::{Failure, FailureReason};

/// How much of an error's text is kept.
const TEXT_CHARS_MAX: usize = 500;

/// What went wrong on the wire.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConversationError {
    /// The connection was not made, or broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// The server has no TLS, and the configuration asks for it.
    #[error("the server offers no TLS")]
    NoTls,
    /// The server refused.
    #[error("ERROR {code} ({state}): {message}")]
    Server { code: u16, state: String, message: String },
    /// The account logs in by a plugin that is not known here.
    #[error(
        "the account's authentication plugin {0:?} is not supported; \
         use caching_sha2_password or mysql_native_password"
    )]
    Plugin(String),
    /// The password cannot be shown to the server without TLS.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// What came is not the protocol.
    #[error("{0}")]
    Protocol(&'static str),
}

/// What a sample was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connect,
    Login,
    Query,
}

impl ConversationError {
    pub(super) const OUT_OF_PLACE: Self = Self::Protocol("a packet came that does not belong there");
}

/// The failure that `error` means at this stage.
pub(super) fn failure(error: &ConversationError, stage: Stage, address: SocketAddr) -> Failure {
    let reason = match error {
        ConversationError::Io(error) => io_reason(error),
        ConversationError::Handshake(error) if is_broken(error) => FailureReason::Protocol,
        ConversationError::Handshake(_) | ConversationError::NoTls => FailureReason::Tls,
        ConversationError::Server { code, state, .. } => server_reason(*code, state, stage),
        ConversationError::Plugin(_) => FailureReason::Auth,
        ConversationError::Key(_) | ConversationError::Protocol(_) => FailureReason::Protocol,
    };
    let doing = match stage {
        Stage::Connect => "connect to",
        Stage::Login => "log in to",
        Stage::Query => "query",
    };
    let text = format!("cannot {doing} {address}: {error}");
    Failure { reason, text: harmless(text, TEXT_CHARS_MAX), address: Some(address) }
}

/// Whether a client would go on to the name's next address: nothing was spoken to yet, and no time was lost.
pub(super) fn tries_next(failure: &Failure) -> bool {
    matches!(failure.reason, FailureReason::Refused | FailureReason::Unreachable)
}

fn server_reason(code: u16, sql_state: &str, stage: Stage) -> FailureReason {
    match (code, sql_state, stage) {
        // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
        (1040 | 1203 | 1226, ..) => FailureReason::TooManyConnections,
        // ER_HOST_IS_BLOCKED
        (1129, ..) => FailureReason::HostBlocked,
        // ER_SECURE_TRANSPORT_REQUIRED
        (3159, ..) => FailureReason::Tls,
        // ER_MUST_CHANGE_PASSWORD, which a server that lets an expired account in says to every query.
        (1820, ..) => FailureReason::Auth,
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
        // What the TLS layer says after its handshake.
        io::ErrorKind::InvalidData => FailureReason::Tls,
        io::ErrorKind::UnexpectedEof => FailureReason::Protocol,
        _ if is_broken(error) => FailureReason::Protocol,
        _ => FailureReason::Other,
    }
}

/// Whether the connection broke, whatever it was used for.
fn is_broken(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: u16, sql_state: &str, stage: Stage) -> FailureReason {
        server_reason(code, sql_state, stage)
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
        assert_eq!(server(1820, "HY000", Stage::Query), FailureReason::Auth);
    }

    #[test]
    fn an_error_of_the_tls_layer_is_told_from_a_broken_connection() {
        let reason = |error| failure(&error, Stage::Login, ([127, 0, 0, 1], 3306).into()).reason;
        let certificate = || {
            let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
            io::Error::new(io::ErrorKind::InvalidData, expired)
        };
        assert_eq!(reason(ConversationError::Handshake(certificate())), FailureReason::Tls);
        assert_eq!(reason(ConversationError::Handshake(io::ErrorKind::UnexpectedEof.into())), FailureReason::Tls);
        assert_eq!(
            reason(ConversationError::Handshake(io::ErrorKind::ConnectionReset.into())),
            FailureReason::Protocol
        );
        // A client certificate is refused after the handshake of TLS 1.3.
        assert_eq!(reason(ConversationError::Io(certificate())), FailureReason::Tls);
        assert_eq!(reason(ConversationError::Io(io::ErrorKind::UnexpectedEof.into())), FailureReason::Protocol);
        assert_eq!(reason(ConversationError::Io(io::Error::from_raw_os_error(24))), FailureReason::Other);
    }
}
