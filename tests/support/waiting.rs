//! Waiting for a condition, with a time limit.

use std::time::{Duration, Instant};

/// Repeats `poll` until it returns a value; panics at the time limit.
pub(crate) fn wait_for<T>(what: &str, bound: Duration, mut poll: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(start.elapsed() < bound, "waited {bound:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`wait_for`], for a condition.
pub(crate) fn wait_until(what: &str, bound: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, bound, || holds().then_some(()));
}
