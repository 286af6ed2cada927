//! A watch that restarts whenever it breaks.

use std::{fmt::Debug, future::pending, time::Duration};

use futures_util::{StreamExt, stream::BoxStream};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::{
    Api, Resource,
    runtime::watcher::{self, watcher},
};
use tokio::{
    sync::watch as latest,
    time::{Instant, sleep_until},
};

use super::pulse;

/// The server ends a watch after this time, and the client gives up a silent one soon after. This limits how long a
/// dead connection looks like a quiet one.
pub(super) const WATCH_SECONDS: u32 = 60;

/// Objects become facts one by one, so memory holds at most one page of full objects.
const PAGE: u32 = 50;

/// A refused watch fails within this time.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

type Events<K> = BoxStream<'static, watcher::Result<watcher::Event<K>>>;

/// The events and errors of a watch that restarts whenever it breaks.
///
/// A broken watch restarts after a [`Pause`] with a new list, which shows what was deleted in between. The library
/// would resume instead: it would report old changes as if they happened now, and would not report its recovery.
pub(super) struct Attempts<K> {
    start: Box<dyn Fn() -> Events<K> + Send>,
    events: Events<K>,
    pause: Pause,
    /// Start of the next attempt after a failure.
    rest: Option<Instant>,
    /// The last attempt received a list, but its watch was refused.
    unwatched: bool,
    /// Set by a new list after a refused watch: the list counts if the watch is not refused by then.
    listed: Option<Instant>,
    /// The event that made such a list count.
    first: Option<watcher::Event<K>>,
    silences: latest::Receiver<()>,
}

impl<K: Resource + Clone + Debug + DeserializeOwned + Send + 'static> Attempts<K> {
    /// The first attempt starts with the first call of [`next`](Self::next).
    pub(super) fn new(api: Api<K>, config: watcher::Config, silences: latest::Receiver<()>) -> Self {
        let config = config.timeout(WATCH_SECONDS).page_size(PAGE);
        Self::starting(Box::new(move || watcher(api.clone(), config.clone()).boxed()), silences)
    }
}

impl<K> Attempts<K> {
    fn starting(start: Box<dyn Fn() -> Events<K> + Send>, silences: latest::Receiver<()>) -> Self {
        let events = start();
        let pause = Pause::default();
        Self { start, events, pause, rest: None, unwatched: false, listed: None, first: None, silences }
    }

    /// Cancel-safe.
    pub(super) async fn next(&mut self) -> watcher::Result<watcher::Event<K>> {
        if let Some(rest) = self.rest {
            sleep_until(rest).await;
            self.rest = None;
            // The new attempt may succeed where the last one waited in vain.
            self.silences.mark_unchanged();
        }
        if let Some(event) = self.first.take() {
            return Ok(event);
        }
        loop {
            let event = tokio::select! {
                event = self.events.next() => event,
                () = sleep_until(self.listed.unwrap_or_else(Instant::now)), if self.listed.is_some() => {
                    return Ok(self.recovered());
                }
                Ok(()) = self.silences.changed() => Some(Err(pulse::silent())),
            };
            match event {
                // The library's stream never ends.
                None => pending().await,
                Some(Ok(watcher::Event::InitDone)) if self.unwatched => {
                    self.listed = Some(Instant::now() + REFUSED_WITHIN);
                }
                Some(Ok(event)) if self.listed.is_some() => {
                    self.first = Some(event);
                    return Ok(self.recovered());
                }
                Some(Ok(event)) => {
                    // The start of a list is not a success yet.
                    if !matches!(event, watcher::Event::Init) {
                        self.pause.succeeded();
                    }
                    return Ok(event);
                }
                Some(Err(error)) => {
                    self.listed = None;
                    self.unwatched = matches!(error, watcher::Error::WatchStartFailed(_)) && is_forbidden(&error);
                    self.rest = Some(Instant::now() + self.pause.after(&error));
                    if !is_compacted(&error) {
                        self.events = (self.start)();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Accepts the list: the watch has recovered.
    fn recovered(&mut self) -> watcher::Event<K> {
        self.listed = None;
        self.unwatched = false;
        self.pause.succeeded();
        watcher::Event::InitDone
    }
}

/// Pause before a broken watch restarts. The library's own pause resets with each attempt, so a refused request would
/// repeat every second.
#[derive(Default)]
struct Pause {
    failures: u32,
}

impl Pause {
    /// 1 s after the first error, doubled each time: up to 8 s if the server is unavailable, up to 32 s if it refuses.
    /// A random part separates the watches of many instances.
    fn after(&mut self, error: &watcher::Error) -> Duration {
        let longest = if is_forbidden(error) { 5 } else { 3 };
        let seconds = 1_u32 << self.failures.min(longest);
        self.failures += 1;
        Duration::from_secs(1).mul_f64(f64::from(seconds) * (0.75 + rand::random::<f64>() / 2.0))
    }

    fn succeeded(&mut self) {
        self.failures = 0;
    }
}

pub(super) fn is_compacted(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

pub(super) fn is_forbidden(error: &watcher::Error) -> bool {
    matches!(refusal(error), Some(401 | 403))
}

/// A role does not help a user whom the API server does not know.
pub(super) fn is_unknown_user(error: &watcher::Error) -> bool {
    refusal(error) == Some(401)
}

fn refusal(error: &watcher::Error) -> Option<u16> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    Some(status.code)
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Mutex};

    use futures_util::stream;
    use kube::core::Status;
    use tokio::time::timeout;

    use super::*;

    type Result = watcher::Result<watcher::Event<&'static str>>;

    fn status(code: u16) -> Box<Status> {
        Box::new(Status { code, ..Status::default() })
    }

    fn failed(code: u16) -> watcher::Error {
        watcher::Error::WatchError(status(code))
    }

    fn unwatchable() -> Result {
        Err(watcher::Error::WatchStartFailed(kube::Error::Api(status(403))))
    }

    /// Each attempt yields its events, then waits.
    fn seeing<const N: usize>(attempts: [Vec<Result>; N]) -> Attempts<&'static str> {
        with_silences(attempts, latest::channel(()).1)
    }

    fn with_silences<const N: usize>(
        attempts: [Vec<Result>; N],
        silences: latest::Receiver<()>,
    ) -> Attempts<&'static str> {
        let attempts = Mutex::new(VecDeque::from(attempts));
        let start = move || {
            let events = attempts.lock().unwrap().pop_front().unwrap_or_default();
            stream::iter(events).chain(stream::pending()).boxed()
        };
        Attempts::starting(Box::new(start), silences)
    }

    /// The next event in short, and the seconds until it.
    async fn next(attempts: &mut Attempts<&'static str>) -> (&'static str, u64) {
        let before = Instant::now();
        let event = attempts.next().await;
        let seen = match event {
            Ok(watcher::Event::Init) => "init",
            Ok(watcher::Event::InitDone) => "listed",
            Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object) | watcher::Event::Delete(object)) => {
                object
            }
            Err(error) if is_forbidden(&error) => "forbidden",
            Err(_) => "broken",
        };
        (seen, before.elapsed().as_secs())
    }

