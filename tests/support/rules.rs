//! The alert rules of `deploy/`, accelerated: all their times are divided by a factor.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

/// The texts before a time.
const BEFORE: [&str; 6] =
    ["for: ", "[", "offset ", "_seconds > ", "_seconds < ", "_seconds{job=~\".+\",namespace=~\".*\"} > "];

/// Windows are not shorter: a scrape may be late.
const WINDOW_MIN: u64 = 20;

/// No alert waits longer.
const FOR_MAX: u64 = 60;

pub(crate) struct Rules {
    text: String,
}

impl Rules {
    /// With all times divided by this factor.
    pub(crate) fn quicker_by(divisor: u64) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alerts/readscope.rules.yaml");
        let shipped = fs::read_to_string(path).expect("the rules are there");
        let text = BEFORE.iter().fold(shipped, |text, before| divided(&text, before, divisor));
        let text = text.replace("interval: 15s", "interval: 1s").replace("interval: 3m", "interval: 2s");
        Self { text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The names of all alerts.
    pub(crate) fn alerts(&self) -> BTreeSet<String> {
        let rules: Value = serde_saphyr::from_str(&self.text).expect("the rules are YAML");
        let groups = rules["groups"].as_array().into_iter().flatten();
        let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
        rules.filter_map(|rule| Some(rule["alert"].as_str()?.to_owned())).collect()
    }
}

/// Divides all times after these characters.
fn divided(text: &str, before: &str, divisor: u64) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = part.split_at(digits);
        let Ok(number) = number.parse::<u64>() else { return done + before + part };
        let (unit, rest) = match rest.chars().next() {
            Some('s') => (1, &rest[1..]),
            Some('m') => (60, &rest[1..]),
            Some('h') => (3600, &rest[1..]),
            Some('d') => (86_400, &rest[1..]),
            _ => (1, rest),
        };
        let with_unit = if part.len() - digits == rest.len() { "" } else { "s" };
        let seconds = number * unit;
        assert!(seconds % divisor == 0, "{number} after {before:?} cannot be divided by {divisor}");
        let seconds = match before {
            "[" => (seconds / divisor).max(WINDOW_MIN),
            "for: " => (seconds / divisor).min(FOR_MAX),
            _ => seconds / divisor,
        };
        format!("{done}{before}{seconds}{with_unit}{rest}")
    })
}
