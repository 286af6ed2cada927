//! Panics that end one piece of work and not the program. The MySQL driver panics on some bytes that a server may send,
//! such as an RSA key that is not one; to a probe, that server is one more that it cannot read from.

use std::{
    any::Any,
    cell::Cell,
    future::poll_fn,
    panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind},
    pin::pin,
    task::Poll,
};

/// The driver closes a connection that it failed to set up in a task of its own, and panics there after a failed TLS
/// handshake (`mysql_async` 0.37.1: `io/write_packet.rs`, "must be here"). The runtime catches that panic.
const DRIVER: &str = "mysql_async";

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

/// Whether the program goes on after this panic.
pub(crate) fn is_contained(panic: &PanicHookInfo<'_>) -> bool {
    CONTAINING.get() || panic.location().is_some_and(|location| location.file().contains(DRIVER))
}

/// Keeps contained panics off standard error: they are counted and logged as failed probes.
pub fn silence_contained() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_contained(panic) {
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
