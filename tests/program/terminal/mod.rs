//! The terminal view on a pseudo-terminal: the screen, the keys, and the restored terminal after every exit.

mod pseudo;

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    time::Duration,
};

use crate::support::{
    closed_port::ClosedPort,
    program::{Program, call, readscope},
    replicas::Replicas,
    site::{Served, answered, nothing, snapshot},
    waiting::wait_until,
};
use nix::sys::signal::Signal;
use pseudo::{Pseudo, SOON};
use readscope::view::terminal::{Content, Look, Screen, Session};

/// Marks the process that panics.
const PANICS: &str = "TERMINAL_TEST_PANICS";

fn demo() -> Command {
    readscope(&["demo", "--web.listen-address", "127.0.0.1:0", "--seed", "1"])
}

fn attach(site: &Served) -> Command {
    readscope(&["watch", "--attach", &format!("http://{}", site.address)])
}

#[test]
fn the_demo_follows_keys_and_sizes_and_ends_with_q() {
    let mut terminal = Pseudo::start(&demo(), (80, 24));
    terminal.wait_for(&[
        "readscope  mysql/mysql-read  shares",
        "http://127.0.0.1:",
        "Demo, step ",
        "mysql-0 ",
        "mysql-2 ",
        "expected",
        "evidence: ",
        "server_id replica",
        "scale events",
        "data-mysql-0",
        "q quit",
    ]);
    assert!(terminal.look(vt100::Screen::alternate_screen));
    assert!(!terminal.text().contains("level="), "the log is not on the screen: {}", terminal.text());

    terminal.types("\u{1b}[Z");
    terminal.wait_for(&["readscope  mysql/mysql-read  log", "level=info"]);
    terminal.types("\t");
    terminal.wait_for(&["shares", "Demo, step"]);
    terminal.types("p");
    terminal.wait_for(&["PAUSED", "p resume"]);
    terminal.types("?");
    terminal.wait_for(&["Shift-Tab"]);
    terminal.types("\u{1b}");
    // A key that follows at once would be combined with Alt.
    wait_until("the end of the help", SOON, || !terminal.text().contains("Shift-Tab"));
    terminal.types("p");
    wait_until("the end of the pause", SOON, || !terminal.text().contains("PAUSED"));

    terminal.resize(20, 5);
    terminal.wait_for(&["q quit"]);
    wait_until("the verdict first", SOON, || terminal.text().starts_with(['○', '●', '◆', '▲']));
    terminal.resize(120, 40);
    wait_until("a large screen", SOON, || terminal.text().lines().nth(39).is_some_and(|row| row.contains("q quit")));
    terminal.wait_for(&["mysql-2 ", "data-mysql-0"]);

    terminal.resize(80, 24);
    terminal.types("q");
    assert_eq!(terminal.ended().code(), Some(0));
    terminal.assert_restored();
    // The address of the page stays on the terminal.
    assert!(terminal.text().contains("http://127.0.0.1:"), "{}", terminal.text());
}

#[test]
fn a_key_during_a_resize_is_not_lost() {
    let site = Served::showing(snapshot(), "");
    let mut terminal = Pseudo::start(&attach(&site), (100, 30));
    terminal.wait_for(&["mysql/mysql-read", "q quit"]);
    for (round, columns) in (100..150).enumerate() {
        terminal.resize(columns, 30);
        terminal.types("?");
        let has_help = round % 2 == 0;
        wait_until("the key's effect", SOON, || terminal.text().contains("Shift-Tab") == has_help);
    }
}

#[test]
fn every_signal_and_control_c_restore_the_terminal() {
    for exit in [Some(Signal::SIGTERM), Some(Signal::SIGINT), Some(Signal::SIGHUP), None] {
        let mut terminal = Pseudo::start(&demo(), (80, 24));
        terminal.wait_for(&["q quit", "mysql-0"]);
        match exit {
            Some(signal) => terminal.signal(signal),
            None => terminal.types("\u{3}"),
        }
        assert_eq!(terminal.ended().code(), Some(0), "{exit:?}");
        terminal.assert_restored();
    }
}

#[test]
fn the_end_of_the_demo_restores_the_terminal() {
    let mut terminal = Pseudo::start(demo().args(["--for", "2s"]), (80, 24));
    assert_eq!(terminal.ended().code(), Some(0));
    terminal.assert_restored();
}

#[test]
fn a_closed_terminal_ends_the_program() {
    let mut terminal = Pseudo::start(&demo(), (80, 24));
    terminal.wait_for(&["q quit", "mysql-0"]);
    terminal.close();
    assert!(terminal.ended().code().is_some(), "the program ends");
}

