//! Answers that are rendered anew for every request, which is what costs time and memory: so many at once.

use std::sync::Arc;

use hyper::{
    StatusCode,
    body::Body,
    header::{self, HeaderValue},
};
use tokio::sync::Semaphore;

use super::answer::{Answer, internal, keeping, text};

/// Answers under way at once, from the request to the last byte that its client takes.
const RENDERINGS_MAX: usize = 64;

/// What clients have not taken yet of all of them, in KiB; a larger answer has it for itself.
const KIB_MAX: u32 = 32 * 1024;

/// The answers under way.
#[derive(Debug)]
pub(super) struct Renderings {
    places: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

impl Default for Renderings {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(RENDERINGS_MAX)), kib: Arc::new(Semaphore::new(KIB_MAX as usize)) }
    }
}

impl Renderings {
    /// What `render` makes, away from the event loop: rendering thousands of series must not delay samples.
    pub(super) async fn answer(&self, render: impl FnOnce() -> Answer + Send + 'static) -> Answer {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return busy() };
        // A client that hangs up does not take back its wish: the place is free when the answer is rendered.
        let (answer, place) = match tokio::task::spawn_blocking(move || (render(), place)).await {
            Ok(rendered) => rendered,
            Err(error) => return internal(&error),
        };
        let kib = u32::try_from(answer.body().size_hint().lower() / 1024).unwrap_or(u32::MAX).min(KIB_MAX);
        let Ok(room) = Arc::clone(&self.kib).try_acquire_many_owned(kib) else { return busy() };
        keeping(answer, (place, room))
    }
}

fn busy() -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "Too many answers are under way; try again.\n");
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}
