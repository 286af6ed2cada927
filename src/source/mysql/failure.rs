//! Classification of connection errors into the closed set of reasons.

use std::{fmt, io, net::SocketAddr};

use mysql_async::{DriverError, Error, IoError, ServerError};

use super::identity::sanitized;
use crate::{
    model::{Charge, Failure, FailureReason},
    panics::Panicked,
};

const TEXT_CHARS_MAX: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Login,
    Query,
}

pub(super) fn failure(mut error: Error, stage: Stage, address: SocketAddr) -> Failure {
    if let (Error::Server(error), Stage::Login) = (&mut error, stage) {
        split_state(error);
    }
    let reason = match &error {
        Error::Server(error) => server_reason(error, stage),
        Error::Io(IoError::Tls(_)) => FailureReason::Tls,
        Error::Io(IoError::Io(error)) => io_reason(error),
        Error::Driver(error) => driver_reason(error),
        Error::Url(_) | Error::Other(_) => FailureReason::Other,
    };
    let doing = match &error {
        // These errors come before the connection exists. Later ones are `Protocol` or `Tls`.
        Error::Io(IoError::Io(_))
            if stage == Stage::Login && !matches!(reason, FailureReason::Protocol | FailureReason::Tls) =>
        {
            "connect to"
        }
        _ => stage.doing(),
    };
    // 1130 refuses a host before the handshake and before any password.
    let refuses_host = matches!(&error, Error::Server(ServerError { code: 1130, .. }));
    let charge = charge(reason, stage).filter(|_| !refuses_host);
    Failure { advice: advice(&error), ..made(reason, doing, address, &Text(&error), charge) }
}

/// A panic of the driver on bytes from the server.
pub(super) fn of_panic(Panicked(message): &Panicked, stage: Stage, address: SocketAddr) -> Failure {
    let text = format!("the MySQL driver cannot parse the server's packet ({message})");
    let reason = FailureReason::Protocol;
    made(reason, stage.doing(), address, &text, charge(reason, stage))
}

fn made(
    reason: FailureReason,
    doing: &str,
    address: SocketAddr,
    error: &dyn fmt::Display,
    charge: Option<Charge>,
) -> Failure {
    let text = format!("cannot {doing} {address}: {error}");
    Failure { reason, text: sanitized(text, TEXT_CHARS_MAX), address: Some(address), charge, advice: None }
}

/// A login ends the handshake, so a failed query is not counted. A refusal that the server does not count is charged too:
/// its cause lasts as long.
fn charge(reason: FailureReason, stage: Stage) -> Option<Charge> {
    match (stage, reason) {
        (Stage::Login, FailureReason::Auth) => Some(Charge::Login),
        (Stage::Login, FailureReason::Tls | FailureReason::Protocol | FailureReason::Timeout) => {
            Some(Charge::Handshake)
        }
        _ => None,
    }
}

/// Moves the SQL state out of the message. The driver leaves it there when the server refuses instead of greeting, because
/// nothing is negotiated yet.
fn split_state(error: &mut ServerError) {
    let Some((state, message)) = error.message.strip_prefix('#').and_then(|rest| rest.split_at_checked(5)) else {
        return;
    };
    if state.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        (error.state, error.message) = (state.to_owned(), message.to_owned());
    }
}

/// Whether a client would try the name's next address: nothing was exchanged yet, and no time was lost.
pub(super) fn tries_next(failure: &Failure) -> bool {
    matches!(failure.reason, FailureReason::Refused | FailureReason::Unreachable)
}

impl Stage {
    fn doing(self) -> &'static str {
        match self {
            Self::Login => "log in to",
            Self::Query => "query",
        }
    }
}

