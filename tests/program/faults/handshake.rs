//! Servers that fail before the query: missing or incomplete greetings, other protocols, refusals, TLS.

use std::time::Duration;

use readscope::{
    clock::Clock,
    config::{Address, Tls, TlsMode, TlsSettings},
    model::FailureReason::{
        Auth, HostBlocked, Other, Protocol, Refused, Resolve, Timeout, Tls as TlsFailed, TooManyConnections,
        Unreachable,
    },
    source::mysql::Prober,
};

use super::case::{Case, PASSWORD, judge, take, target};
use crate::support::{
    closed_port::ClosedPort,
    fixtures,
    random::Random,
    script::Script,
    server::Server,
    wire::{self, Greeting},
};

fn half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

fn greeting() -> Vec<u8> {
    Greeting::default().packet()
}

#[tokio::test]
async fn a_silent_server_costs_the_timeout() {
    let script = Script::nothing;
    // Read as a packet's header, this announces 3 MB, and the driver waits for them.
    let mail = script().send(*b"220 mail.example ESMTP\r\n");
    judge(vec![
        Case::new("no greeting", Timeout, script().then_silence()),
        Case::new("one byte", Timeout, script().send([0x4a]).then_silence()),
        Case::new("half a greeting", Timeout, script().send(half(&greeting())).then_silence()),
        Case::new("no answer to the login", Timeout, Script::greeting().then_silence()),
        Case::new("half an answer to the login", Timeout, Script::greeting().send([7, 0, 0]).then_silence()),
        Case::new("a TLS server, which waits for its client", Timeout, script().then_silence()),
        Case::new("a mail server, which waits for its client", Timeout, mail.then_silence()),
        Case::new("a TLS alert", Timeout, script().send(*b"\x15\x03\x03\0\x02\x02\x28").then_silence()),
    ])
    .await;
}

#[tokio::test]
async fn a_broken_connection_is_a_protocol_failure() {
    let script = Script::nothing;
    judge(vec![
        Case::new("FIN instead of a greeting", Protocol, script().then_close()),
        Case::new("RST after accept", Protocol, script().then_reset()),
        Case::new("FIN in the greeting", Protocol, script().send(half(&greeting())).then_close()),
        Case::new("RST in the greeting", Protocol, script().send(half(&greeting())).then_reset()),
        Case::new("FIN after the greeting", Protocol, script().send(greeting()).then_close()),
        Case::new("RST after the greeting", Protocol, script().send(greeting()).then_reset()),
        Case::new("FIN after the login", Protocol, Script::greeting().then_close()),
        Case::new("RST after the login", Protocol, Script::greeting().then_reset()),
        Case::new("FIN in the login's answer", Protocol, Script::greeting().send([7, 0, 0, 2, 0]).then_close()),
    ])
    .await;
}

