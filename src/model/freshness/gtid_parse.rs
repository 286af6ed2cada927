//! Parses the text of a GTID set, `uuid:1-5:7:tag:1-3,uuid:9`, with the freedom of MySQL 8.3 and later: any order,
//! overlaps, upper and lower case, white space between parts, and parts without a transaction.
//!
//! The parser rejects text that no server writes and versions read differently: numbers with leading zeros (octal in
//! 8.x, decimal in 9.7), and UUIDs without dashes or in braces.

use std::str::FromStr;

use super::gtid::{GTID_NUMBER_MAX, GtidSet, Interval, SourceKey, TAG_CHARS_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a GTID set, such as 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")]
pub struct GtidSetError;

/// `position` is always at the start of a character, since the reader steps over ASCII only.
struct Reader<'a> {
    text: &'a str,
    position: usize,
}

impl FromStr for GtidSet {
    type Err = GtidSetError;

    /// The empty text is the empty set.
    ///
    /// # Errors
    /// On a character that cannot be part of a GTID set.
    fn from_str(text: &str) -> Result<Self, GtidSetError> {
        let count = |wanted| text.bytes().filter(|byte| *byte == wanted).count();
        // Exact for untagged sets; tags are rare.
        let (intervals, sources) = (count(b':'), count(b',') + 1);
        let mut set = Self::with_capacity(if intervals == 0 { 0 } else { sources.min(intervals) }, intervals);
        let mut sorted = true;
        Reader { text, position: 0 }
            .read(|key, interval| sorted = sorted && set.append(key, interval))
            .ok_or(GtidSetError)?;
        if sorted {
            return Ok(set);
        }
        let mut pieces = Vec::with_capacity(intervals);
        Reader { text, position: 0 }.read(|key, interval| pieces.push((*key, interval))).ok_or(GtidSetError)?;
        Ok(Self::from_pieces(pieces))
    }
}

