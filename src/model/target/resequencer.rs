//! The resequencer puts probes back into start order.
//!
//! The detector looks at every read. In order of arrival, slow reads come after faster reads that started later, and a
//! slow replica would look starved.

use std::collections::BTreeMap;

/// Releases items in the order of their sequence numbers 0, 1, 2, …
///
/// Every probe ends within its timeout, so the buffer never holds more than the probes of one timeout.
#[derive(Debug)]
pub(crate) struct Resequencer<T> {
    next: u64,
    waiting: BTreeMap<u64, T>,
}

impl<T> Default for Resequencer<T> {
    fn default() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }
}

impl<T> Resequencer<T> {
    /// Ignores numbers that are waiting or were released.
    pub(crate) fn insert(&mut self, sequence: u64, item: T) {
        if sequence >= self.next {
            self.waiting.entry(sequence).or_insert(item);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_leave_in_order() {
        let mut order = Resequencer::default();
        order.insert(1, 'b');
        assert_eq!(order.pop(), None);
        order.insert(0, 'a');
        order.insert(2, 'c');
        order.insert(1, 'x');
        assert_eq!(std::iter::from_fn(|| order.pop()).collect::<String>(), "abc");
    }
}
