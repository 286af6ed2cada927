//! Limits a panic to one probe: the MySQL driver panics on some bytes from a server, such as an invalid RSA key.

use std::{
    any::Any,
    cell::Cell,
    future::poll_fn,
    panic::{self, AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

thread_local! {
    static CONTAINING: Cell<bool> = const { Cell::new(false) };
}

#[derive(Debug)]
pub(crate) struct Panicked(pub(crate) String);

pub(crate) async fn contain<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(move |context| {
        CONTAINING.set(true);
        // Unwind safe: after a panic the future is only dropped.
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
    async fn a_panic_becomes_an_error_and_other_futures_work() {
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
