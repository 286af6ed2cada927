//! Text on a terminal: escaped, cut and wrapped by the columns that it takes. Every function here escapes its text.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const CHARS_MAX: usize = 1000;

/// Limits the length. Characters without a width (control, escape, combining, bidirectional) become their codes.
pub(in crate::view) fn escaped(text: &str) -> Cow<'_, str> {
    let has_width = |c: char| c.width().is_some_and(|width| width > 0);
    if text.len() <= CHARS_MAX && text.chars().all(has_width) {
        return text.into();
    }
    let mut escaped = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == CHARS_MAX {
            escaped.push('…');
            break;
        }
        if has_width(c) {
            escaped.push(c);
        } else {
            escaped.extend(c.escape_default());
        }
    }
    escaped.into()
}

pub(in crate::view) fn columns(text: &str) -> usize {
    escaped(text).width()
}

pub(super) fn fit(text: &str, width: usize) -> String {
    let mut fitted = cut(text, width);
    fitted.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(&fitted))));
    fitted
}

pub(super) fn cut(text: &str, width: usize) -> String {
    let text = escaped(text);
    if text.width() <= width {
        return text.into_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        // One column is reserved for the ellipsis.
        if used >= width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// Wraps the text to rows of at most `width` columns, between words if possible. Returns at least one row.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (text, width) = (escaped(text), width.max(2));
    let mut rows = Vec::new();
    let mut row = String::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word = word;
        if !row.is_empty() && columns(&row) + 1 + columns(word) > width {
            rows.push(std::mem::take(&mut row));
        }
        if !row.is_empty() {
            row.push(' ');
        }
        while columns(word) > width {
            let (head, rest) = word.split_at(fitting(word, width));
            rows.push(head.to_owned());
            word = rest;
        }
        row.push_str(word);
    }
    rows.push(row);
    rows
}

/// As [`wrapped`], with an ellipsis where the text takes more than so many rows.
pub(super) fn within(text: &str, width: usize, rows_max: usize) -> Vec<String> {
    let mut rows = wrapped(text, width);
    if rows.len() > rows_max {
        let rest = rows.drain(rows_max.saturating_sub(1)..).collect::<Vec<_>>().join(" ");
        rows.push(cut(&rest, width));
    }
    rows
}

/// How many bytes of a word fit: at least one character.
fn fitting(word: &str, width: usize) -> usize {
    let mut used = 0;
    for (at, c) in word.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width && at > 0 {
            return at;
        }
    }
    word.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_their_codes() {
        let hostile = "\u{1b}]0;title\u{7}a\u{1b}[2J\r\nb\u{202e}c\u{9b}31m\u{200b}e\u{301}";
        let shown = r"\u{1b}]0;title\u{7}a\u{1b}[2J\r\nb\u{202e}c\u{9b}31m\u{200b}e\u{301}";
        assert_eq!(escaped(hostile), shown);
        assert_eq!(cut(hostile, 1000), shown);
        assert_eq!(wrapped(hostile, 1000), [shown]);
        let endless = "\u{1b}".repeat(1 << 20);
        assert_eq!(escaped(&endless).len(), CHARS_MAX * r"\u{1b}".len() + "…".len());
    }

    #[test]
    fn text_is_cut_and_padded_by_columns() {
        assert_eq!((fit("abc", 5), fit("abcdef", 4), fit("abc", 0)), ("abc  ".into(), "abc…".into(), String::new()));
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(fit("日本語", 6), "日本語");
    }

    #[test]
    fn rows_break_between_words_and_within_long_words() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a bcdefghij k", 4), ["a", "bcde", "fghi", "j k"]);
        assert_eq!(wrapped("日本語", 1), ["日", "本", "語"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(within("one two three", 7, 2), ["one two", "three"]);
        assert_eq!(within("one two three four", 7, 2), ["one two", "three …"]);
    }
}