#[tokio::test]
async fn other_protocols_are_protocol_failures() {
    let garbage = |seed, length| Random::seeded(seed).bytes(length);
    let greet = |bytes: &[u8]| Script::nothing().send(bytes).then_close();
    let random = [0, 1, 2, 3].map(|seed| greet(&garbage(seed, 1000)));
    let [first, second, third, fourth] = random;
    let mail = b"220 mail.example ESMTP\r\n";
    let protocol_9 = [&b"\x09"[..], b"3.20.32\0", &7_u32.to_le_bytes(), b"saltsalt\0"].concat();
    let truncated = &Greeting::default().payload()[..20];
    judge(vec![
        Case::new("random bytes", Protocol, first),
        Case::new("other random bytes", Protocol, second),
        Case::new("again other random bytes", Protocol, third),
        Case::new("and random bytes once more", Protocol, fourth),
        Case::new("a web server", Protocol, greet(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")),
        Case::new("an SSH server", Protocol, greet(b"SSH-2.0-OpenSSH_9.6\r\n")),
        Case::new("a mail server that hangs up", Protocol, greet(mail)),
        Case::new("a TLS alert", Protocol, greet(b"\x15\x03\x03\0\x02\x02\x28")),
        Case::new("an empty greeting", Protocol, greet(&wire::packet(0, b""))),
        Case::new("empty packets", Protocol, Script::nothing().flood([0; 4000])),
        Case::new("zeroes", Protocol, greet(&wire::packet(0, &[0; 100]))),
        Case::new("a header of 16 MB", Protocol, greet(b"\xff\xff\xff\0\x0a9.7.0\0")),
        Case::new("a greeting with a wrong number", Protocol, greet(&wire::packet(5, &Greeting::default().payload()))),
        Case::new("a greeting of protocol 9", Protocol, greet(&wire::packet(0, &protocol_9))),
        Case::new("a greeting cut inside its packet", Protocol, greet(&wire::packet(0, truncated))),
        Case::new("an empty answer to the login", Protocol, Script::greeting().send(wire::packet(2, b""))),
        Case::new("nonsense after the login", Protocol, Script::greeting().send(wire::packet(2, b"\x42nonsense"))),
        Case::new("a wrong number after the login", Protocol, Script::greeting().send(wire::packet(9, &wire::ok()))),
        Case::new("16 MB after the login", Protocol, Script::greeting().send(*b"\xff\xff\xff\x02\0")),
        Case::new("garbage after the login", Protocol, Script::greeting().send(garbage(4, 1000))),
    ])
    .await;
}

#[tokio::test]
async fn a_refusal_has_the_reason_that_the_server_gives() {
    let greet = |code, state, message| Script::nothing().send(wire::packet(0, &wire::error(code, state, message)));
    let refuse =
        |code, state, message| Script::greeting().send(wire::packet(2, &wire::error(code, Some(state), message)));
    let blocked = "Host '127.0.0.1' is blocked because of many connection errors";
    judge(vec![
        Case::new("1040 for a greeting", TooManyConnections, greet(1040, None, "Too many connections")),
        Case::new("1040 with a state", TooManyConnections, greet(1040, Some("08004"), "Too many connections")),
        Case::new("1040 without a word", TooManyConnections, greet(1040, None, "")),
        Case::new("1129 for a greeting", HostBlocked, greet(1129, None, blocked)),
        Case::new("1130 for a greeting", Auth, greet(1130, None, "Host '127.0.0.1' is not allowed to connect")),
        Case::new("1045", Auth, refuse(1045, "28000", "Access denied for user 'readscope'")),
        Case::new("3118", Auth, refuse(3118, "HY000", "Access denied. Account is locked.")),
        Case::new("1203", TooManyConnections, refuse(1203, "42000", "already more than 'max_user_connections'")),
        Case::new("1226", TooManyConnections, refuse(1226, "42000", "exceeded the 'max_connections_per_hour'")),
        Case::new("3159", TlsFailed, refuse(3159, "HY000", "insecure transport is prohibited")),
        Case::new("1053", Other, refuse(1053, "08S01", "Server shutdown in progress")),
        Case::new("an error of 60 KB", Auth, refuse(1045, "28000", &"no ".repeat(20_000))),
        Case::new("an error to deface the log", Auth, refuse(1045, "28000", "\x1b[2J\r\nlevel=info all=well\0")),
        Case::new("half an error", Protocol, Script::greeting().send(wire::packet(2, b"\xff\x15"))),
    ])
    .await;
}

#[tokio::test]
async fn unsupported_ways_to_log_in_are_auth_failures() {
    let salt = b"12345678901234567890";
    let switch = |plugin: &[u8]| Script::greeting().send(wire::packet(2, &wire::auth_switch(plugin, salt)));
    let native = Greeting { plugin: b"mysql_native_password".to_vec(), ..Greeting::default() };
    let in_short = Script::nothing().send(native.packet()).receive().send(wire::packet(2, b"\xfe"));
    judge(vec![
        Case::new("an unknown plugin", Auth, switch(b"authentication_of_tomorrow").receive()).with_password(),
        Case::new("sha256_password", Auth, switch(b"sha256_password").receive()).with_password(),
        Case::new("the password in the clear", Auth, switch(b"mysql_clear_password").receive()).with_password(),
        Case::new("passwords as before 4.1", Auth, switch(b"mysql_old_password").receive()).with_password(),
        Case::new("passwords as before 4.1, in short", Auth, in_short.receive()).with_password(),
    ])
    .await;
}

#[tokio::test]
async fn endless_plugin_switches_are_a_protocol_failure() {
    let salt = b"12345678901234567890";
    let switch = |number, plugin: &[u8]| wire::packet(number, &wire::auth_switch(plugin, salt));
    let mut script = Script::greeting();
    for number in (2..40).step_by(4) {
        script = script.send(switch(number, b"mysql_native_password")).receive();
        script = script.send(switch(number + 2, b"caching_sha2_password")).receive();
    }
    let without_password = Case::new("switching, no password", Protocol, script.clone());
    judge(vec![without_password, Case::new("switching", Protocol, script).with_password()]).await;
}

#[tokio::test]
async fn the_password_is_never_sent_in_cleartext() {
    let salt = b"12345678901234567890";
    let server = Server::playing(
        Script::greeting().send(wire::packet(2, &wire::auth_switch(b"mysql_clear_password", salt))).receive(),
    );
    for (plugin, answer) in [(&b"mysql_clear_password"[..], &b""[..]), (b"caching_sha2_password", b"\x01\x04")] {
        let switch = wire::packet(2, &wire::auth_switch(plugin, salt));
        let more = wire::packet(4, answer);
        server.play(Script::greeting().send(switch).receive().send(more).receive().then_close());
        let password = readscope::config::Secret::new(PASSWORD.to_owned());
        let given = readscope::config::PasswordSource::Given(password);
        let patience = Duration::from_secs(10);
        let mut target = target(server.address, patience);
        target.settings.password = given;
        let prober = Prober::new(target, Clock::start()).unwrap();
        assert!(take(&prober, patience).await.unwrap().outcome.is_err());
    }
    server.wait_until_closed(0);
    assert!(server.received(b"readscope"));
    assert!(!server.received(PASSWORD.as_bytes()));
}

#[tokio::test]
async fn a_failed_tls_handshake_is_a_tls_failure() {
    let authority = fixtures::tls("authority.pem");
    let (here, elsewhere) = (fixtures::tls_server("server"), fixtures::tls_server("elsewhere"));
    let expired = fixtures::tls_server("expired");
    let required = Tls::default;
    let by_browsers = TlsSettings { mode: TlsMode::VerifyIdentity, ..TlsSettings::default() };
    let verified = TlsSettings { ca_file: Some(authority), ..by_browsers.clone() };
    let [by_browsers, verified] = [by_browsers, verified].map(|settings| move || Tls::load(&settings).unwrap());
    let encrypted = |config| {
        let login = Script::tls_request().encrypt(config).receive().send(wire::packet(3, &wire::ok())).receive();
        login.send(wire::identity_answer(&wire::identity("101", "mysql-1"))).receive()
    };
    let good = || encrypted(&here);
    let request = Script::tls_request;
    let garbage = Random::seeded(5).bytes(500);
    let early = || request().encrypt(&here).receive();
    judge(vec![
        Case::new("a server without TLS", TlsFailed, Script::good()).with_tls(required(), good()),
        Case::new("garbage for a handshake", TlsFailed, request().send(garbage)).with_tls(required(), good()),
        Case::new("an alert", TlsFailed, request().send(*b"\x15\x03\x03\0\x02\x02\x28")).with_tls(required(), good()),
        Case::new("FIN in the handshake", TlsFailed, request().then_close()).with_tls(required(), good()),
        Case::new("RST in the handshake", Protocol, request().then_reset()).or(TlsFailed).with_tls(required(), good()),
        Case::new("silence in the handshake", Timeout, request().then_silence()).with_tls(required(), good()),
        Case::new("a certificate for another name", TlsFailed, encrypted(&elsewhere)).with_tls(verified(), good()),
        Case::new("an expired certificate", TlsFailed, encrypted(&expired)).with_tls(verified(), good()),
        Case::new("another authority", TlsFailed, good()).with_tls(by_browsers(), good()).unrecoverable(),
        Case::new("FIN after the handshake", Protocol, early().then_close()).with_tls(required(), good()),
        Case::new("RST after the handshake", Protocol, early().then_reset()).with_tls(verified(), good()),
        Case::new("silence after the handshake", Timeout, early().then_silence()).with_tls(required(), good()),
    ])
    .await;
}

#[tokio::test]
async fn an_address_without_a_server_has_the_reason_that_the_network_gives() {
    let patience = Duration::from_secs(10);
    let closed = ClosedPort::new();
    let refused = target(closed.address(), patience);
    // The kernel has no route for TCP to a multicast group, so nothing leaves the machine.
    let unreachable = target(([224, 0, 0, 1], 3306).into(), patience);
    // By RFC 6761 this is answered without asking a name server; the dot keeps search domains away.
    let unknown = Address { host: "no-such-name.invalid.".to_owned(), port: Some(3306) };
    let unresolvable = readscope::config::Target { address: unknown, ..unreachable.clone() };
    for (target, reason) in [(refused, Refused), (unreachable, Unreachable), (unresolvable, Resolve)] {
        let prober = Prober::new(target, Clock::start()).unwrap();
        let failure = take(&prober, patience).await.unwrap().outcome.unwrap_err();
        assert_eq!(failure.reason, reason, "{}", failure.text);
    }
}
