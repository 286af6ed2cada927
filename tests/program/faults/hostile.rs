//! Bytes on which `mysql_async` 0.37.1 and `mysql_common` 0.37.3 panic or run out of memory, found by reading and fuzzing.
//! Most need neither a password nor TLS, so any server that a client connects to can send them. A panic is one failed
//! probe. The exception is a known limit (`SECURITY.md`): it ends the process.

use std::time::Duration;

use nix::sys::signal::Signal;
use readscope::model::FailureReason::{Auth, Protocol, Timeout};

use super::case::{Case, judge};
use crate::support::{
    exporter::{Exporter, PATIENT},
    program::call,
    script::Script,
    server::Server,
    wire::{self, Greeting, packet, packets, result_set},
};

const SALT: &[u8] = b"12345678901234567890123456789012";

/// Memory limit for the program while it sends eight probes at once to a hostile server.
const MEMORY_BYTES: u64 = 200 << 20;

fn switch(plugin: &[u8], data: &[u8]) -> Script {
    Script::greeting().send(packet(2, &wire::auth_switch(plugin, data))).receive()
}

/// Full authentication of `caching_sha2_password` without TLS, up to the server's RSA key.
fn key(key: &[u8]) -> Script {
    let full = Script::greeting().send(packet(2, &[0x01, 0x04])).receive();
    full.send(packet(4, &[&[0x01], key].concat())).receive()
}

/// A public RSA key with numbers of these lengths.
fn rsa_key(modulus_bytes: usize, exponent_bytes: usize) -> Vec<u8> {
    const ALGORITHM: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let number = |bytes: usize| element(0x02, &[&[0x00][..], &vec![0xff; bytes]].concat());
    let key = element(0x30, &[number(modulus_bytes), number(exponent_bytes)].concat());
    let bits = element(0x03, &[&[0x00][..], &key].concat());
    let base64 = base64(&element(0x30, &[ALGORITHM, &bits].concat()));
    format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n").into_bytes()
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(content.len()).unwrap().to_be_bytes();
    let length: &[u8] = match content.len() {
        0..0x80 => &[low],
        0x80..0x100 => &[0x81, low],
        0x100..0x1_0000 => &[0x82, middle, low],
        _ => &[0x83, high, middle, low],
    };
    [&[tag], length, content].concat()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let [a, b, c] = [0, 1, 2].map(|index| usize::from(three.get(index).copied().unwrap_or_default()));
        let digits = [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63].map(|digit| DIGITS[digit]);
        let used = three.len() + 1;
        std::array::from_fn(|index| if index < used { digits[index] } else { b'=' })
    };
    String::from_utf8(bytes.chunks(3).flat_map(|three| -> [u8; 4] { four(three) }).collect()).unwrap()
}

fn columns(count: u64) -> Vec<u8> {
    packet(1, &[&[0xfe], &count.to_le_bytes()[..]].concat())
}

#[tokio::test]
async fn an_unsupported_authentication_plugin_is_an_auth_failure() {
    judge(vec![
        Case::new("a dialog", Auth, switch(b"dialog", b"Password: ")).with_password(),
        Case::new("a plugin without a name", Auth, switch(b"", SALT)).with_password(),
        Case::new("a plugin name with control characters", Auth, switch(b"\x1b[2J\r\n", SALT)).with_password(),
    ])
    .await;
}

/// MariaDB's plugins; `real` logs in by ed25519.
#[tokio::test]
async fn an_invalid_exchange_of_a_mariadb_plugin_is_a_protocol_failure() {
    let parsec = |answer: &[u8]| switch(b"parsec", SALT).send(packet(4, answer)).receive();
    let back = [&[0x01], &wire::auth_switch(b"mysql_native_password", SALT)[..]].concat();
    judge(vec![
        Case::new("ed25519 without an end", Protocol, switch(b"client_ed25519", SALT)).with_password(),
        Case::new("ed25519 without a salt", Protocol, switch(b"client_ed25519", b"")).with_password(),
        Case::new("ed25519 without a password", Protocol, switch(b"client_ed25519", SALT)),
        Case::new("parsec with a short salt", Protocol, parsec(b"\x01salt")).with_password(),
        Case::new("parsec with an empty salt", Protocol, parsec(b"")).with_password(),
        Case::new("parsec without an end", Protocol, parsec(b"P\x00123456789012345678")).with_password(),
        Case::new("parsec without a password", Protocol, parsec(b"P\x00123456789012345678")),
        Case::new("parsec switched away", Protocol, parsec(&back)).with_password(),
    ])
    .await;
}

