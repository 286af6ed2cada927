//! Screens of several sizes.

use ratatui::{Terminal, backend::TestBackend, buffer::Buffer, style::Color};

use super::*;
use crate::api::{Documents, Endpoint, Routing, TargetSummary};

const TARGETS: &str = include_str!("../../../tests/fixtures/terminal/targets.json");
const SCALE_EVENTS: &str = include_str!("../../../tests/fixtures/terminal/scale-events.json");

fn documents() -> Documents {
    read(TARGETS, SCALE_EVENTS).unwrap()
}

fn read(targets: &str, scale_events: &str) -> serde_json::Result<Documents> {
    Ok(Documents { targets: serde_json::from_str(targets)?, scale_events: serde_json::from_str(scale_events)? })
}

fn content(documents: &Documents) -> Content<'_> {
    Content::of_documents(documents, 0)
}

fn drawn(content: &Content<'_>, look: &Look, (width, height): (u16, u16), colour: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let log = ["a line of the log".to_owned()];
    let now = "2026-11-23T00:00:30Z".parse().unwrap();
    let screen = Screen { content, look, now, stale: None, page: Some("http://127.0.0.1:1/"), log: &log, colour };
    terminal.draw(|frame| draw(frame, &screen)).unwrap();
    terminal.backend().buffer().clone()
}

fn rows(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width).map(|cells| cells.iter().map(ratatui::buffer::Cell::symbol).collect());
    rows.map(|row: String| row.trim_end().to_owned()).collect()
}

