//! What goes on in a connection, so that one in which nothing does, or nothing gets on, can be ended.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, interval};

use super::answer::{Answer, is_endless, keeping};

/// Without a request, a connection lasts so long.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A client that has not taken the whole of an answer after this time is hung up on: what it has not taken is memory.
/// Streams of events look after themselves.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    going: Mutex<Going>,
}

#[derive(Debug)]
struct Going {
    /// By the number of the request: until when its answer is to be taken, once there is one that has an end.
    until: BTreeMap<u64, Option<Instant>>,
    next: u64,
    /// Since when there are none.
    idle_since: Instant,
}

/// A request, from its head to the end of its answer.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    number: u64,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let going = Going { until: BTreeMap::new(), next: 0, idle_since: Instant::now() };
        Arc::new(Self { going: Mutex::new(going) })
    }

    /// Takes in that a request came.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut going = self.lock();
        let number = going.next;
        going.next += 1;
        going.until.insert(number, None);
        UnderWay { activity: Arc::clone(self), number }
    }

    /// Returns when the connection is not worth keeping.
    pub(super) async fn is_over(&self) {
        let mut look = interval(LOOKED_AT_EVERY);
        loop {
            let now = look.tick().await;
            let going = self.lock();
            let idle = going.until.is_empty() && now.saturating_duration_since(going.idle_since) > IDLE_MAX;
            if idle || going.until.values().flatten().any(|until| *until < now) {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Going> {
        // Nothing that holds the lock leaves it half changed.
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// The request's answer: from now on its client is waited for.
    pub(super) fn answered_by(self, answer: Answer) -> Answer {
        let until = (!is_endless(&answer)).then(|| Instant::now() + TAKEN_WITHIN);
        self.activity.lock().until.insert(self.number, until);
        keeping(answer, self)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut going = self.activity.lock();
        going.until.remove(&self.number);
        going.idle_since = Instant::now();
    }
}
