//! A pause of the whole program: it is visible everywhere, and probing goes on once the cause may be gone.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{
    exporter::{Exporter, PATIENT},
    program::call,
    script::Script,
    server::Server,
    wire::{self, packet},
};

fn refusing() -> Script {
    Script::greeting().send(packet(2, &wire::error(1045, Some("28000"), "Access denied")))
}

fn wait_for_pause(exporter: &mut Exporter, paused: u64) {
    exporter.wait_until("the pause", |metrics| metrics.sum("readscope_probing_paused", "") == paused);
}

#[test]
fn a_pause_is_visible_and_ends_with_a_reload_and_with_another_password() {
    let server = Server::playing(Script::good());
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), "one").unwrap();
    let file = ["--password-file", password.path().to_str().unwrap()];
    let mut exporter = Exporter::with(server.address, &[&PATIENT[..], &file].concat());
    exporter.wait_for_reads(5);
    wait_for_pause(&mut exporter, 0);

    server.play(refusing());
    wait_for_pause(&mut exporter, 1);
    let log = exporter.program.log();
    let line =
        |part: &str| log.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {log:#?}"));
    assert!(line("a probe failed (auth)") < line("probes are paused until"), "{log:#?}");
    let notices = exporter.target()["notices"].to_string();
    assert!(notices.contains("after 1 refused login: more of them can lock the account; fix the cause"), "{notices}");
    server.play(Script::good());
    assert_eq!(exporter.metrics().failures("auth"), 1);
    exporter.program.signal(Signal::SIGHUP);
    exporter.wait_for_reads(5);
    wait_for_pause(&mut exporter, 0);

    server.play(refusing());
    wait_for_pause(&mut exporter, 1);
    server.play(Script::good());
    fs::write(password.path(), "another").unwrap();
    exporter.wait_for_reads(5);
    wait_for_pause(&mut exporter, 0);
    assert_eq!(exporter.metrics().failures("auth"), 2, "{:#?}", exporter.program.log());
    assert_eq!(exporter.program.logged(&["probes are paused until"]), 2);
    assert_eq!(exporter.program.logged(&["probes are no longer paused"]), 2);
}

#[test]
fn a_check_gives_up_when_probes_are_paused() {
    let server = Server::playing(refusing());
    let address = server.address.to_string();
    let checked = call(&["check", "--address", &address, "--tls", "disabled", "--probes", "1000"]);
    assert_eq!(checked.code, Some(2), "{checked:?}");
    let said = ", and further failed probes could lock the account; check the user";
    assert!(checked.stdout.starts_with("Down: no read so far (auth: "), "{checked:?}");
    assert!(checked.stdout.contains(said), "{checked:?}");
    assert_eq!(server.opened(), 1);
}
