//! The one table that is printed.

use std::fmt::Write as _;

use crate::cpu::Comparison;

/// What was measured and what it is compared with.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) compared_with: String,
    /// The first by the second.
    pub(crate) ratio: f64,
    /// How far the ratio goes up and down by itself, where it was measured more than once.
    pub(crate) quartiles: Option<(f64, f64)>,
    /// What the project wants of the ratio; empty where it wants nothing.
    pub(crate) wanted: &'static str,
}

const HEAD: [&str; 6] = ["what", "measured", "compared with", "ratio", "quartiles", "wanted"];

impl Row {
    pub(crate) fn single(what: &str, (measured, text): (f64, String), compared_with: (f64, String)) -> Self {
        Self {
            what: what.to_owned(),
            measured: text,
            compared_with: compared_with.1,
            ratio: measured / compared_with.0,
            quartiles: None,
            wanted: "",
        }
    }

    pub(crate) fn compared(what: &str, with: &str, comparison: &Comparison) -> Self {
        Self {
            what: what.to_owned(),
            measured: time(comparison.ours).1,
            compared_with: format!("{} ({with})", time(comparison.theirs).1),
            ratio: comparison.ratio,
            quartiles: Some(comparison.quartiles),
            wanted: "",
        }
    }

    pub(crate) fn wanted(mut self, wanted: &'static str) -> Self {
        self.wanted = wanted;
        self
    }

    fn cells(&self) -> [String; 6] {
        let quartiles = self.quartiles.map(|(low, high)| format!("{}-{}", ratio(low), ratio(high)));
        [
            self.what.clone(),
            self.measured.clone(),
            self.compared_with.clone(),
            ratio(self.ratio),
            quartiles.unwrap_or_default(),
            self.wanted.to_owned(),
        ]
    }
}

/// The rows under their head, every column as wide as its widest cell.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = HEAD.map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for cells in &lines {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            write!(line, "{cell:width$}  ").expect("a String takes what is written");
        }
        writeln!(text, "{}", line.trim_end()).expect("a String takes what is written");
    }
    text
}

/// Seconds, and how people read them.
pub(crate) fn time(seconds: f64) -> (f64, String) {
    let text = if seconds < 0.001 {
        format!("{:.1} us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    };
    (seconds, text)
}

/// Bytes, and how people read them.
#[expect(clippy::cast_precision_loss, reason = "no size comes near 2^52")]
pub(crate) fn size(bytes: usize) -> (f64, String) {
    let bytes = bytes as f64;
    (bytes, if bytes < 1e6 { format!("{:.1} kB", bytes / 1e3) } else { format!("{:.2} MB", bytes / 1e6) })
}

fn ratio(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.4}"),
        value if value < 10.0 => format!("{value:.2}"),
        value => format!("{value:.0}"),
    }
}
