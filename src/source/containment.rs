//! A panic inside a future becomes a value. The MySQL driver panics on some bytes that a server may send (a key that is
//! no key, a login plugin that was not built in); to a probe such a server is one more that cannot be sampled.

use std::{
    any::Any,
    cell::Cell,
    future::{Future, poll_fn},
    panic::{self, AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

thread_local! {
    /// Whether this thread is inside of a contained future just now.
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// What a contained future panicked with.
#[derive(Debug)]
pub(super) struct Panicked(Box<dyn Any + Send>);

/// Runs `future`, whose panics become the error. What it owns is dropped with it, so nothing half changed is left.
pub(super) async fn contain<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(move |context| {
        CONTAINED.set(true);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        CONTAINED.set(false);
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(Panicked(panic))),
        }
    })
    .await
}

/// Installs a panic hook that says nothing about contained panics: they are counted and told like other failures, once
/// a minute and not once a sample.
pub fn quieten_contained_panics() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !CONTAINED.get() {
            usual(info);
        }
    }));
}

impl Panicked {
    /// What the panic said.
    pub(super) fn message(&self) -> &str {
        let text = self.0.downcast_ref::<&str>().copied();
        text.or_else(|| self.0.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_next_future_is_not_affected() {
        let panicked = contain(async {
            tokio::task::yield_now().await;
            panic!("key {}", 7)
        })
        .await;
        let panicked: Result<(), _> = panicked;
        assert_eq!(panicked.unwrap_err().message(), "key 7");
        assert_eq!(contain(async { 7 }).await.unwrap(), 7);
    }
}
