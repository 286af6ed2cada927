//! Prometheus' text format, 0.0.4, written straight from the values: of a thousand targets there are more than a hundred
//! thousand series, and objects for each of them would take longer to make than the text, and many times its memory.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>

use std::fmt::Write as _;

use super::Definition;
use crate::model;

/// The length of a piece, in bytes, and how much longer one usually becomes by its last series.
const PIECE_BYTES: usize = 64 * 1024;
const MORE_BYTES: usize = 4 * 1024;

/// Families, one after the other, in pieces: in one there would have to be room for twice as much as there is.
pub(super) struct Text<'a> {
    piece: String,
    done: &'a mut dyn FnMut(String),
}

/// The series of one metric. Without any, nothing is written of it.
pub(super) struct Family<'a, 'b> {
    of: &'a mut Text<'b>,
    definition: Definition,
    begun: bool,
    /// The bounds of its histograms, all of which have the same, as text.
    bounds: Vec<String>,
}

/// What a series has at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Count(u64),
    Number(f64),
}

impl<'b> Text<'b> {
    /// Hands each piece to `done`.
    pub(super) fn new(done: &'b mut dyn FnMut(String)) -> Self {
        Self { piece: String::new(), done }
    }

    pub(super) fn family(&mut self, definition: Definition) -> Family<'_, 'b> {
        Family { of: self, definition, begun: false, bounds: Vec::new() }
    }

    /// Hands over the last piece.
    pub(super) fn finish(self) {
        (self.done)(self.piece);
    }

    fn next_piece(&mut self) {
        if self.piece.len() >= PIECE_BYTES {
            (self.done)(std::mem::replace(&mut self.piece, String::with_capacity(PIECE_BYTES + MORE_BYTES)));
        }
    }
}

impl Family<'_, '_> {
    /// Writes a series with these values of the definition's labels.
    pub(super) fn series(&mut self, labels: &[&str], value: impl Into<Value>) {
        self.begin();
        self.of.piece.push_str(self.definition.name);
        if !labels.is_empty() {
            self.of.piece.push('{');
            self.labels(labels);
            self.of.piece.push('}');
        }
        self.value(value.into());
        self.of.next_piece();
    }

