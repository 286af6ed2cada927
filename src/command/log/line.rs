//! One line per event, with the keys of Prometheus and its exporters: `ts`, `level`, `msg`, then the event's own.

use std::fmt::{self, Debug, Write};

use jiff::Timestamp;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::cli::LogFormat;

pub(super) struct Lines(pub(super) LogFormat);

/// Keys and values in the order of the line.
struct Fields {
    format: LogFormat,
    message: String,
    others: Vec<(&'static str, String)>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields { format: self.0, message: String::new(), others: Vec::new() };
        event.record(&mut fields);
        writeln!(to, "{}", fields.line(Timestamp::now(), *event.metadata().level()))
    }
}

impl Fields {
    fn line(self, now: Timestamp, level: Level) -> String {
        let level = level.as_str().to_ascii_lowercase();
        let first = [("ts", format!("{now:.3}")), ("level", level), ("msg", self.message)];
        let first = first.map(|(key, value)| (key, text(self.format, &value)));
        let all = first.into_iter().chain(self.others);
        match self.format {
            LogFormat::Logfmt => all.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" "),
            LogFormat::Json => {
                let all = all.map(|(key, value)| format!("\"{key}\":{value}"));
                format!("{{{}}}", all.collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            name => self.others.push((name, text(self.format, value))),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.push((field.name(), value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.others.push((field.name(), value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.others.push((field.name(), value.to_string()));
    }
}

/// In quotes, unless a logfmt value needs none. Characters that a terminal would obey are escaped, as in JSON.
fn text(format: LogFormat, value: &str) -> String {
    let is_plain = |c: char| !matches!(c, ' ' | '=' | '"' | '\\') && is_printable(c);
    if matches!(format, LogFormat::Logfmt) && !value.is_empty() && value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string does not fail.
                    let _ = write!(quoted, "\\u{unit:04x}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

/// As Rust's own escapes decide it, which also know invisible characters and those that change the direction.
fn is_printable(c: char) -> bool {
    matches!(c, '\'' | '"' | '\\') || c.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use LogFormat::{Json, Logfmt};

    use super::*;

    fn line(format: LogFormat, message: &str, others: &[(&'static str, &str)]) -> String {
        let others = others.iter().map(|(key, value)| (*key, text(format, value))).collect();
        let fields = Fields { format, message: message.to_owned(), others };
        fields.line("2026-01-31T23:59:59.1Z".parse().unwrap(), Level::WARN)
    }

    #[test]
    fn lines_have_the_keys_of_prometheus() {
        let fields = [("target", "shop/db-read"), ("error", "the server's \"name\"")];
        assert_eq!(
            line(Logfmt, "failed to probe", &fields),
            r#"ts=2026-01-31T23:59:59.100Z level=warn msg="failed to probe" target=shop/db-read error="the server's \"name\"""#
        );
        assert_eq!(
            line(Json, "failed to probe", &fields),
            concat!(
                r#"{"ts":"2026-01-31T23:59:59.100Z","level":"warn","msg":"failed to probe","#,
                r#""target":"shop/db-read","error":"the server's \"name\""}"#
            )
        );
    }

    #[test]
    fn values_are_quoted_where_a_reader_would_split_them() {
        for (value, written) in [
            ("", "\"\""),
            ("mysql-0", "mysql-0"),
            ("it's", "it's"),
            ("a=b", "\"a=b\""),
            (r"C:\x", r#""C:\\x""#),
            ("two\nlines\r\t", r#""two\nlines\r\t""#),
            ("grün", "grün"),
        ] {
            assert_eq!(text(Logfmt, value), written);
        }
    }

    #[test]
    fn characters_that_a_terminal_obeys_are_escaped() {
        for (value, written) in [
            ("\x1b[2J", r#""\u001b[2J""#),
            ("\u{9b}2J\0", r#""\u009b2J\u0000""#),
            ("\u{202e}evil", r#""\u202eevil""#),
            ("\u{e0001}", r#""\udb40\udc01""#),
        ] {
            for format in [Logfmt, Json] {
                assert_eq!(text(format, value), written);
                assert_eq!(serde_json::from_str::<String>(&text(format, value)).unwrap(), value);
            }
        }
    }
}
