//! Pictures of the terminal while the demo plays, made of what a pseudo-terminal has on its screen: the scale event as a film,
//! clients that do not use the new replica, the alarm, and a replica that refuses connections on a small terminal.
//! `docs/pictures/make` calls it with the program and the folder for the pictures.

#![allow(clippy::unwrap_used, reason = "a picture that cannot be made is no picture")]

mod film;
mod picture;
#[path = "../../../tests/program/terminal/pseudo.rs"]
#[allow(dead_code, reason = "a picture needs less of it than a test")]
mod pseudo;
#[path = "../../../tests/support/waiting.rs"]
mod waiting;

/// Where `pseudo` finds what it shares with the tests.
mod support {
    pub(crate) use crate::waiting;
}

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use film::Film;
use pseudo::Pseudo;
use waiting::wait_until;

const SIZE: (u16, u16) = (100, 28);

/// As small as it is said to be enough.
const SMALL: (u16, u16) = (80, 24);

/// Shows the shares of the clients, too.
const WIDE: (u16, u16) = (120, 28);

/// A round of the demo takes less.
const ROUND: Duration = Duration::from_secs(240);

/// Time between two frames. The screen changes ten times a second, which is too fast to read.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// How long the last frame stays.
const END_STAYS: Duration = Duration::from_secs(4);

/// Largest size of a picture in a web page.
const BYTES_MAX: usize = 1_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, folder] = &arguments[..] else { panic!("usage: PROGRAM FOLDER") };
    let mut demo = Command::new(program);
    demo.args(["demo", "--seed", "3", "--web.listen-address", "127.0.0.1:0"]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RUST_") || name.starts_with("READSCOPE_")) {
        demo.env_remove(name);
    }
    let [terminal, wide, small] = [SIZE, WIDE, SMALL].map(|size| Pseudo::start(&demo, size));
    let has = |text: &str| terminal.text().contains(text);

    wait_until("the scale-up", ROUND, || has("step 2 of 12"));
    let film = film(&terminal, || has("scaled from 3 to 4 replicas in"));
    write(Path::new(folder), "terminal-scale.svg", &film);

    wait_until("uneven clients", ROUND, || wide.text().contains("mysql-3 holds 0 of"));
    write(Path::new(folder), "terminal-clients.svg", &wide.look(picture::still));
    drop(wide);

    wait_until("the alarm", ROUND, || has("mysql-2 gets no reads"));
    // The bars and the latest reads follow a moment later.
    std::thread::sleep(Duration::from_secs(2));
    let alarm = terminal.look(picture::still);
    write(Path::new(folder), "terminal.svg", &alarm);
    drop(terminal);

    wait_until("a replica that refuses connections", ROUND, || {
        small.text().contains("Degraded: 3 of 4 replicas serve")
    });
    std::thread::sleep(Duration::from_secs(2));
    write(Path::new(folder), "terminal-small.svg", &small.look(picture::still));
}

/// Records the screen until `over`, and a moment longer.
fn film(terminal: &Pseudo, over: impl Fn() -> bool) -> String {
    let began = Instant::now();
    let mut film = Film::default();
    let mut ended: Option<Instant> = None;
    while ended.is_none_or(|ended| ended.elapsed() < Duration::from_secs(2)) {
        assert!(began.elapsed() < ROUND, "the scale event takes too long:\n{}", terminal.text());
        film.take(began.elapsed(), terminal.look(picture::rows));
        if ended.is_none() && over() {
            ended = Some(Instant::now());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    film.svg(SIZE, began.elapsed() + END_STAYS)
}

#[expect(clippy::print_stderr, reason = "somebody waits for it")]
fn write(folder: &Path, name: &str, svg: &str) {
    assert!(svg.len() <= BYTES_MAX, "{name} has {} bytes", svg.len());
    std::fs::write(folder.join(name), svg).unwrap();
    eprintln!("{name}: {} bytes", svg.len());
}