    /// Writes the series of a histogram with these values of the definition's labels.
    pub(super) fn histogram(&mut self, labels: &[&str], recorded: &model::Histogram) {
        self.begin();
        let name = self.definition.name;
        let from = self.of.piece.len();
        self.labels(labels);
        let labels = self.of.piece.split_off(from);
        let mut bounds = std::mem::take(&mut self.bounds);
        if bounds.is_empty() {
            bounds.extend(recorded.cumulative().map(|(bound, _)| bound.to_string()).chain(["+Inf".to_owned()]));
        }
        let counts = recorded.cumulative().map(|(_, count)| count).chain([recorded.count()]);
        for (bound, count) in bounds.iter().zip(counts) {
            let comma = if labels.is_empty() { "" } else { "," };
            for part in [name, "_bucket{", &labels, comma, "le=\"", bound, "\"}"] {
                self.of.piece.push_str(part);
            }
            self.value(Value::Count(count));
        }
        self.bounds = bounds;
        for (suffix, value) in [("_sum", Value::Number(recorded.sum())), ("_count", Value::Count(recorded.count()))] {
            self.of.piece.push_str(name);
            self.of.piece.push_str(suffix);
            if !labels.is_empty() {
                for part in ["{", &labels, "}"] {
                    self.of.piece.push_str(part);
                }
            }
            self.value(value);
        }
        self.of.next_piece();
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            let Definition { name, kind, help, .. } = self.definition;
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            for part in ["# HELP ", name, " ", &help, "\n# TYPE ", name, " ", kind.name(), "\n"] {
                self.of.piece.push_str(part);
            }
        }
    }

    fn labels(&mut self, values: &[&str]) {
        debug_assert_eq!(values.len(), self.definition.labels.len(), "{}", self.definition.name);
        for (index, (name, value)) in self.definition.labels.iter().zip(values).enumerate() {
            if index > 0 {
                self.of.piece.push(',');
            }
            self.of.piece.push_str(name);
            self.of.piece.push_str("=\"");
            let mut rest = *value;
            // By bytes, which is several times as quick.
            while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
                let (plain, special) = rest.split_at(at);
                self.of.piece.push_str(plain);
                self.of.piece.push_str(match special.as_bytes()[0] {
                    b'\n' => "\\n",
                    b'"' => "\\\"",
                    _ => "\\\\",
                });
                rest = &special[1..];
            }
            self.of.piece.push_str(rest);
            self.of.piece.push('"');
        }
    }

    fn value(&mut self, value: Value) {
        self.of.piece.push(' ');
        match value {
            // Writing to a string cannot fail.
            Value::Count(count) => {
                let _ = write!(self.of.piece, "{count}");
            }
            Value::Number(number) => self.number(number),
        }
        self.of.piece.push('\n');
    }

    fn number(&mut self, number: f64) {
        if number.is_infinite() {
            self.of.piece.push_str(if number > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            let _ = write!(self.of.piece, "{number}");
        }
    }
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(holds: bool) -> Self {
        Self::Count(holds.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::view::metrics::{Kind, define};

    #[test]
    fn series_are_written_as_prometheus_reads_them() {
        let mut written = String::new();
        let mut done = |piece: String| written.push_str(&piece);
        let mut text = Text::new(&mut done);
        text.family(define("nothing", Kind::Gauge, &[], "Never there."));
        let mut family = text.family(define("some", Kind::Gauge, &["a", "b"], "Of \\ and\nlines."));
        family.series(&["x", "\"quoted\", \\ and\nbroken ä"], 0.25);
        family.series(&["", "y"], f64::NAN);
        family.series(&["", "z"], f64::NEG_INFINITY);
        text.family(define("plain_total", Kind::Counter, &[], "Alone.")).series(&[], u64::MAX);
        let expected = concat!(
            "# HELP some Of \\\\ and\\nlines.\n# TYPE some gauge\n",
            "some{a=\"x\",b=\"\\\"quoted\\\", \\\\ and\\nbroken ä\"} 0.25\n",
            "some{a=\"\",b=\"y\"} NaN\nsome{a=\"\",b=\"z\"} -Inf\n",
            "# HELP plain_total Alone.\n# TYPE plain_total counter\nplain_total 18446744073709551615\n",
        );
        text.finish();
        assert_eq!(written, expected);
    }

    #[test]
    fn pieces_are_the_whole_text_and_none_is_long() {
        let mut pieces = Vec::new();
        let mut done = |piece: String| pieces.push(piece);
        let mut text = Text::new(&mut done);
        let mut family = text.family(define("some", Kind::Gauge, &["number"], "Many."));
        for number in 0..10_000_u64 {
            family.series(&[&number.to_string()], number);
        }
        text.finish();
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() < PIECE_BYTES + MORE_BYTES));
        let lines: Vec<String> = pieces.concat().lines().skip(2).map(str::to_owned).collect();
        assert_eq!((lines.len(), &*lines[9_999]), (10_000, "some{number=\"9999\"} 9999"));
    }

    #[test]
    fn histograms_end_with_what_is_above_every_bound() {
        let mut recorded = model::Histogram::new(&[0.5, 1.0]);
        for milliseconds in [250, 750, 5000] {
            recorded.record(Duration::from_millis(milliseconds));
        }
        let mut written = String::new();
        let mut done = |piece: String| written.push_str(&piece);
        let mut text = Text::new(&mut done);
        text.family(define("a", Kind::Histogram, &["x"], "A.")).histogram(&["y"], &recorded);
        text.family(define("b", Kind::Histogram, &[], "B.")).histogram(&[], &recorded);
        let expected = concat!(
            "# HELP a A.\n# TYPE a histogram\na_bucket{x=\"y\",le=\"0.5\"} 1\na_bucket{x=\"y\",le=\"1\"} 2\n",
            "a_bucket{x=\"y\",le=\"+Inf\"} 3\na_sum{x=\"y\"} 6\na_count{x=\"y\"} 3\n",
            "# HELP b B.\n# TYPE b histogram\nb_bucket{le=\"0.5\"} 1\nb_bucket{le=\"1\"} 2\n",
            "b_bucket{le=\"+Inf\"} 3\nb_sum 6\nb_count 3\n",
        );
        text.finish();
        assert_eq!(written, expected);
    }
}
