//! Tracks the requests of a connection, so that idle or stuck connections can be closed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, interval};

use super::answer::{Answer, is_endless, keeping};

const IDLE_MAX: Duration = Duration::from_secs(10);

/// Unread responses take memory. Event streams have their own deadline.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Activity {
    going: Mutex<Going>,
}

#[derive(Debug)]
struct Going {
    /// Deadline of each response, by the number of the request. `None` before the response, and for endless ones.
    until: BTreeMap<u64, Option<Instant>>,
    next: u64,
    idle_since: Instant,
}

/// A request, from its head to the end of its response.
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

    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        let mut going = self.lock();
        let number = going.next;
        going.next += 1;
        going.until.insert(number, None);
        UnderWay { activity: Arc::clone(self), number }
    }

    /// Returns when the connection is idle or stuck.
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
        // No critical section can leave the data half changed.
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
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
