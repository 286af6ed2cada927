//! Renders expensive responses on blocking threads, and limits how many run at once.

use std::sync::Arc;

use hyper::body::Body;
use tokio::sync::Semaphore;

use super::response::{Response, busy, internal, keeping};

/// The runtime needs more blocking threads than this, so that other work such as password checks finds one.
pub const RENDERINGS_MAX: usize = 2;

/// Concurrent responses, from the request until the client has received the last byte.
const PLACES: u32 = 64;

/// A response takes one more place per this many bytes, so that at most 32 MiB wait for clients.
const PLACE_BYTES: u64 = 512 * 1024;

#[derive(Debug)]
pub(super) struct Renderer {
    places: Arc<Semaphore>,
    renderings: Arc<Semaphore>,
}

impl Default for Renderer {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES as usize)), renderings: Arc::new(Semaphore::new(RENDERINGS_MAX)) }
    }
}

impl Renderer {
    /// Returns the result of `render`, or 503 without a free place.
    pub(super) async fn respond(&self, render: impl FnOnce() -> Response + Send + 'static) -> Response {
        let Ok(mut place) = Arc::clone(&self.places).try_acquire_owned() else { return full() };
        let Ok(rendering) = Arc::clone(&self.renderings).acquire_owned().await else { return full() };
        let places = Arc::clone(&self.places);
        // Both permits move to the thread: a client that disconnects does not stop the rendering.
        let rendered = tokio::task::spawn_blocking(move || {
            let response = render();
            let more = response.body().size_hint().lower() / PLACE_BYTES;
            let more = u32::try_from(more).unwrap_or(u32::MAX).min(PLACES - 1);
            let Ok(more) = places.try_acquire_many_owned(more) else { return full() };
            place.merge(more);
            drop(rendering);
            keeping(response, place)
        });
        rendered.await.unwrap_or_else(|panic| internal(&panic))
    }
}

fn full() -> Response {
    busy("Too many requests at once; try again later.\n", 1)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        time::Duration,
    };

    use http_body_util::BodyExt;
    use hyper::{StatusCode, header};
    use tokio::{task::JoinSet, time::timeout};

    use super::*;
    use crate::view::web::response::content;

    const SOON: Duration = Duration::from_secs(60);

    async fn large(renderer: &Renderer) -> Response {
        renderer.respond(|| content("text/plain", vec![b'x'; 20 << 20])).await
    }

    #[test]
    fn renderings_leave_a_thread_for_other_work() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(RENDERINGS_MAX + 1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let renderer = Arc::new(Renderer::default());
            let (finish, finishes) = mpsc::channel::<()>();
            let finishes = Arc::new(std::sync::Mutex::new(finishes));
            let begun = Arc::new(AtomicUsize::new(0));
            let mut responses = JoinSet::new();
            for _ in 0..10 {
                let (renderer, finishes, begun) = (Arc::clone(&renderer), Arc::clone(&finishes), Arc::clone(&begun));
                let render = move || {
                    begun.fetch_add(1, Ordering::SeqCst);
                    let _ = finishes.lock().unwrap().recv();
                    content("text/plain", "rendered")
                };
                responses.spawn(async move { renderer.respond(render).await.status() });
            }
            let all_begun = async {
                while begun.load(Ordering::SeqCst) < RENDERINGS_MAX {
                    tokio::task::yield_now().await;
                }
            };
            timeout(SOON, all_begun).await.unwrap();
            let password = timeout(SOON, tokio::task::spawn_blocking(|| "checked")).await;
            let begun = begun.load(Ordering::SeqCst);
            drop(finish);
            assert_eq!(password.unwrap().unwrap(), "checked");
            assert_eq!(begun, RENDERINGS_MAX);
            assert_eq!(timeout(SOON, responses.join_all()).await.unwrap(), [StatusCode::OK; 10]);
        });
    }

    #[tokio::test]
    async fn a_large_response_takes_many_places_until_it_is_sent() {
        let renderer = Renderer::default();
        let first = large(&renderer).await;
        assert_eq!(renderer.places.available_permits(), 23);
        let refused = large(&renderer).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        assert_eq!(renderer.respond(|| content("text/plain", "small")).await.status(), StatusCode::OK);
        assert_eq!(first.into_body().collect().await.unwrap().to_bytes().len(), 20 << 20);
        assert_eq!(renderer.places.available_permits(), PLACES as usize);
        assert_eq!(large(&renderer).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_response_larger_than_all_places_is_sent_alone() {
        let renderer = Renderer::default();
        let response = renderer.respond(|| content("text/plain", vec![b'x'; 40 << 20])).await;
        assert_eq!((response.status(), renderer.places.available_permits()), (StatusCode::OK, 0));
        assert_eq!(large(&renderer).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(response);
        assert_eq!(large(&renderer).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_panic_while_rendering_fails_only_its_own_request() {
        let renderer = Renderer::default();
        let response = renderer.respond(|| panic!("on purpose")).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(renderer.respond(|| content("text/plain", "next")).await.status(), StatusCode::OK);
        assert_eq!(renderer.places.available_permits(), PLACES as usize);
        assert_eq!(renderer.renderings.available_permits(), RENDERINGS_MAX);
    }
}