fn shown(content: &Content<'_>, look: &Look, size: (u16, u16)) -> String {
    rows(&drawn(content, look, size, true)).join("\n")
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
fn every_panel_is_visible_at_80_by_24() {
    let text = shown(&content(&documents()), &Look::at(1), (80, 24));
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
    assert!(!text.contains("! Unbalanced"), "the notices do not repeat the verdict\n{text}");
}

/// Expected share, pod probe and routing of every replica, on the smallest screen that shows every part.
#[test]
fn shares_pod_probes_and_routing_are_visible_at_80_by_24() {
    let mut documents = documents();
    let target = &mut documents.targets.targets[0];
    for (name, reads) in [("mysql-0", 8), ("a-replica-with-a-very-long-name", 123_456_789)] {
        target.replicas[0].replica = name.into();
        target.replicas[0].reads = reads;
        target.replicas[0].pod_probe_up = Some(false);
        let endpoints = target.replicas.iter().take(3).map(|replica| Endpoint {
            replica: replica.replica.clone(),
            addresses: Vec::new(),
            serving: true,
            routed: true,
            standing: "routed".into(),
        });
        target.routing = Some(Routing { why: "".into(), affinity_seconds: None, endpoints: endpoints.collect() });
        let rows = rows(&drawn(
            &Content { target: Some(target.clone()), ..content(&read(TARGETS, SCALE_EVENTS).unwrap()) },
            &Look::at(1),
            (80, 24),
            true,
        ));
        let from = rows.iter().position(|row| row.starts_with("replica ")).unwrap();
        assert!(
            rows[from].contains("█ share ┃ expected ─ interval ") && rows[from].ends_with("serves  routed"),
            "{}",
            rows[from]
        );
        let ends: Vec<_> = rows[from + 1..from + 5]
            .iter()
            .map(|row| row.split_whitespace().rev().take(2).collect::<Vec<_>>())
            .collect();
        assert_eq!(ends, [["yes", "no"], ["yes", "yes"], ["yes", "yes"], ["no", "no"]], "{rows:#?}");
        assert_has(&rows[from + 1], &["█", "┃", "25.0%"]);
    }
}

#[test]
fn a_larger_screen_shows_more() {
    let small = shown(&content(&documents()), &Look::at(1), (80, 24));
    let large = shown(&content(&documents()), &Look::at(1), (120, 40));
    assert!(!small.contains("pvc-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"), "{small}");
    assert_has(
        &large,
        &["http://127.0.0.1:1/  00:00:30 UTC", "20.0 s  mysql/mysql", "mysql-3: replica requested", "Pending"],
    );
    assert_eq!(large.matches("00:00:2").count(), 8, "every read of the tape\n{large}");
}

#[test]
fn a_tiny_screen_shows_the_verdict() {
    let text = shown(&content(&documents()), &Look::at(1), (20, 5));
    assert_has(&text, &["▲ Unbalanced:", "mysql-2 gets none", "q quit"]);
    let text = shown(&content(&documents()), &Look::at(1), (40, 12));
    assert_has(&text, &["▲ Unbalanced: mysql-2 gets none", "mysql-0", "33.4%", "q quit"]);
}

#[test]
fn every_pane_is_drawn_at_every_size() {
    let documents = documents();
    let contents = [Content::default(), content(&documents), Content::of_documents(&documents, 7)];
    let sizes = (1..=40).map(|width| (width, 3)).chain((1..=40).map(|height| (30, height))).chain([(1, 1), (500, 200)]);
    for size in sizes {
        for pane in [Pane::Overview, Pane::Target, Pane::Scaling, Pane::Details, Pane::Log] {
            for content in &contents {
                shown(content, &in_pane(pane), size);
                shown(content, &Look { help: true, scroll: usize::MAX, ..in_pane(pane) }, size);
            }
        }
    }
}

#[test]
fn the_screen_says_that_it_waits_for_data() {
    assert_has(&shown(&Content::default(), &Look::at(0), (80, 24)), &["Waiting for data.", "q quit"]);
}

#[test]
fn several_targets_are_listed_with_their_verdicts() {
    let documents = documents();
    let content = Content::of_documents(&documents, 1);
    let look = Look { place: 1, ..Look::at(2) };
    let text = shown(&content, &look, (80, 24));
    assert_has(&text, &["targets", "▲ mysql/mysql-read", "● shop", "Balanced: 2 of", "Enter open", "←→ target"]);
    let text = shown(&content, &Look { pane: Pane::Target, ..look }, (80, 24));
    assert_has(&text, &["shop (2 of 2)", "● Balanced: 2 of 2 replicas answer"]);
}

#[test]
fn the_selected_target_is_visible_in_a_long_list() {
    let documents = documents();
    let one = content(&documents).targets[0].clone();
    let named = |number: usize| TargetSummary { target: format!("target-{number}").into(), ..one.clone() };
    let content = Content { targets: (0..1000).map(named).collect(), ..Content::default() };
    let text = shown(&content, &Look { place: 700, ..Look::at(1000) }, (80, 24));
    assert_has(&text, &["target-700 "]);
}

#[test]
fn every_pane_has_its_content() {
    let documents = documents();
    let content = content(&documents);
    let scaling = shown(&content, &in_pane(Pane::Scaling), (100, 40));
    assert_has(&scaling, &["scaled from 2 to 3 replicas in 12.0 s", "mysql-2: first read", "PVC reused"]);
    let details = shown(&content, &in_pane(Pane::Details), (100, 40));
    assert_has(
        &details,
        &["mysql-0  primary  server_id 100  version 9.7.0", "it is one of 4 endpoints", "refused: cannot"],
    );
    assert_has(&shown(&content, &in_pane(Pane::Log), (80, 24)), &["a line of the log"]);
    assert_has(&shown(&content, &Look { help: true, ..Look::default() }, (80, 24)), &["Shift-Tab", "pause"]);
}

#[test]
fn control_characters_from_servers_are_escaped() {
    let hostile =
        "\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\r\\n\\u202e<b>日本語\\u0000".to_owned() + &"x".repeat(2000);
    let targets =
        TARGETS.replace("mysql-3", &hostile).replace("9.7.0", &hostile).replace("Connection refused", &hostile);
    let documents = read(&targets, &SCALE_EVENTS.replace("mysql-3", &hostile)).unwrap();
    for size in [(80, 24), (120, 40), (20, 5)] {
        for pane in [Pane::Overview, Pane::Target, Pane::Scaling, Pane::Details] {
            let text = shown(&content(&documents), &in_pane(pane), size);
            assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
            assert!(!text.contains('\u{202e}'), "{text:?}");
        }
    }
    let text = shown(&content(&documents), &Look::at(1), (80, 24));
    assert_has(&text, &[r"\u{1b}]0;owned", "▲ Unbalanced", "data-mysql-0"]);
}

/// Puts `prefix` before every text but times, addresses and the words that the terminal compares.
fn prefix_texts(value: &mut serde_json::Value, prefix: &str) {
    match value {
        serde_json::Value::String(text) => {
            let is_time = text.parse::<Timestamp>().is_ok();
            if !is_time && text.parse::<std::net::SocketAddr>().is_err() {
                text.insert_str(0, prefix);
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| prefix_texts(item, prefix)),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(|field| prefix_texts(field, prefix)),
        _ => {}
    }
}

#[test]
fn no_text_of_any_document_reaches_the_terminal_unescaped() {
    let prefixed = |json: &str| {
        let mut value = serde_json::from_str(json).unwrap();
        prefix_texts(&mut value, "\u{1b}[2J\u{202e}\u{200b}");
        value.to_string()
    };
    let documents = read(&prefixed(TARGETS), &prefixed(SCALE_EVENTS)).unwrap();
    for pane in [Pane::Overview, Pane::Target, Pane::Scaling, Pane::Details] {
        let text = shown(&content(&documents), &in_pane(pane), (500, 200));
        assert!(text.contains(r"\u{1b}[2J\u{202e}\u{200b}"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{text:?}");
    }
}

#[test]
fn without_colour_the_signs_stay() {
    let documents = documents();
    let content = content(&documents);
    let has_colour =
        |buffer: &Buffer| buffer.content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
    assert!(has_colour(&drawn(&content, &Look::at(1), (80, 24), true)));
    let plain = drawn(&content, &Look::at(1), (80, 24), false);
    assert!(!has_colour(&plain));
    assert_has(&rows(&plain).join("\n"), &["▲ Unbalanced"]);
}

#[test]
fn other_documents_are_refused() {
    for (targets, scale_events) in [("", ""), ("{}", "{}"), (TARGETS, "[]"), (r#"{"targets": [{}]}"#, SCALE_EVENTS)] {
        assert!(read(targets, scale_events).is_err(), "{targets}");
    }
}

#[test]
fn a_wide_screen_shows_the_shares_of_the_clients() {
    let mut documents = documents();
    let clients = crate::api::ReplicaClients {
        connections: 9,
        connection_share: Some(0.345),
        reads_per_second: Some(80.0),
        read_share: Some(0.512),
    };
    documents.targets.targets[0].replicas[1].clients = Some(clients);
    let row = |width| {
        let text = shown(&content(&documents), &Look::at(1), (width, 40));
        let row = text.lines().find(|line| line.contains("mysql-1 ")).unwrap_or_default().to_owned();
        (text.contains("client conn. client reads"), row)
    };
    let (has_heading, line) = row(120);
    assert!(has_heading && line.contains("34.5%        51.2%"), "{line}");
    assert!(!row(90).0);
}
