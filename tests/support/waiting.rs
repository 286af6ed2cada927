//! Waiting for a condition, never for ever.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer, and panics when there is none within the bound.
pub(crate) fn wait_for<T>(what: &str, bound: Duration, mut answer: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(start.elapsed() < bound, "waited {bound:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// As [`wait_for`], for a condition.
pub(crate) fn wait_until(what: &str, bound: Duration, mut holds: impl FnMut() -> bool) {
    wait_for(what, bound, || holds().then_some(()));
}