/// Runs itself on a terminal, where it draws and panics.
#[test]
fn a_panic_restores_the_terminal_and_is_reported() {
    if std::env::var_os(PANICS).is_some() {
        let mut session = Session::open().unwrap();
        let (content, look) = (Content::default(), Look::default());
        let now = jiff::Timestamp::UNIX_EPOCH;
        let screen = Screen { content: &content, look: &look, now, stale: None, page: None, log: &[], colour: true };
        session.draw(&screen).unwrap();
        panic!("on purpose");
    }
    let name = "terminal::a_panic_restores_the_terminal_and_is_reported";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(PANICS, "1").env("RUST_BACKTRACE", "0");
    let mut terminal = Pseudo::start(&command, (80, 24));
    assert_eq!(terminal.ended().code(), Some(101));
    terminal.assert_restored();
    wait_until("the panic's message", SOON, || terminal.text().contains("on purpose"));
}

#[test]
fn no_color_disables_colours() {
    let colours = |terminal: &Pseudo| {
        let coloured = |screen: &vt100::Screen| {
            let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
            cells
                .filter_map(|(row, column)| screen.cell(row, column))
                .any(|cell| cell.fgcolor() != vt100::Color::Default)
        };
        terminal.look(coloured)
    };
    for (value, wanted) in [("1", false), ("", true)] {
        let mut terminal = Pseudo::start(demo().env("NO_COLOR", value), (80, 24));
        terminal.wait_for(&["q quit", "expected"]);
        assert_eq!(colours(&terminal), wanted, "NO_COLOR={value}");
    }
}

#[test]
fn a_running_exporter_is_shown_and_its_end_is_reported() {
    let mut site = Served::showing(snapshot(), "");
    let mut terminal = Pseudo::start(&attach(&site), (100, 30));
    terminal.wait_for(&["mysql/mysql-read", "mysql-1", "101 mysql-1", "refused"]);
    site.show(answered(&[("one", 3), ("two", 4)], 10));
    terminal.wait_for(&["one (1 of 2)", "←→ target"]);
    terminal.types("\u{1b}[C");
    terminal.wait_for(&["two (2 of 2)"]);
    site.stop();
    terminal.wait_for(&["! cannot reach http://127.0.0.1:"]);
    site = Served::showing(nothing(), "");
    drop(site);
    terminal.types("q");
    assert_eq!(terminal.ended().code(), Some(0));
    terminal.assert_restored();
}

#[test]
fn several_targets_start_with_the_list() {
    let site = Served::showing(answered(&[("one", 3), ("two", 4), ("three", 5)], 10), "");
    let mut terminal = Pseudo::start(&attach(&site), (80, 24));
    terminal.wait_for(&["readscope  targets", "one ", "two ", "three ", "Enter open"]);
    terminal.types("\u{1b}[B\r");
    terminal.wait_for(&["two (2 of 3)  shares"]);
}

#[test]
fn servers_other_than_readscope_are_refused() {
    let closed = ClosedPort::new();
    let ended = call(&["watch", "--attach", &closed.address().to_string()]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    assert!(ended.stderr.contains("cannot reach"), "{}", ended.stderr);

    let site = Served::showing(snapshot(), "");
    let ended = call(&["watch", "--attach", &format!("http://{}/elsewhere", site.address)]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    assert!(ended.stderr.contains("404") && ended.stderr.contains("readscope"), "{}", ended.stderr);

    // A web server that answers every request with 200 and HTML.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in other.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n<html></html>");
        }
    });
    let ended = call(&["watch", "--attach", &address.to_string()]);
    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
    assert!(ended.stderr.contains("cannot read the response of"), "{}", ended.stderr);
}

#[test]
fn without_a_terminal_every_read_is_a_line() {
    let replicas = Replicas::of(&[1, 2], 1);
    let address = replicas.address.to_string();
    let arguments = ["watch", "--address", &address, "--tls", "disabled", "--interval", "20ms"];
    let mut program = Program::start(&mut readscope(&arguments));
    wait_until("ten lines", SOON, || program.output().len() >= 10);
    for line in program.output() {
        let [time, server_id, replica] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line:?}") };
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line:?}");
        assert_eq!(replica, format!("server-{server_id}"));
    }
    program.signal(Signal::SIGTERM);
    assert_eq!(program.wait(SOON).code(), Some(0));

    let site = Served::showing(answered(&[("one", 3), ("two", 4)], 10), "");
    let mut program = Program::start(&mut attach(&site));
    wait_until("seven lines", SOON, || program.output().len() == 7);
    assert_eq!(program.output().iter().filter(|line| line.ends_with("101  server-101  two")).count(), 4);
    site.show(answered(&[("one", 3), ("two", 5)], 11));
    wait_until("one more", SOON, || program.output().len() == 8);
    program.signal(Signal::SIGINT);
    assert_eq!(program.wait(Duration::from_secs(30)).code(), Some(0));
}