#[tokio::test]
async fn an_invalid_login_exchange_is_a_protocol_failure() {
    let switch_back = packet(4, &[&[0x01], &wire::auth_switch(b"mysql_native_password", SALT)[..]].concat());
    let fast = packets(2, &[vec![0x01, 0x03], vec![0x01, 0x03], wire::ok()]);
    let unasked = packet(2, &[&[0x01], &rsa_key(256, 3)[..]].concat());
    let twice = packet(4, b"\x01\x04");
    let full = || Script::greeting().send(packet(2, b"\x01\x04")).receive();
    let pem = |text: &str| key(format!("-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----").as_bytes());
    judge(vec![
        Case::new("switched twice", Protocol, switch(b"mysql_native_password", SALT).send(switch_back)),
        Case::new("no salt", Protocol, switch(b"caching_sha2_password", b"")),
        Case::new("half a salt", Protocol, switch(b"caching_sha2_password", b"1234567890")),
        Case::new("fast login twice", Protocol, Script::greeting().send(fast).receive()),
        Case::new("an unrequested key", Protocol, Script::greeting().send(unasked).receive()).with_password(),
        Case::new("full login twice", Protocol, full().send(twice).receive()).with_password(),
        Case::new("an empty packet for the key", Protocol, full().send(packet(4, b"")).receive()).with_password(),
        Case::new("no key", Protocol, key(b"")).with_password(),
        Case::new("a key that is not PEM", Protocol, key(b"no key")).with_password(),
        Case::new("a key that is not base64", Protocol, pem("!")).with_password(),
        Case::new("a key that is not DER", Protocol, pem("AAAA")).with_password(),
        Case::new("a key of 64 bits", Protocol, key(&rsa_key(8, 3))).with_password(),
        Case::new("digits of another script", Protocol, greet(b"\xd9\xa9.\xd9\xa7.\xd9\xa0", 21)),
        Case::new("a salt of 130 bytes", Protocol, greet(b"9.7.0", 130)),
    ])
    .await;
}

fn greet(version: &[u8], salt_length: u8) -> Script {
    let greeting = Greeting { version: version.to_vec(), salt_length, ..Greeting::default() };
    Script::nothing().send(greeting.packet()).receive().then_close()
}

#[tokio::test]
async fn a_result_with_excessive_lengths_is_one_failed_probe() {
    let with_empty_row = packets(1, &result_set(7, &[Vec::new()]));
    let sent = |bytes| Script::login().send(bytes).receive();
    let field = |length: &[u8]| sent(packets(1, &result_set(1, &[length.to_vec()])));
    judge(vec![
        Case::new("an empty row", Protocol, sent(with_empty_row)),
        Case::new("a field of 16 MB in 3 bytes", Protocol, field(b"\xfd\xff\xff\xff")),
        Case::new("a field beyond its packet", Protocol, field(b"\xfa101")),
        Case::new("2^16 columns and FIN", Protocol, Script::login().send(packet(1, b"\xfc\xff\xff")).then_close()),
        Case::new("2^24 columns and FIN", Protocol, Script::login().send(packet(1, b"\xfd\xff\xff\xff")).then_close()),
        Case::new("2^24 columns and silence", Timeout, sent(packet(1, b"\xfd\xff\xff\xff"))),
        Case::new("2^62 columns", Protocol, sent(columns(1 << 62))),
        Case::new("2^64 - 1 columns", Protocol, sent(columns(u64::MAX))),
        Case::new("columns without end", Protocol, Script::login().send(packet(1, &[250])).flood(definitions())),
    ])
    .await;
}

/// 256 column definitions, numbered from 2.
fn definitions() -> Vec<u8> {
    let column = wire::column();
    (2..=255).chain(0..2).flat_map(|number| packet(number, &column)).collect()
}

#[test]
fn a_panic_of_the_driver_stops_nothing_and_is_logged_once() {
    // A failed handshake is counted by servers, so few of them pause the probes.
    for (hostile, failures) in [(Script::login().send(columns(1 << 62)).receive(), 50), (key(b"no key"), 5)] {
        let server = Server::playing(Script::good());
        let mut exporter = Exporter::with(server.address, &PATIENT);
        exporter.wait_for_reads(5);
        server.play(hostile);
        let metrics = exporter.wait_for_failures("protocol", failures);
        assert_eq!(metrics.failures("protocol"), metrics.all_failures());
        server.play(Script::good());
        exporter.wait_for_reads(5);
        assert_eq!(exporter.program.logged(&["panicked"]), 0, "{:#?}", exporter.program.log());
        // Two of them say that the target is down, and is not.
        assert!(exporter.program.log().len() <= 8, "{:#?}", exporter.program.log());
        let memory = exporter.program.peak_memory_bytes();
        assert!(memory < MEMORY_BYTES, "{memory} bytes");
        exporter.program.signal(Signal::SIGTERM);
        assert_eq!(exporter.program.wait(Duration::from_secs(10)).code(), Some(0));
    }
}

/// A known limit: the driver reserves 32 bytes for each announced column, and a failed reservation ends the process.
#[test]
fn a_column_count_beyond_the_address_space_ends_the_process() {
    let server = Server::playing(Script::login().send(columns(1 << 50)).receive());
    let ended = call(&["check", "--address", &server.address.to_string(), "--tls", "disabled"]);
    assert_eq!(ended.code, None, "{ended:?}");
    assert!(ended.stderr.contains("memory allocation of 36028797018963968 bytes failed"), "{ended:?}");
}