/// The message without the driver's prefixes ("Input/output error: Input/output error: ...").
struct Text<'a>(&'a Error);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsupported = |f: &mut fmt::Formatter<'_>, plugin: &str| {
            write!(
                f,
                "the account's authentication plugin {plugin:?} is not supported; \
                 use caching_sha2_password, mysql_native_password, ed25519 or parsec"
            )
        };
        match self.0 {
            Error::Server(error) => error.fmt(f),
            Error::Io(IoError::Tls(error)) => write!(f, "the TLS handshake failed: {error}"),
            Error::Io(IoError::Io(error)) if is_tls(error) => write!(f, "the TLS handshake failed: {error}"),
            Error::Io(IoError::Io(error)) => error.fmt(f),
            Error::Driver(DriverError::NoClientSslFlagFromServer) => f.write_str("the server offers no TLS"),
            Error::Driver(DriverError::UnexpectedPacket { .. }) => f.write_str("unexpected packet from the server"),
            Error::Driver(DriverError::UnknownAuthPlugin { name }) => unsupported(f, name),
            Error::Driver(DriverError::CleartextPluginDisabled) => unsupported(f, "mysql_clear_password"),
            Error::Driver(DriverError::MysqlOldPasswordDisabled) => unsupported(f, "mysql_old_password"),
            Error::Driver(error) => error.fmt(f),
            error => error.fmt(f),
        }
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
        // ER_MUST_CHANGE_PASSWORD: the response to every query of an expired account that may log in.
        (1820, ..) => FailureReason::Auth,
        // ER_SERVER_SHUTDOWN, ER_SERVER_OFFLINE_MODE, ER_SERVER_ISNT_AVAILABLE
        (1053 | 3032 | 3168, ..) => FailureReason::Other,
        (_, _, Stage::Query) => FailureReason::Query,
        // ER_DBACCESS_DENIED_ERROR, ER_HOST_NOT_PRIVILEGED, ER_NOT_SUPPORTED_AUTH_MODE, ER_PLUGIN_IS_NOT_LOADED,
        // ER_MUST_CHANGE_PASSWORD_LOGIN, and the class "invalid authorization"
        (1044 | 1130 | 1251 | 1524 | 1862, ..) | (_, "28000", _) => FailureReason::Auth,
        (code, ..) if is_locked(code) => FailureReason::Auth,
        // ER_HANDSHAKE_ERROR, ER_NET_PACKET_TOO_LARGE, ER_NET_*_ERROR
        (1043 | 1153 | 1156..=1161, ..) => FailureReason::Protocol,
        _ => FailureReason::Other,
    }
}

/// `ER_ACCOUNT_HAS_BEEN_LOCKED` and `ER_USER_ACCESS_DENIED_FOR_USER_ACCOUNT_BLOCKED_BY_PASSWORD_LOCK` of MySQL,
/// `ER_USER_IS_BLOCKED` and `ER_ACCOUNT_HAS_BEEN_LOCKED` of MariaDB.
fn is_locked(code: u16) -> bool {
    matches!(code, 3118 | 3955 | 4150 | 4151)
}

/// `None` if the advice of the reason fits.
fn advice(error: &Error) -> Option<&'static str> {
    match error {
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            Some("set the TLS mode to disabled, or set up TLS on that server")
        }
        Error::Server(error) => server_advice(error),
        _ => None,
    }
}

fn server_advice(error: &ServerError) -> Option<&'static str> {
    Some(match error.code {
        1044 => "grant the account what the message names",
        1053 => "wait until that server has restarted, or find out why it shuts down",
        1130 => "let the account connect from readscope's address: the host part of its name does not match",
        1226 => match resource(&error.message) {
            "max_user_connections" => {
                "raise MAX_USER_CONNECTIONS, or find the clients that hold the account's connections"
            }
            "max_connections_per_hour" => {
                "raise MAX_CONNECTIONS_PER_HOUR of the account, or the interval: each probe is one connection"
            }
            "max_queries_per_hour" | "max_questions" => {
                "raise MAX_QUERIES_PER_HOUR of the account, or the interval: each probe is one query"
            }
            _ => "raise the limit of the account that the message names",
        },
        1820 | 1862 => "give the account a new password: the old one has expired",
        3032 => "set offline_mode to OFF on that server, or take it out of the Service",
        3159 => "set the TLS mode to required or verify-identity",
        3168 => "wait until that server has started",
        4150 => "correct the password, then unblock the account on that server with FLUSH PRIVILEGES",
        code if is_locked(code) => "unlock the account on that server with ALTER USER ... ACCOUNT UNLOCK",
        _ => return None,
    })
}

/// As in `User 'readscope' has exceeded the 'max_user_connections' resource (current value: 1)`.
fn resource(message: &str) -> &str {
    message.split_once(" has exceeded the '").and_then(|(_, rest)| rest.split('\'').next()).unwrap_or_default()
}

