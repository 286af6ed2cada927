//! The identity query, the same for every server, and its row.

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use mysql_async::{Error, Row, Value};

use crate::model::Identity;

/// Servers without the variables skip the version comments: MariaDB skips all of 5.7 and later.
macro_rules! query {
    ($read_only:literal) => {
        concat!(
            "SELECT @@server_id, @@hostname, ",
            $read_only,
            ", @@version, UTC_TIMESTAMP(6)/*!80000 , @@server_uuid, @@global.gtid_executed, @@global.gtid_mode */"
        )
    };
}

/// One round trip and one row; any account may run it. MySQL returns eight columns, MariaDB five.
///
/// A reader of Aurora has `read_only` off and `innodb_read_only` on.
pub(super) const QUERY: &str = query!("@@read_only/*!50700 OR @@innodb_read_only */");

/// For servers that report a version of MySQL and lack `innodb_read_only`.
pub(super) const PLAIN_QUERY: &str = query!("@@read_only");

/// Whether a server that refuses [`QUERY`] with this error may answer [`PLAIN_QUERY`].
pub(super) fn refuses_a_variable(error: &Error) -> bool {
    // ER_PARSE_ERROR, ER_UNKNOWN_SYSTEM_VARIABLE
    matches!(error, Error::Server(error) if matches!(error.code, 1064 | 1193))
}

/// No real name is longer. Longer ones are cut, since names become labels.
const NAME_CHARS_MAX: usize = 253;

/// A longer GTID set is omitted: a cut one would be a different set.
const GTID_BYTES_MAX: usize = 64 * 1024;

/// Replaces control characters and cuts the text to `chars`.
pub(super) fn sanitized(text: String, chars: usize) -> String {
    if text.len() <= chars && !text.chars().any(char::is_control) {
        return text;
    }
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut kept: String = text.chars().take(chars).map(clean).collect();
    if text.chars().nth(chars).is_some() {
        kept.push('…');
    }
    kept
}

/// The error names the invalid column.
pub(super) fn read(row: Row) -> Result<Identity, String> {
    identity(row.unwrap())
}

fn identity(values: Vec<Value>) -> Result<Identity, String> {
    let missing = |name: &str| format!("the server returned no {name}");
    let mut values = values.into_iter();
    let mut next = || values.next().and_then(text);
    let server_id = next().ok_or_else(|| missing("@@server_id"))?;
    // NULL where the server does not know its host.
    let host_name = next().unwrap_or_default();
    let read_only = next().ok_or_else(|| missing("@@read_only"))?;
    let version = next().ok_or_else(|| missing("@@version"))?;
    let (server_time, server_uuid, gtid_executed, gtid_mode) = (next(), next(), next(), next());
    Ok(Identity {
        server_id: server_id.parse().map_err(|_| {
            format!("the server returned an invalid @@server_id: {:?}", sanitized(server_id, NAME_CHARS_MAX))
        })?,
        server_uuid: server_uuid.filter(|uuid| is_own(uuid)).map(|uuid| sanitized(uuid, NAME_CHARS_MAX)),
        host_name: sanitized(host_name, NAME_CHARS_MAX),
        // MariaDB 12 returns an enumeration; all its values except OFF are read-only.
        read_only: !matches!(&*read_only, "0" | "OFF"),
        version: sanitized(version, NAME_CHARS_MAX),
        server_time: server_time.and_then(|time| utc(&time)),
        gtid_executed: gtid_executed.filter(|set| set.len() <= GTID_BYTES_MAX).and_then(|set| complete(set, gtid_mode)),
    })
}

/// Servers that have the variable only for show, such as `TiDB`, all return zeros.
fn is_own(uuid: &str) -> bool {
    uuid.chars().any(|c| !matches!(c, '0' | '-'))
}

/// The text protocol has only texts and NULL.
fn text(value: Value) -> Option<String> {
    let Value::Bytes(bytes) = value else { return None };
    Some(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// A GTID set is complete only if `gtid_mode` is `ON`. Otherwise it stands still or misses transactions.
fn complete(set: String, gtid_mode: Option<String>) -> Option<String> {
    gtid_mode.is_some_and(|mode| mode == "ON").then(|| one_line(set))
}

/// Servers add a line break after each source; a set has no other control characters.
fn one_line(set: String) -> String {
    if set.contains(char::is_control) { set.chars().filter(|c| !c.is_control()).collect() } else { set }
}

fn utc(text: &str) -> Option<Timestamp> {
    let time: DateTime = text.parse().ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_oneof, proptest};

    use super::*;

    #[test]
    fn the_security_page_has_the_statement() {
        assert!(include_str!("../../../SECURITY.md").contains(QUERY));
    }

    #[test]
    fn long_text_is_cut_and_control_characters_are_replaced() {
        assert_eq!(sanitized("mysql-0\n\u{1b}[31m".to_owned(), 9), "mysql-0\u{fffd}\u{fffd}…");
        assert_eq!(sanitized("ä".to_owned(), 1), "ä");
    }

    #[test]
    fn a_gtid_set_counts_only_with_gtid_mode_on() {
        let set = || "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5,\n4e11fa47-71ca-11e1-9e33-c80aa9429562:1".to_owned();
        for mode in [Some("OFF"), Some("OFF_PERMISSIVE"), Some("ON_PERMISSIVE"), None] {
            assert_eq!(complete(set(), mode.map(str::to_owned)), None);
        }
        assert_eq!(complete(set(), Some("ON".to_owned())), Some(set().replace('\n', "")));
        assert_eq!(complete(String::new(), Some("ON".to_owned())), Some(String::new()), "nothing executed yet");
    }

    #[test]
    fn a_uuid_of_zeros_is_none() {
        assert!(!is_own("00000000-0000-0000-0000-000000000000") && !is_own(""));
        assert!(is_own("00000000-0000-4000-8000-000000000000"));
    }

    #[test]
    fn server_time_is_utc_to_the_microsecond() {
        let time = utc("2026-11-22 20:00:01.250000").unwrap();
        assert_eq!(format!("{time:.3}"), "2026-11-22T20:00:01.250Z");
        assert_eq!(utc("0000-00-00 00:00:00"), None);
    }

    fn value() -> impl Strategy<Value = Value> {
        let bytes = proptest::collection::vec(any::<u8>(), 0..300);
        let texts = ["", "0", "1", "ON", "-1", "4294967296", "2026-11-22 20:00:01.250000", "9.7.0", "\u{1b}]0;x\u{7}"];
        prop_oneof![
            1 => Just(Value::NULL),
            1 => any::<i64>().prop_map(Value::Int),
            2 => bytes.prop_map(Value::Bytes),
            6 => (0..texts.len()).prop_map(move |at| Value::Bytes(texts[at].into())),
        ]
    }

    proptest! {
        #[test]
        fn any_row_is_an_identity_or_an_error(values in proptest::collection::vec(value(), 0..10)) {
            match identity(values) {
                Ok(identity) => {
                    let texts = [Some(identity.host_name), Some(identity.version), identity.server_uuid];
                    for text in texts.into_iter().flatten() {
                        prop_assert!(!text.chars().any(char::is_control) && text.chars().count() <= NAME_CHARS_MAX + 1);
                    }
                }
                Err(error) => {
                    let is_clean = !error.contains('\u{1b}');
                    prop_assert!(is_clean && error.starts_with("the server returned "), "{error:?}");
                },
            }
        }
    }
}
