//! Bytes on which the driver itself panics, found by reading and fuzzing `mysql_async` 0.37.1 and `mysql_common`
//! 0.37.3. To the program they are one more failed sample: most need neither a password nor TLS, so any server that it is
//! led to could stop it by them, and the first ones are what a `MariaDB` sends that means no harm.

use readscope::model::FailureReason::{Auth, Protocol};

use crate::{
    case::{Case, judge},
    support::{
        script::Script,
        wire::{self, Greeting, packet, packets, result_set},
    },
};

const SALT: &[u8] = b"12345678901234567890123456789012";

fn switch(plugin: &[u8], data: &[u8]) -> Script {
    Script::greeting().send(packet(2, &wire::auth_switch(plugin, data))).receive()
}

/// Full authentication of `caching_sha2_password` without TLS, up to the server's RSA key.
fn key(key: &[u8]) -> Script {
    let full = Script::greeting().send(packet(2, &[0x01, 0x04])).receive();
    full.send(packet(4, key)).receive()
}

#[tokio::test]
async fn an_account_whose_plugin_the_driver_was_not_built_with_fails_to_authenticate() {
    judge(vec![
        // What MariaDB sends for an account IDENTIFIED VIA ed25519.
        Case::new("ed25519", Auth, switch(b"client_ed25519", SALT)).or(Protocol).with_password(),
        // What MariaDB 11.6 and later send for an account IDENTIFIED VIA parsec.
        Case::new("parsec", Auth, parsec(SALT)).or(Protocol).with_password(),
        Case::new("parsec with a short salt", Auth, parsec(b"salt")).or(Protocol).with_password(),
        Case::new("parsec without a password", Auth, parsec(SALT)).or(Protocol),
    ])
    .await;
}

fn parsec(salt: &[u8]) -> Script {
    switch(b"parsec", salt).send(packet(4, b"P\x00123456789012345678")).receive()
}

#[tokio::test]
async fn a_login_on_which_the_driver_panics_is_a_protocol_failure() {
    let switch_back = packet(4, &[&[0x01], &wire::auth_switch(b"mysql_native_password", SALT)[..]].concat());
    let no_salt = switch(b"caching_sha2_password", b"").send(packet(4, b"\x01\x04")).receive();
    judge(vec![
        Case::new("parsec switched away", Protocol, switch(b"parsec", SALT).send(switch_back).receive()).or(Auth),
        Case::new("no salt", Protocol, no_salt.send(packet(6, b"\x01key")).receive()),
        Case::new("an empty packet for the key", Protocol, key(b"")),
        Case::new("a key that is no PEM", Protocol, key(b"\x01no key")),
        Case::new("a key that is no base64", Protocol, key(b"\x01-----BEGIN PUBLIC KEY-----!-----END PUBLIC KEY-----")),
        Case::new("a key that is no DER", Protocol, key(b"\x01-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----")),
        Case::new(
            "digits of another script",
            Protocol,
            greet(&Greeting { version: "٩.٧.٠".into(), ..Greeting::default() }),
        )
        .or(Auth),
        // An overflow, which only builds with its checks notice.
        Case::new("a salt of 130 bytes", Protocol, greet(&Greeting { salt_length: 130, ..Greeting::default() })),
    ])
    .await;
}

fn greet(greeting: &Greeting) -> Script {
    Script::nothing().send(greeting.packet()).receive().then_close()
}

#[tokio::test]
async fn a_result_on_which_the_driver_panics_is_a_protocol_failure() {
    let with_empty_row = packets(1, &result_set(7, &[Vec::new()]));
    let count = |number: u64| packet(1, &[&[0xfe], &number.to_le_bytes()[..]].concat());
    judge(vec![
        Case::new("an empty row", Protocol, Script::login().send(with_empty_row).receive()),
        Case::new("2^62 columns", Protocol, Script::login().send(count(1 << 62)).receive().then_close()),
        Case::new("2^64 - 1 columns", Protocol, Script::login().send(count(u64::MAX)).receive().then_close()),
    ])
    .await;
}
