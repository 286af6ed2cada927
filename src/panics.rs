//! Panics that end one piece of work and not the program. The MySQL driver panics on some bytes that a server may send,
//! such as an RSA key that is not one; to a probe, that server is one more that it cannot read from.

use std::{
    any::Any,
    cell::Cell,
    future::poll_fn,
    panic::{self, AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

thread_local! {
    /// Whether this thread is inside [`contain`].
    static CONTAINING: Cell<bool> = const { Cell::new(false) };
}

/// The message of a contained panic.
#[derive(Debug)]
pub(crate) struct Panicked(pub(crate) String);

/// Runs `future`; a panic inside it becomes an error.
pub(crate) async fn contain<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(move |context| {
        CONTAINING.set(true);
        // After a panic the future is only dropped.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        CONTAINING.set(false);
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(Panicked(message(&*panic)))),
        }
    })
    .await
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}

/// Whether the program goes on after a panic at this place.
pub(crate) fn are_contained() -> bool {
    CONTAINING.get()
}

/// Keeps contained panics off standard error: they are counted and logged as failed probes.
pub fn silence_contained() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !are_contained() {
            usual(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_other_futures_go_on() {
        let panicked: Result<(), _> = contain(async {
            tokio::task::yield_now().await;
            panic!("key {}", 7)
        })
        .await;
        assert_eq!(panicked.unwrap_err().0, "key 7");
        assert!(!CONTAINING.get());
        assert_eq!(contain(async { 7 }).await.unwrap(), 7);
    }
}