impl Reader<'_> {
    /// Passes the intervals on in text order; `None` on invalid text.
    fn read(mut self, mut each: impl FnMut(&SourceKey, Interval)) -> Option<()> {
        loop {
            self.skip_space();
            while self.take(b',') {
                self.skip_space();
            }
            if self.peek().is_none() {
                return Some(());
            }
            let mut key = SourceKey { uuid: self.uuid()?, tag: [0; TAG_CHARS_MAX] };
            self.skip_space();
            while self.take(b':') {
                self.skip_space();
                match self.peek() {
                    Some(b'0'..=b'9') => {
                        let interval = self.interval()?;
                        // MySQL allows intervals that end before they begin; they are empty.
                        if interval.first <= interval.last {
                            each(&key, interval);
                        }
                    }
                    Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                        key.tag = self.tag()?;
                        self.skip_space();
                    }
                    _ => return None,
                }
            }
            if !matches!(self.peek(), None | Some(b',')) {
                return None;
            }
        }
    }

    fn uuid(&mut self) -> Option<[u8; 16]> {
        let mut uuid = [0; 16];
        for (index, byte) in uuid.iter_mut().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) && !self.take(b'-') {
                return None;
            }
            *byte = self.hex_digit()? << 4 | self.hex_digit()?;
        }
        Some(uuid)
    }

    fn hex_digit(&mut self) -> Option<u8> {
        let digit = match self.peek() {
            Some(byte @ b'0'..=b'9') => byte - b'0',
            Some(byte @ b'a'..=b'f') => byte - b'a' + 10,
            Some(byte @ b'A'..=b'F') => byte - b'A' + 10,
            _ => return None,
        };
        self.position += 1;
        Some(digit)
    }

    fn tag(&mut self) -> Option<[u8; TAG_CHARS_MAX]> {
        let mut tag = [0; TAG_CHARS_MAX];
        let start = self.position;
        while let Some(byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'0'..=b'9')) = self.peek() {
            *tag.get_mut(self.position - start)? = byte.to_ascii_lowercase();
            self.position += 1;
        }
        Some(tag)
    }

    fn interval(&mut self) -> Option<Interval> {
        let first = self.number().filter(|first| *first > 0)?;
        self.skip_space();
        let mut last = first;
        if self.take(b'-') {
            self.skip_space();
            if !matches!(self.peek(), Some(b'0'..=b'9')) {
                return None;
            }
            last = self.number()?;
            self.skip_space();
        }
        Some(Interval { first, last })
    }

    fn number(&mut self) -> Option<u64> {
        let start = self.position;
        let mut number = 0_u64;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            self.position += 1;
            // A saturated number stays above GTID_NUMBER_MAX.
            number = number.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
        }
        let leading_zero = self.text.as_bytes()[start] == b'0' && self.position > start + 1;
        if number > GTID_NUMBER_MAX || leading_zero {
            return None;
        }
        Some(number)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.position += usize::from(there);
        there
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c') = self.peek() {
            self.position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    const B: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    /// Each text as typed and as MySQL 9.7 writes it (`SELECT GTID_SUBTRACT(text, '')`), with A and B for the UUIDs.
    const READ: [(&str, &str); 32] = [
        ("", ""),
        (" \n", ""),
        (",", ""),
        (" , ,A:1, ,", "A:1"),
        ("A", ""),
        ("A,B:1", "B:1"),
        ("A:tag", ""),
        ("A:1:tag", "A:1"),
        ("A:5-3", ""),
        ("A:1-0", ""),
        ("A:1-5:7:11-18", "A:1-5:7:11-18"),
        ("A:7-7", "A:7"),
        ("A:11-18:7:1-5", "A:1-5:7:11-18"),
        ("A:1-3:4-6", "A:1-6"),
        ("A:1-9:3-4:5-12", "A:1-12"),
        ("A:5-6:1-9", "A:1-9"),
        ("A:1,A:2-3,A:7", "A:1-3:7"),
        ("A:1,B:1", "B:1,\nA:1"),
        ("B:1-3,\nA:2", "B:1-3,\nA:2"),
        ("A:tag:1-5:7", "A:tag:1-5:7"),
        ("A:1-3:tag_a:4-5", "A:1-3:tag_a:4-5"),
        ("A:tag_b:1:tag_a:2,A:3", "A:3:tag_a:2:tag_b:1"),
        ("A:tag:1:TAG:3:Tag:2", "A:tag:1-3"),
        ("A:b:1:a:1:_:1:a1:1:a_:1", "A:_:1:a:1:a1:1:a_:1:b:1"),
        ("A:a:1,B:a:1:b:2", "B:a:1:b:2,\nA:a:1"),
        ("A:abcdefghijklmnopqrstuvwxyz_01234:1", "A:abcdefghijklmnopqrstuvwxyz_01234:1"),
        ("A : 1 - 3 : 5", "A:1-3:5"),
        ("A: tag :\t1", "A:tag:1"),
        ("\tA:1\x0b\x0c\r", "A:1"),
        ("A:1-9223372036854775806", "A:1-9223372036854775806"),
        ("A:9223372036854775806:9223372036854775805", "A:9223372036854775805-9223372036854775806"),
        ("AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE:1", "A:1"),
    ];

    /// MySQL 9.7 rejects these too, except leading zeros and the two unusual forms of a UUID.
    const REFUSED: [&str; 31] = [
        "x",
        "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee",
        "aaaaaaaa-bbbbcccc-dddd-eeeeeeeeeeee:1",
        "aaaaaaaabbbbccccddddeeeeeeeeeeee:1",
        "{A}:1",
        "+A:1",
        "ANONYMOUS",
        "A:1,x",
        "A1:1",
        "A:1 2",
        "A:1\nA:2",
        "A:1;A:2",
        "A:1-3-5",
        "A:tag-a:1",
        "A:a b:1",
        "A:1tag:1",
        "A:0x10",
        "A:",
        "A:1:",
        "A::1",
        "A:tag:",
        "A:-1",
        "A:1-",
        "A:0",
        "A:010",
        "A:1-05",
        "A:9223372036854775807",
        "A:5-9223372036854775807",
        "A:18446744073709551617",
        "A:18446744073709551621",
        "A:abcdefghijklmnopqrstuvwxyz_012345:1",
    ];

    /// Replaces the letter at the start of a source with its UUID.
    fn in_full(text: &str) -> String {
        let mut full = String::new();
        let mut before = ',';
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            let starts = ",+{\n\t ".contains(before) && rest.peek().is_none_or(|next| ":, }1".contains(*next));
            match character {
                'A' if starts => full.push_str(A),
                'B' if starts => full.push_str(B),
                _ => full.push(character),
            }
            before = character;
        }
        full
    }

    #[test]
    fn every_form_that_the_server_reads_is_read_as_the_server_does() {
        for (text, canonical) in READ {
            let set: GtidSet = in_full(text).parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(set.to_string(), in_full(canonical), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in REFUSED {
            assert_eq!(in_full(text).parse::<GtidSet>(), Err(GtidSetError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = String::from_utf8_lossy(&bytes).parse::<GtidSet>();
        }

        #[test]
        fn near_sets_are_refused_or_survive_a_round_trip(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    A, B, ":", ":", ",", "-", "1", "2", "7", "0", "9223372036854775806", "t", "U_1", " ", "\n", "é",
                ]),
                0..24,
            ),
        ) {
            if let Ok(set) = parts.concat().parse::<GtidSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
        }

        #[test]
        fn order_case_and_white_space_change_nothing(
            numbers in prop::collection::vec((0..2_usize, 0..3_usize, 1..40_u64, 0..5_u64), 1..12),
            spaces in prop::collection::vec(prop::sample::select(vec!["", "", " ", "\n", "\t "]), 8),
            upper in any::<bool>(),
            seed in 0..12_usize,
        ) {
            let written = |numbers: &[(usize, usize, u64, u64)], space: &dyn Fn(usize) -> &'static str| {
                let source = |&(server, tag, first, more): &(usize, usize, u64, u64)| {
                    let (uuid, tag) = ([A, B][server], ["", "x_1:", "y:"][tag]);
                    let last = first + more;
                    let [a, b, c, d, e, f] = std::array::from_fn(space);
                    format!("{a}{uuid}{b}:{c}{tag}{d}{first}{e}-{f}{last}")
                };
                numbers.iter().map(source).collect::<Vec<_>>().join(",")
            };
            let plain: GtidSet = written(&numbers, &|_| "").parse().unwrap();
            let mut turned = numbers.clone();
            turned.rotate_left(seed % numbers.len());
            let odd = written(&turned, &|at| spaces[at]);
            let odd = if upper { odd.to_uppercase() } else { odd };
            prop_assert_eq!(odd.parse::<GtidSet>(), Ok(plain));
        }
    }
}
