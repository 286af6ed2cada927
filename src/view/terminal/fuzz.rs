//! Documents of another exporter with random changes are refused or drawn.

use proptest::{prelude::*, sample::Index};
use ratatui::{Terminal, backend::TestBackend};
use serde_json::{Value, json};

use super::*;
use crate::api::Documents;

const TARGETS: &str = include_str!("../../../tests/fixtures/terminal/targets.json");
const SCALE_EVENTS: &str = include_str!("../../../tests/fixtures/terminal/scale-events.json");

fn odd(kind: usize) -> Value {
    let kinds = [
        Value::Null,
        json!(-1),
        json!(1e308),
        json!(-1e308),
        json!(u64::MAX),
        json!(""),
        json!("x".repeat(500)),
        json!("\u{1b}[2J"),
        json!("-009999-01-02T01:59:59Z"),
        json!("9999-12-30T22:00:00Z"),
        json!([]),
        json!({}),
        json!(true),
    ];
    kinds[kind % kinds.len()].clone()
}

/// Replaces the value at this place, in the order of the text.
fn replace(value: &mut Value, place: &mut usize, by: &Value) {
    if *place == 0 {
        *value = by.clone();
        *place = usize::MAX;
        return;
    }
    *place -= 1;
    let parts: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        _ => Vec::new(),
    };
    for part in parts {
        if *place == usize::MAX {
            return;
        }
        replace(part, place, by);
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

fn changed(text: &str, changes: &[(Index, usize)]) -> Value {
    let mut value = serde_json::from_str(text).unwrap();
    for (place, kind) in changes {
        let mut place = place.index(count(&value));
        replace(&mut value, &mut place, &odd(*kind));
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn changed_documents_are_refused_or_drawn(
        changes in proptest::collection::vec((any::<Index>(), 0..13_usize), 1..5),
        (width, height) in (1..200_u16, 1..60_u16),
    ) {
        let targets = serde_json::from_value(changed(TARGETS, &changes));
        let scale_events = serde_json::from_value(changed(SCALE_EVENTS, &changes));
        let usual: Documents = Documents {
            targets: serde_json::from_str(TARGETS).unwrap(),
            scale_events: serde_json::from_str(SCALE_EVENTS).unwrap(),
        };
        let documents = Documents {
            targets: targets.unwrap_or(usual.targets),
            scale_events: scale_events.unwrap_or(usual.scale_events),
        };
        let content = Content::of_documents(&documents, 0);
        let now = "2026-11-23T00:00:30Z".parse().unwrap();
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        for pane in [Pane::Overview, Pane::Target, Pane::Scaling, Pane::Details] {
            let look = Look { pane, ..Look::default() };
            let screen = Screen { content: &content, look: &look, now, stale: None, page: None, log: &[], colour: true };
            terminal.draw(|frame| draw(frame, &screen)).unwrap();
            let cells = &terminal.backend().buffer().content;
            let is_clean = cells.iter().all(|cell| !cell.symbol().contains('\u{1b}'));
            prop_assert!(is_clean);
        }
    }
}