fn io_reason(error: &io::Error) -> FailureReason {
    // A firewall's "administratively prohibited" arrives as EACCES or EPERM.
    match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureReason::Refused,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::PermissionDenied => FailureReason::Unreachable,
        io::ErrorKind::TimedOut => FailureReason::Timeout,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            FailureReason::Protocol
        }
        _ if is_tls(error) => FailureReason::Tls,
        // Not a system error: the received bytes cannot be parsed.
        _ if error.raw_os_error().is_none() => FailureReason::Protocol,
        _ => FailureReason::Other,
    }
}

/// Errors of the TLS layer have no kind of their own.
fn is_tls(error: &io::Error) -> bool {
    // tokio-rustls reports the second one when the server closes the connection during the handshake.
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>() || inner.to_string() == "tls handshake eof")
}

fn driver_reason(error: &DriverError) -> FailureReason {
    match error {
        DriverError::NoClientSslFlagFromServer => FailureReason::Tls,
        DriverError::UnknownAuthPlugin { .. }
        | DriverError::CleartextPluginDisabled
        | DriverError::MysqlOldPasswordDisabled => FailureReason::Auth,
        // The server causes all others that occur here.
        _ => FailureReason::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: impl Into<Error>) -> Failure {
        failure(error.into(), Stage::Login, ([127, 0, 0, 1], 3306).into())
    }

    fn server(code: u16, sql_state: &str, stage: Stage) -> FailureReason {
        server_reason(&ServerError { code, state: sql_state.to_owned(), message: String::new() }, stage)
    }

    #[test]
    fn errors_of_the_server_have_their_reasons() {
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
    fn errors_of_the_server_have_advice_that_fits() {
        let refused = |code, message: &str, stage| {
            let error = ServerError { code, state: "HY000".to_owned(), message: message.to_owned() };
            let failure = failure(error.into(), stage, ([127, 0, 0, 1], 3306).into());
            (failure.reason, failure.advice())
        };
        let exceeded = |resource: &str| format!("User 'r' has exceeded the '{resource}' resource (current value: 1)");
        for (code, message, reason, part) in [
            (1044, "", FailureReason::Auth, "grant"),
            (1045, "", FailureReason::Other, "the message"),
            (1053, "", FailureReason::Other, "has restarted"),
            (1130, "", FailureReason::Auth, "from readscope's address"),
            (1226, &*exceeded("max_user_connections"), FailureReason::TooManyConnections, "MAX_USER_CONNECTIONS,"),
            (
                1226,
                &exceeded("max_connections_per_hour"),
                FailureReason::TooManyConnections,
                "MAX_CONNECTIONS_PER_HOUR",
            ),
            (1226, &exceeded("max_questions"), FailureReason::TooManyConnections, "MAX_QUERIES_PER_HOUR"),
            (1226, &exceeded("max_updates"), FailureReason::TooManyConnections, "that the message names"),
            (1226, "unknown", FailureReason::TooManyConnections, "that the message names"),
            (1820, "", FailureReason::Auth, "new password"),
            (1862, "", FailureReason::Auth, "new password"),
            (3032, "", FailureReason::Other, "offline_mode"),
            (3118, "", FailureReason::Auth, "unlock"),
            (3159, "", FailureReason::Tls, "required or verify-identity"),
            (3168, "", FailureReason::Other, "has started"),
            (3955, "", FailureReason::Auth, "ACCOUNT UNLOCK"),
            (4150, "", FailureReason::Auth, "FLUSH PRIVILEGES"),
            (4151, "", FailureReason::Auth, "ACCOUNT UNLOCK"),
        ] {
            let (as_reason, advice) = refused(code, message, Stage::Login);
            assert_eq!(as_reason, reason, "{code}");
            assert!(advice.contains(part), "{code}: {advice}");
        }
        for code in [1053, 1226, 1820, 3032] {
            assert_eq!(refused(code, "", Stage::Query), refused(code, "", Stage::Login), "{code}");
        }
        assert_eq!(
            of(DriverError::NoClientSslFlagFromServer).advice(),
            "set the TLS mode to disabled, or set up TLS on that server"
        );
    }

    #[test]
    fn servers_count_failed_handshakes_and_refused_logins() {
        let charge = |error: Error, stage| failure(error, stage, ([127, 0, 0, 1], 3306).into()).charge;
        let server = |code, state: &str| ServerError { code, state: state.to_owned(), message: String::new() }.into();
        assert_eq!(charge(server(1045, "28000"), Stage::Login), Some(Charge::Login));
        assert_eq!(charge(server(3955, "HY000"), Stage::Login), Some(Charge::Login));
        assert_eq!(charge(server(3159, "HY000"), Stage::Login), Some(Charge::Handshake));
        assert_eq!(charge(DriverError::NoClientSslFlagFromServer.into(), Stage::Login), Some(Charge::Handshake));
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(charge(reset().into(), Stage::Login), Some(Charge::Handshake));
        assert_eq!(charge(reset().into(), Stage::Query), None);
        for error in [server(1040, "08004"), server(1129, "HY000"), server(1130, "HY000"), server(3032, "HY000")] {
            assert_eq!(charge(error, Stage::Login), None);
        }
        assert_eq!(charge(io::Error::from(io::ErrorKind::ConnectionRefused).into(), Stage::Login), None);
    }

    #[test]
    fn the_sql_state_of_a_refusal_is_moved_out_of_its_message() {
        let refused =
            |message: &str| of(ServerError { code: 1045, state: "HY000".to_owned(), message: message.to_owned() });
        let denied = refused("#28000Access denied");
        assert_eq!(denied.reason, FailureReason::Auth);
        assert_eq!(denied.text, "cannot log in to 127.0.0.1:3306: ERROR 1045 (28000): Access denied");
        for message in ["#280", "#28 00Access denied", "#\u{e4}\u{e4}\u{e4}x", ""] {
            assert_eq!(refused(message).reason, FailureReason::Other, "{message}");
        }
    }

    #[test]
    fn errors_of_the_tls_layer_differ_from_broken_connections() {
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert_eq!(of(io::Error::new(io::ErrorKind::InvalidData, expired)).reason, FailureReason::Tls);
        let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof");
        assert_eq!(of(eof).reason, FailureReason::Tls);
        assert_eq!(of(io::Error::from(io::ErrorKind::ConnectionReset)).reason, FailureReason::Protocol);
        assert_eq!(of(io::Error::from(io::ErrorKind::UnexpectedEof)).reason, FailureReason::Protocol);
        assert_eq!(of(io::Error::from_raw_os_error(24)).reason, FailureReason::Other);
    }

    #[test]
    fn errors_of_the_driver_have_their_reasons_and_texts() {
        let unknown = DriverError::UnknownAuthPlugin { name: "dialog".to_owned() };
        for (error, reason, part) in [
            (DriverError::NoClientSslFlagFromServer, FailureReason::Tls, "the server offers no TLS"),
            (unknown, FailureReason::Auth, "plugin \"dialog\" is not supported"),
            (DriverError::CleartextPluginDisabled, FailureReason::Auth, "plugin \"mysql_clear_password\" is not"),
            (DriverError::MysqlOldPasswordDisabled, FailureReason::Auth, "plugin \"mysql_old_password\" is not"),
            (DriverError::InvalidParsecSalt, FailureReason::Protocol, "parsec"),
            (DriverError::PacketOutOfOrder, FailureReason::Protocol, "out of order"),
            (DriverError::PacketTooLarge, FailureReason::Protocol, "too large"),
            (DriverError::UnexpectedPacket { payload: vec![7] }, FailureReason::Protocol, "unexpected packet"),
        ] {
            let failure = of(error);
            assert_eq!(failure.reason, reason, "{}", failure.text);
            assert!(failure.text.starts_with("cannot log in to 127.0.0.1:3306: "), "{}", failure.text);
            assert!(failure.text.contains(part), "{}", failure.text);
        }
        let panicked = of_panic(&Panicked("key".to_owned()), Stage::Query, ([127, 0, 0, 1], 3306).into());
        assert_eq!(panicked.reason, FailureReason::Protocol);
    }

    #[test]
    fn the_text_shows_whether_a_connection_existed() {
        let text = |code| of(io::Error::from_raw_os_error(code)).text;
        // ECONNREFUSED, EHOSTUNREACH, EMFILE
        for code in [111, 113, 24] {
            assert!(text(code).starts_with("cannot connect to 127.0.0.1:3306: "), "{}", text(code));
        }
        assert!(text(104).starts_with("cannot log in to 127.0.0.1:3306: "), "{}", text(104));
        let refused =
            ServerError { code: 1045, state: "28000".to_owned(), message: "Access denied\nfor you".to_owned() };
        let expected = "cannot log in to 127.0.0.1:3306: ERROR 1045 (28000): Access denied\u{fffd}for you";
        assert_eq!(of(refused).text, expected);
    }
}
