//! Hundreds of conversations with invalid bytes, the same ones in every run.

use std::{sync::Arc, time::Duration};

use readscope::{
    clock::Clock,
    config::{PasswordSource, Secret},
    source::mysql::Prober,
};
use tokio::task::JoinSet;

use super::case::{PASSWORD, assert_readable, take, target};
use crate::support::{
    random::Random,
    script::Script,
    server::Server,
    wire::{self, CLIENT_DEPRECATE_EOF, Greeting},
};

/// Conversations at once, each lane with its own server.
const LANES: u64 = 16;

const CONVERSATIONS: u64 = 480;

const PATIENCE: Duration = Duration::from_secs(10);

/// How long the server waits for a client that may be waiting for the rest of a mutilated packet.
const MOMENT: Duration = Duration::from_millis(25);

/// Greeting, login and result; one of them is invalid.
fn conversation(random: &mut Random) -> Script {
    let mut greeting = Greeting::default();
    if random.below(2) == 0 {
        greeting.capabilities |= CLIENT_DEPRECATE_EOF;
    }
    let login = match random.below(3) {
        0 => wire::packet(2, &wire::ok()),
        1 => wire::packets(2, &[vec![0x01, 0x03], wire::ok()]),
        _ => wire::packet(2, &wire::auth_switch(b"mysql_native_password", b"12345678901234567890")),
    };
    let mut messages = vec![greeting.packet(), login, wire::identity_answer(&wire::identity("101", "mysql-1"))];
    let spoilt = random.below(messages.len());
    messages[spoilt] = match random.below(4) {
        0 => {
            let length = random.below(300);
            random.bytes(length)
        }
        // Invalid contents in a valid packet.
        1 => {
            let length = random.below(60);
            let payload: Vec<u8> = (0..length).map(|_| random.telling_byte()).collect();
            let sequence = [0, 2, 1][spoilt];
            wire::packet(sequence, &payload)
        }
        _ => random.mutated(&messages[spoilt]),
    };
    let script = Script::nothing();
    messages.into_iter().fold(script, |script, message| script.send(message).receive_within(MOMENT)).then_close()
}

/// Conversations `lane`, `lane + LANES`, …; what went wrong with them.
async fn converse(lane: u64) -> Vec<String> {
    let server = Server::playing(Script::good());
    let mut target = target(server.address, PATIENCE);
    if !lane.is_multiple_of(2) {
        target.settings.password = PasswordSource::Given(Secret::new(PASSWORD.to_owned()));
    }
    let prober = Arc::new(Prober::new(target, Clock::start()).unwrap());
    let mut wrong = Vec::new();
    for seed in (lane..CONVERSATIONS).step_by(usize::try_from(LANES).unwrap()) {
        let script = conversation(&mut Random::seeded(seed));
        server.play(script.clone());
        let its_prober = Arc::clone(&prober);
        let taken = tokio::spawn(async move { take(&its_prober, PATIENCE).await }).await;
        let fault = match taken {
            Err(error) => Some(error.to_string()),
            Ok(Err(overdue)) => Some(overdue),
            Ok(Ok(probe)) => probe.outcome.err().and_then(|failure| assert_readable(&failure.text).err()),
        };
        wrong.extend(fault.map(|fault| format!("seed {seed}: {fault}\n    {:02x?}", script.steps)));
    }
    server.play(Script::good());
    if take(&prober, PATIENCE).await.unwrap().outcome.is_err() {
        wrong.push(format!("lane {lane} does not recover"));
    }
    tokio::task::spawn_blocking(move || server.wait_until_closed(0)).await.unwrap();
    wrong
}

#[tokio::test]
async fn no_invalid_bytes_make_a_probe_panic_or_hang() {
    let lanes: JoinSet<_> = (0..LANES).map(converse).collect();
    let wrong = lanes.join_all().await.concat();
    assert!(wrong.is_empty(), "{} of {CONVERSATIONS}:\n{}", wrong.len(), wrong.join("\n"));
}
