//! Servers that say terrible things of themselves, on the terminal.

use nix::sys::signal::Signal;

use crate::{
    pseudo::Pseudo,
    support::{
        program::readscope,
        script::Script,
        server::Server,
        wire::{error, identity, packet},
    },
};

/// What a terminal would obey: another title, an empty screen, the way out of the screen of its own, other colours, text
/// from right to left.
const ORDERS: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[?1049l\u{9b}31m\r\n\u{202e}";

/// How it is shown.
const SHOWN: &str = r"\u{1b}]0;owned\u{7}\u{1b}[2J";

#[test]
fn what_servers_say_gives_the_terminal_no_orders_and_is_cut() {
    let endless = format!("{ORDERS}{}", "x".repeat(1 << 20));
    let mut fields = identity("101", &endless);
    fields[3] = Some(endless.into_bytes());
    let refusal = error(1045, Some("28000"), &format!("{ORDERS}{}", "x".repeat(60_000)));
    let refusing = Script::nothing().send(packet(0, &refusal)).then_close();
    for size in [(80, 24), (20, 5)] {
        let server = Server::playing(Script::answering(&fields));
        let arguments = ["watch", "--address", &server.address.to_string(), "--tls", "disabled", "--interval", "50ms"];
        let mut terminal = Pseudo::start(&readscope(&arguments), size);
        terminal.wait_for(if size == (80, 24) { &["server-101"] } else { &["q quit"] });
        if size == (80, 24) {
            terminal.types("\t\t");
            terminal.wait_for(&["details", SHOWN]);
            terminal.types("\t\t");
        }
        server.play(refusing.clone());
        terminal.wait_for(if size == (80, 24) { &["(auth)", SHOWN][..] } else { &["q quit"] });
        assert!(terminal.look(vt100::Screen::alternate_screen), "{}", terminal.text());
        terminal.signal(Signal::SIGTERM);
        assert_eq!(terminal.ended().code(), Some(0));
        terminal.assert_given_back();
    }
}
