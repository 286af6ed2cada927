//! GTID sets, as in MySQL's `gtid_executed`: source server, tag and numbers of transactions.
//!
//! Every read brings a set, so a set is two flat vectors, and parsing the sorted text of a server needs no third one. A
//! text equal to the previous one need not be parsed; on an idle server that is the rule.

/// The highest transaction number, 2^63 - 2; the lowest is 1.
pub(super) const GTID_NUMBER_MAX: u64 = (1 << 63) - 2;

pub(super) const TAG_CHARS_MAX: usize = 32;

/// Equal sets compare equal whatever the order of their texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidSet {
    /// Ascending by key, each key once, none without intervals.
    sources: Vec<Source>,
    /// Grouped by source; ascending within a source, with a gap between any two.
    intervals: Vec<Interval>,
}

/// Each (server, tag) pair numbers its own transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceKey {
    pub(super) uuid: [u8; 16],
    /// Lower case, zero-padded, which sorts as the server does; all zeros: untagged.
    pub(super) tag: [u8; TAG_CHARS_MAX],
}

/// `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Interval {
    pub(super) first: u64,
    pub(super) last: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    key: SourceKey,
    /// End index of its intervals; they begin where those of the previous source end.
    end: usize,
}

impl GtidSet {
    /// True for equal sets.
    pub fn contains(&self, other: &Self) -> bool {
        let mut own = self.sources();
        other.sources().all(|(key, theirs)| {
            own.by_ref()
                .find(|(own_key, _)| *own_key >= key)
                .is_some_and(|(own_key, own)| own_key == key && covers(own, theirs))
        })
    }

    /// Approximate memory of the set in a history, in units of 16 bytes.
    pub(super) fn size(&self) -> usize {
        self.intervals.len() + 4 * self.sources.len() + 8
    }

    pub(super) fn with_capacity(sources: usize, intervals: usize) -> Self {
        Self { sources: Vec::with_capacity(sources), intervals: Vec::with_capacity(intervals) }
    }

    /// Adds nothing and returns false if the interval comes before one in the set.
    pub(super) fn append(&mut self, key: &SourceKey, interval: Interval) -> bool {
        match self.sources.last_mut() {
            Some(source) if source.key > *key => false,
            Some(source) if source.key == *key => {
                match self.intervals.last_mut() {
                    Some(last) if interval.first < last.first => return false,
                    Some(last) if interval.first <= last.last + 1 => last.last = last.last.max(interval.last),
                    _ => {
                        self.intervals.push(interval);
                        source.end += 1;
                    }
                }
                true
            }
            _ => {
                self.intervals.push(interval);
                self.sources.push(Source { key: *key, end: self.intervals.len() });
                true
            }
        }
    }

    pub(super) fn from_pieces(mut pieces: Vec<(SourceKey, Interval)>) -> Self {
        // Stable, because that sort is quick with sorted runs.
        pieces.sort();
        let mut set = Self::default();
        for (key, interval) in &pieces {
            set.append(key, *interval);
        }
        set.sources.shrink_to_fit();
        set.intervals.shrink_to_fit();
        set
    }

    fn sources(&self) -> impl Iterator<Item = (&SourceKey, &[Interval])> {
        let starts = std::iter::once(0).chain(self.sources.iter().map(|source| source.end));
        self.sources.iter().zip(starts).map(|(source, start)| (&source.key, &self.intervals[start..source.end]))
    }
}

