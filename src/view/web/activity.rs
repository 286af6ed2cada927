//! The requests of a connection, so that idle and stuck connections can be closed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, interval};

use super::response::{Response, is_endless, keeping};

const IDLE_MAX: Duration = Duration::from_secs(10);

/// Unread responses take memory. Event streams have their own deadline.
const SENT_WITHIN: Duration = Duration::from_secs(30);

const CHECK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Activity {
    open: Mutex<OpenRequests>,
}

#[derive(Debug)]
struct OpenRequests {
    /// Deadline of each response, by the number of the request. `None` before the response, and for endless ones.
    deadlines: BTreeMap<u64, Option<Instant>>,
    next: u64,
    idle_since: Instant,
}

/// A request, from its head to the end of its response.
#[derive(Debug)]
pub(super) struct OpenRequest {
    activity: Arc<Activity>,
    number: u64,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let open = OpenRequests { deadlines: BTreeMap::new(), next: 0, idle_since: Instant::now() };
        Arc::new(Self { open: Mutex::new(open) })
    }

    pub(super) fn begin(self: &Arc<Self>) -> OpenRequest {
        let mut open = self.open.lock();
        let number = open.next;
        open.next += 1;
        open.deadlines.insert(number, None);
        OpenRequest { activity: Arc::clone(self), number }
    }

    /// Returns when the connection is idle or stuck.
    pub(super) async fn is_over(&self) {
        let mut check = interval(CHECK_EVERY);
        loop {
            let now = check.tick().await;
            let open = self.open.lock();
            let idle = open.deadlines.is_empty() && now.saturating_duration_since(open.idle_since) > IDLE_MAX;
            if idle || open.deadlines.values().flatten().any(|deadline| *deadline < now) {
                return;
            }
        }
    }
}

impl OpenRequest {
    pub(super) fn answered(self, response: Response) -> Response {
        let deadline = (!is_endless(&response)).then(|| Instant::now() + SENT_WITHIN);
        self.activity.open.lock().deadlines.insert(self.number, deadline);
        keeping(response, self)
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut open = self.activity.open.lock();
        open.deadlines.remove(&self.number);
        open.idle_since = Instant::now();
    }
}