    fn done() -> Vec<Result> {
        vec![Ok(watcher::Event::Init), Ok(watcher::Event::InitDone)]
    }

    fn list_alone() -> Vec<Result> {
        done().into_iter().chain([unwatchable()]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_watch_after_a_list_is_reported_once_and_retried_less_and_less_often() {
        let and_change = done().into_iter().chain([Ok(watcher::Event::Apply("a pod"))]).collect();
        let mut attempts = seeing([list_alone(), list_alone(), list_alone(), list_alone(), and_change]);
        for seen in ["init", "listed", "forbidden"] {
            assert_eq!(next(&mut attempts).await, (seen, 0));
        }
        let mut pauses = Vec::new();
        for _ in 0..3 {
            let (seen, pause) = next(&mut attempts).await;
            assert_eq!(seen, "init");
            pauses.push(pause);
            assert_eq!(next(&mut attempts).await, ("forbidden", 0), "the list alone is no recovery");
        }
        assert!(pauses.is_sorted() && pauses[2] >= 3, "{pauses:?}");
        assert_eq!(next(&mut attempts).await.0, "init");
        for seen in ["listed", "a pod"] {
            assert_eq!(next(&mut attempts).await, (seen, 0), "an event shows that the watch works");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_not_refused_again_has_recovered() {
        let mut attempts = seeing([list_alone(), done()]);
        for _ in 0..4 {
            attempts.next().await.ok();
        }
        assert_eq!(next(&mut attempts).await, ("listed", REFUSED_WITHIN.as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_of_the_api_server_breaks_a_quiet_watch_until_a_new_list() {
        let (silences, silent) = latest::channel(());
        let mut attempts = with_silences([done(), vec![], done()], silent);
        for seen in ["init", "listed"] {
            assert_eq!(next(&mut attempts).await, (seen, 0));
        }
        silences.send_replace(());
        assert_eq!(next(&mut attempts).await, ("broken", 0));
        // Between two attempts, silence is no further failure.
        silences.send_replace(());
        assert!(timeout(Duration::from_secs(60), attempts.next()).await.is_err(), "a list that never comes");
        silences.send_replace(());
        assert_eq!(next(&mut attempts).await, ("broken", 0));
        for seen in ["init", "listed"] {
            assert_eq!(next(&mut attempts).await.0, seen);
        }
    }

    #[test]
    fn pauses_grow_until_a_success() {
        let mut pause = Pause::default();
        for longest in [1.25, 2.5, 5.0, 10.0, 10.0] {
            let waited = pause.after(&failed(500)).as_secs_f64();
            assert!(waited <= longest && waited >= 0.6 * longest, "{waited} {longest}");
        }
        assert!(pause.after(&failed(403)).as_secs_f64() >= 24.0);
        pause.succeeded();
        assert!(pause.after(&failed(403)).as_secs_f64() <= 1.25);
    }

    #[test]
    fn a_compacted_history_is_not_a_missing_permission() {
        assert!(is_compacted(&failed(410)) && !is_forbidden(&failed(410)));
        assert!(is_forbidden(&failed(403)) && is_forbidden(&failed(401)));
        assert!(!is_forbidden(&failed(500)));
    }
}
