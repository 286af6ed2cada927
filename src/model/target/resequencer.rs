//! Puts samples back into the order in which they started.
//!
//! A test that looks after every answer is only sound if slow answers are not seen later than fast ones that started
//! after them: looked at in the order of arrival, a slow replica would seem to be starved.

use std::collections::BTreeMap;

/// A buffer that releases items in the order of their sequence numbers 0, 1, 2, …
///
/// Every started sample ends within its timeout, so it never holds more than the samples of one timeout.
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
    /// Takes one item in; a number that was released already, or is waiting, is ignored.
    pub(crate) fn insert(&mut self, sequence: u64, item: T) {
        if sequence >= self.next {
            self.waiting.entry(sequence).or_insert(item);
        }
    }

    /// The next item in order, if it has come.
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
    fn items_leave_in_order_however_they_came() {
        let mut order = Resequencer::default();
        order.insert(1, 'b');
        assert_eq!(order.pop(), None);
        order.insert(0, 'a');
        order.insert(2, 'c');
        order.insert(1, 'x');
        assert_eq!(std::iter::from_fn(|| order.pop()).collect::<String>(), "abc");
    }
}
