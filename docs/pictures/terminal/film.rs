//! Several screens one after the other, as an SVG that plays by itself: no script, only a strip of frames that CSS moves.

use std::{collections::HashMap, fmt::Write, time::Duration};

use crate::picture::{document, top, width};

/// Screens, each with its time.
#[derive(Debug, Default)]
pub(crate) struct Film {
    frames: Vec<(Duration, Vec<String>)>,
}

impl Film {
    /// Adds the rows of a screen, unless they equal the previous frame.
    pub(crate) fn take(&mut self, at: Duration, rows: Vec<String>) {
        if self.frames.last().is_none_or(|(_, before)| *before != rows) {
            self.frames.push((at, rows));
        }
    }

    /// The film, which restarts after `lasts`. Readers who prefer reduced motion see its last frame.
    pub(crate) fn svg(&self, size: (u16, u16), lasts: Duration) -> String {
        let step = width(size.0);
        let mut names: HashMap<&str, usize> = HashMap::new();
        let (mut defined, mut strip, mut moves) = (String::new(), String::new(), String::new());
        let mut x = 0.0;
        for (at, rows) in &self.frames {
            write!(strip, "<g transform=\"translate({x:.0} 0)\">").unwrap();
            for (index, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
                let next = names.len();
                // Most rows appear in many frames.
                let name = *names.entry(row).or_insert_with(|| {
                    write!(defined, "<g id=\"r{next}\">{row}</g>").unwrap();
                    next
                });
                write!(strip, "<use href=\"#r{name}\" y=\"{}\"/>", top(index)).unwrap();
            }
            strip.push_str("</g>");
            let part = 100.0 * at.as_secs_f64() / lasts.as_secs_f64();
            write!(moves, "{part:.2}%{{transform:translateX(-{x:.0}px)}}").unwrap();
            x += step;
        }
        let (seconds, last) = (lasts.as_secs_f64(), x - step);
        let style = format!(
            ".film{{animation:play {seconds:.1}s step-end infinite}}@keyframes play{{{moves}}}\
             @media (prefers-reduced-motion:reduce){{.film{{animation:none;transform:translateX(-{last:.0}px)}}}}"
        );
        document(size, &style, &format!("<defs>{defined}</defs><g class=\"film\">{strip}</g>"))
    }
}
