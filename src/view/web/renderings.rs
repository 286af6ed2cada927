//! Answers that are rendered anew for every request, which is what costs time and memory: so many at once.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use http_body_util::BodyExt as _;
use hyper::{
    StatusCode,
    body::Body,
    header::{self, HeaderValue},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    answer::{self, Answer, internal, keeping, of_body, text},
    rendered::rendered,
};

/// Answers under way at once, from the request to the last byte that its client takes.
const RENDERINGS_MAX: usize = 64;

/// What clients have not taken yet of all of them, in KiB; a larger answer has it for itself. One that is rendered while it
/// is taken counts as a whole: so much is kept of it for a slow client.
const KIB_MAX: u32 = 32 * 1024;

/// The answers under way.
#[derive(Debug)]
pub(super) struct Renderings {
    places: Arc<Semaphore>,
    kib: Arc<Semaphore>,
    /// What the last one was that was rendered while it was taken; 0 before the first.
    last_kib: Arc<AtomicU32>,
}

impl Default for Renderings {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(RENDERINGS_MAX)),
            kib: Arc::new(Semaphore::new(KIB_MAX as usize)),
            last_kib: Arc::default(),
        }
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
        let Some(room) = self.room(kib(answer.body().size_hint().lower())) else { return busy() };
        keeping(answer, (place, room))
    }

    /// What `write` makes piece by piece, away from the event loop and while the client takes it. It breaks off where it
    /// turns out to be more than there is room for.
    pub(super) async fn pieces(
        &self,
        kind: &'static str,
        packed: bool,
        write: impl FnOnce(&mut dyn FnMut(String)) + Send + 'static,
    ) -> Answer {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let expected = self.last_kib.load(Ordering::Relaxed);
        let Some(kept) = place.ok().zip(self.room(expected)) else { return busy() };
        // The place is free when nobody renders any more and nobody takes what was rendered.
        let (kept, last_kib) = (Arc::new(Mutex::new(kept)), Arc::clone(&self.last_kib));
        let (outlet, mut body) = rendered();
        let (keeps, room) = (Arc::clone(&kept), Arc::clone(&self.kib));
        tokio::task::spawn_blocking(move || {
            let fits = |bytes: usize| {
                let kib = kib(bytes as u64);
                last_kib.store(kib, Ordering::Relaxed);
                let Some(more) = kib.checked_sub(expected) else { return true };
                let Ok(more) = room.try_acquire_many_owned(more) else { return false };
                keeps.lock().unwrap_or_else(PoisonError::into_inner).1.merge(more);
                true
            };
            // Who does not want the rest, or may not have it, has it cut off.
            let _ = outlet.render(packed, write, fits);
        });
        if let Err(error) = body.begin().await {
            return internal(&error);
        }
        let answer = of_body(kind, body.boxed_unsync());
        keeping(if packed { answer::packed(answer) } else { answer }, kept)
    }

    fn room(&self, kib: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.kib).try_acquire_many_owned(kib).ok()
    }
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes / 1024).unwrap_or(u32::MAX).min(KIB_MAX)
}

fn busy() -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "Too many answers are under way; try again.\n");
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_slow_clients_are_kept_is_bounded_before_it_is_known_how_much_a_rendering_is() {
        let renderings = Renderings::default();
        let piece = || "x".repeat(1 << 20);
        let write = move |done: &mut dyn FnMut(String)| (0..20).for_each(|_| done(piece()));
        let answers =
            [renderings.pieces("text/plain", false, write).await, renderings.pieces("text/plain", false, write).await];
        let began = Instant::now();
        while Arc::strong_count(&renderings.last_kib) > 1 {
            assert!(began.elapsed() < Duration::from_secs(60), "both are rendered");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(renderings.kib.available_permits(), 12 * 1024);
        let mut whole = 0;
        for answer in answers {
            assert_eq!(answer.status(), StatusCode::OK);
            whole +=
                usize::from(answer.into_body().collect().await.is_ok_and(|body| body.to_bytes().len() == 20 << 20));
        }
        assert_eq!(whole, 1, "there is room for one");
        assert_eq!(renderings.kib.available_permits(), KIB_MAX as usize);
        assert_eq!(renderings.places.available_permits(), RENDERINGS_MAX);
    }
}