/// An interval of `theirs` cannot span two of `own`, since there is a gap between them.
fn covers(own: &[Interval], theirs: &[Interval]) -> bool {
    let mut own = own.iter().peekable();
    theirs.iter().all(|their| {
        while own.next_if(|interval| interval.last < their.first).is_some() {}
        own.peek().is_some_and(|interval| interval.first <= their.first && their.last <= interval.last)
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fmt};

    use proptest::prelude::*;

    use super::*;

    const A: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    const B: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    impl GtidSet {
        fn is_empty(&self) -> bool {
            self.intervals.is_empty()
        }

        fn union(&self, other: &Self) -> Self {
            Self::from_pieces(self.pieces().chain(other.pieces()).collect())
        }

        fn transactions(&self) -> u128 {
            self.intervals.iter().map(|interval| u128::from(interval.last - interval.first) + 1).sum()
        }

        fn pieces(&self) -> impl Iterator<Item = (SourceKey, Interval)> {
            self.sources().flat_map(|(key, intervals)| intervals.iter().map(|interval| (*key, *interval)))
        }
    }

    impl fmt::Display for GtidSet {
        /// As `@@gtid_executed`: lower case, sorted, one line per UUID.
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut uuid_before = None;
            for (key, intervals) in self.sources() {
                if uuid_before != Some(key.uuid) {
                    f.write_str(if uuid_before.is_some() { ",\n" } else { "" })?;
                    for (index, byte) in key.uuid.iter().enumerate() {
                        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
                        write!(f, "{dash}{byte:02x}")?;
                    }
                    uuid_before = Some(key.uuid);
                }
                if key.tag[0] != 0 {
                    f.write_str(":")?;
                    key.tag
                        .iter()
                        .take_while(|byte| **byte != 0)
                        .try_for_each(|byte| write!(f, "{}", char::from(*byte)))?;
                }
                for Interval { first, last } in intervals {
                    write!(f, ":{first}")?;
                    if last > first {
                        write!(f, "-{last}")?;
                    }
                }
            }
            Ok(())
        }
    }

    fn set(text: &str) -> GtidSet {
        text.replace("A:", &format!("{A}:")).replace("B:", &format!("{B}:")).parse().unwrap()
    }

    #[test]
    fn a_set_contains_its_parts_and_nothing_else() {
        let whole = set("A:1-10:20-30:tag:1-5,B:7");
        for part in ["", "A:1", "A:10", "A:20-30", "A:1-10:20", "A:tag:2-4", "B:7", "A:1-10:20-30:tag:1-5,B:7"] {
            assert!(whole.contains(&set(part)), "{part}");
        }
        for other in ["A:11", "A:9-11", "A:10-20", "A:1-30", "A:31", "A:tag:6", "A:other:1", "B:6-7", "B:tag:7"] {
            assert!(!whole.contains(&set(other)), "{other}");
        }
    }

    #[test]
    fn the_empty_set_is_in_every_set_and_contains_only_itself() {
        let empty = GtidSet::default();
        assert!(empty.is_empty() && empty.contains(&empty));
        assert!(!empty.contains(&set("A:1")));
        assert_eq!(empty.transactions(), 0);
        assert_eq!(empty.to_string(), "");
    }

    #[test]
    fn a_tag_counts_for_itself() {
        assert!(!set("A:1-9").contains(&set("A:tag:3")));
        assert!(!set("A:tag:1-9").contains(&set("A:3")));
    }

    #[test]
    fn a_union_joins_what_touches() {
        assert_eq!(set("A:1-3:7").union(&set("A:4-6,B:1:tag:2")), set("B:1:tag:2,A:1-7"));
    }

    #[test]
    fn the_largest_set_is_counted() {
        let largest = format!("A:1-{GTID_NUMBER_MAX}:t:1-{GTID_NUMBER_MAX}:u:1-{GTID_NUMBER_MAX}");
        assert_eq!(set(&largest).transactions(), 3 * u128::from(GTID_NUMBER_MAX));
    }

    type Naive = HashSet<(u8, u8, u64)>;

    fn key(server: u8, tag: u8) -> SourceKey {
        let mut key = SourceKey { uuid: [server; 16], tag: [0; TAG_CHARS_MAX] };
        key.tag[..usize::from(tag)].fill(b'a');
        key
    }

    prop_compose! {
        fn sets()(pieces in prop::collection::vec((0..3u8, 0..3u8, 1..30u64, 0..8u64), 0..12)) -> (GtidSet, Naive) {
            let naive = pieces.iter().flat_map(|&(server, tag, first, more)| {
                (first..=first + more).map(move |number| (server, tag, number))
            });
            let interval = |first, more| Interval { first, last: first + more };
            let flat = pieces.iter().map(|&(server, tag, first, more)| (key(server, tag), interval(first, more)));
            (GtidSet::from_pieces(flat.collect()), naive.collect())
        }
    }

    proptest! {
        #[test]
        fn a_set_equals_the_naive_set((a, naive_a) in sets(), (b, naive_b) in sets()) {
            prop_assert_eq!(a == b, naive_a == naive_b);
            prop_assert_eq!(a.contains(&b), naive_a.is_superset(&naive_b));
            prop_assert_eq!(a.is_empty(), naive_a.is_empty());
            prop_assert_eq!(a.transactions(), naive_a.len() as u128);
            let union = a.union(&b);
            prop_assert_eq!(union.transactions(), naive_a.union(&naive_b).count() as u128);
            prop_assert!(union.contains(&a) && union.contains(&b));
            prop_assert_eq!(&union, &b.union(&a));
            prop_assert_eq!(union == a, a.contains(&b));
        }

        #[test]
        fn containment_is_a_partial_order((a, _) in sets(), (b, _) in sets(), (c, _) in sets()) {
            prop_assert!(a.contains(&a));
            prop_assert_eq!(a.contains(&b) && b.contains(&a), a == b);
            let (ab, abc) = (a.union(&b), a.union(&b).union(&c));
            prop_assert!(abc.contains(&ab) && ab.contains(&a) && abc.contains(&a));
            if a.contains(&b) && b.contains(&c) {
                prop_assert!(a.contains(&c));
            }
        }

        #[test]
        fn a_set_is_read_back_from_its_text((a, _) in sets()) {
            prop_assert_eq!(&a.to_string().parse::<GtidSet>().unwrap(), &a);
        }
    }
}
