//! Screens of several sizes.

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};

use super::{picture::Short, *};

const TARGETS: &str = include_str!("../../../tests/fixtures/terminal/targets.json");
const SCALE_EVENTS: &str = include_str!("../../../tests/fixtures/terminal/scale-events.json");

fn documents() -> Documents {
    Documents::read(TARGETS.as_bytes(), SCALE_EVENTS.as_bytes()).unwrap()
}

fn drawn(picture: &Picture, look: &Look, (width, height): (u16, u16), colour: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let log = ["a line of the log".into()];
    let now = "2026-11-23T00:00:30Z".parse().unwrap();
    let screen = Screen { picture, look, now, stale: None, page: Some("http://127.0.0.1:1/"), log: &log, colour };
    terminal.draw(|frame| draw(frame, &screen)).unwrap();
    terminal.backend().buffer().clone()
}

fn rows(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width).map(|cells| cells.iter().map(ratatui::buffer::Cell::symbol).collect());
    rows.map(|row: String| row.trim_end().to_owned()).collect()
}

fn shown(picture: &Picture, look: &Look, size: (u16, u16)) -> String {
    rows(&drawn(picture, look, size, true)).join("\n")
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

fn in_pane(pane: Pane) -> Look {
    Look { pane, ..Look::default() }
}

#[test]
fn eighty_by_twenty_four_shows_something_of_everything() {
    let text = shown(&documents().picture(0), &Look::at(1), (80, 24));
    assert_has(
        &text,
        &[
            "▲ Unbalanced: mysql-2 gets none of the reads where 25 % is expected",
            "Demo, step 3 of 10",
            "mysql-0 ",
            "33.4%",
            "25.0%",
            "31–36 %",
            "┃",
            "█",
            "evidence: occurs by chance once in 40 days; alarm at once in 30 days",
            "00:00:29.750       103 mysql-3",
            "00:00:10 scaling from 3 to 4 replicas for 20.0 s",
            "3.2 s  mysql-3: PVC bound",
            "! PVC data-mysql-3 has been pending",
            "NAME ",
            "data-mysql-3         Pending",
            "q quit",
            "? help",
            "00:00:30 UTC",
        ],
    );
    assert!(!text.contains("! Unbalanced"), "what the verdict says is not said twice\n{text}");
}

#[test]
fn a_larger_screen_shows_more() {
    let small = shown(&documents().picture(0), &Look::at(1), (80, 24));
    let large = shown(&documents().picture(0), &Look::at(1), (120, 40));
    assert!(!small.contains("pvc-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"), "{small}");
    assert_has(
        &large,
        &["http://127.0.0.1:1/  00:00:30 UTC", "20.0 s  mysql/mysql", "mysql-3: replica requested", "Pending"],
    );
    assert_eq!(large.matches("00:00:2").count(), 8, "every answer of the tape\n{large}");
}

#[test]
fn a_tiny_screen_shows_the_verdict() {
    let text = shown(&documents().picture(0), &Look::at(1), (20, 5));
    assert_has(&text, &["▲ Unbalanced:", "mysql-2 gets none", "q quit"]);
    let text = shown(&documents().picture(0), &Look::at(1), (40, 12));
    assert_has(&text, &["▲ Unbalanced: mysql-2 gets none", "mysql-0", "33.4%", "q quit"]);
}

#[test]
fn no_size_and_no_pane_is_too_much() {
    let pictures = [Picture::default(), documents().picture(0), documents().picture(7)];
    let sizes = (1..=40).map(|width| (width, 3)).chain((1..=40).map(|height| (30, height))).chain([(1, 1), (500, 200)]);
    for size in sizes {
        for pane in [Pane::Overview, Pane::Target, Pane::Scaling, Pane::Details, Pane::Log] {
            for picture in &pictures {
                shown(picture, &in_pane(pane), size);
                shown(picture, &Look { help: true, scroll: usize::MAX, ..in_pane(pane) }, size);
            }
        }
    }
}

#[test]
fn before_anything_is_known_it_says_so() {
    assert_has(&shown(&Picture::default(), &Look::at(0), (80, 24)), &["Nothing is known yet.", "q quit"]);
}

#[test]
fn several_targets_are_a_list_with_their_verdicts() {
    let picture = documents().picture(1);
    let look = Look { place: 1, ..Look::at(2) };
    let text = shown(&picture, &look, (80, 24));
    assert_has(&text, &["targets", "▲ mysql/mysql-read", "● shop", "Balanced: 2 of", "Enter open", "←→ target"]);
    let text = shown(&picture, &Look { pane: Pane::Target, ..look }, (80, 24));
    assert_has(&text, &["shop (2 of 2)", "● Balanced: 2 of 2 replicas answer"]);
}

#[test]
fn the_chosen_one_of_many_targets_is_in_sight() {
    let one = documents().picture(0).targets[0].clone();
    let named = |number: usize| Short { target: format!("target-{number}").into(), ..one.clone() };
    let picture = Picture { targets: (0..1000).map(named).collect(), ..Picture::default() };
    let text = shown(&picture, &Look { place: 700, ..Look::at(1000) }, (80, 24));
    assert_has(&text, &["target-700 "]);
}

#[test]
fn every_pane_shows_its_part() {
    let picture = documents().picture(0);
    let scaling = shown(&picture, &in_pane(Pane::Scaling), (100, 40));
    assert_has(&scaling, &["scaled from 2 to 3 replicas in 12.0 s", "mysql-2: first read", "PVC reused"]);
    let details = shown(&picture, &in_pane(Pane::Details), (100, 40));
    assert_has(
        &details,
        &["mysql-0  primary  server_id 100  version 9.7.0", "it is one of 4 endpoints", "refused: cannot"],
    );
    assert_has(&shown(&picture, &in_pane(Pane::Log), (80, 24)), &["a line of the log"]);
    assert_has(&shown(&picture, &Look { help: true, ..Look::default() }, (80, 24)), &["Shift-Tab", "pause"]);
}

#[test]
fn what_servers_say_is_shown_harmlessly() {
    let hostile =
        "\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\r\\n\\u202e<b>日本語\\u0000".to_owned() + &"x".repeat(2000);
    let targets =
        TARGETS.replace("mysql-3", &hostile).replace("9.7.0", &hostile).replace("Connection refused", &hostile);
    let documents = Documents::read(targets.as_bytes(), SCALE_EVENTS.replace("mysql-3", &hostile).as_bytes()).unwrap();
    for size in [(80, 24), (120, 40), (20, 5)] {
        for pane in [Pane::Overview, Pane::Target, Pane::Scaling, Pane::Details] {
            let text = shown(&documents.picture(0), &in_pane(pane), size);
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            assert!(!text.contains('\u{202e}'), "{text:?}");
        }
    }
    let text = shown(&documents.picture(0), &Look::at(1), (80, 24));
    assert_has(&text, &[r"\u{1b}]0;owned", "▲ Unbalanced", "data-mysql-0"]);
}

#[test]
fn without_colour_the_signs_remain() {
    let picture = documents().picture(0);
    let has_colour =
        |buffer: &Buffer| buffer.content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    assert!(has_colour(&drawn(&picture, &Look::at(1), (80, 24), true)));
    let plain = drawn(&picture, &Look::at(1), (80, 24), false);
    assert!(!has_colour(&plain));
    assert_has(&rows(&plain).join("\n"), &["▲ Unbalanced"]);
}

#[test]
fn documents_that_readscope_does_not_serve_are_refused() {
    for (targets, scale_events) in [("", ""), ("{}", "{}"), (TARGETS, "[]"), (r#"{"targets": [{}]}"#, SCALE_EVENTS)] {
        assert!(Documents::read(targets.as_bytes(), scale_events.as_bytes()).is_err(), "{targets}");
    }
}
