//! Frames of event streams: rendered once per topic, by the first stream that finds the last frame outdated.
//! Nothing is queued: a stream that missed a frame receives a whole snapshot.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

use crate::{
    api::{AnswersEvent, OverviewEvent, ScaleEvents, SnapshotEvent},
    model::{Snapshot, TargetSnapshot},
};

/// Minimum time between two frames of one target: one read per second appears at once, a burst in steps.
const TARGET_PAUSE: Duration = Duration::from_millis(100);

const OVERVIEW_PAUSE: Duration = Duration::from_secs(1);

/// Added to [`OVERVIEW_PAUSE`] per target: 5 s in total for 1,000 targets.
const OVERVIEW_PAUSE_EACH: Duration = Duration::from_millis(4);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Overview,
    Target(Arc<str>),
}

#[derive(Debug, Default)]
pub(super) struct Feeds(Mutex<HashMap<Topic, Weak<Feed>>>);

#[derive(Debug)]
pub(super) struct Feed {
    topic: Topic,
    /// Locked while a frame is rendered, never across an await.
    latest: Mutex<Option<Arc<Frame>>>,
}

#[derive(Debug)]
pub(super) struct Frame {
    /// Consecutive within a feed.
    pub(super) number: u64,
    rendered: Instant,
    snapshot: Snapshot,
    changes: Bytes,
    /// The whole snapshot, rendered on first use.
    whole: OnceLock<Bytes>,
}

#[derive(Debug)]
pub(super) enum Next {
    Frame(Arc<Frame>),
    /// Wait until this time, then call [`Feed::next`] again.
    Wait(Instant),
    Nothing,
    Gone,
}

impl Feeds {
    /// A feed lives until its last follower drops it.
    pub(super) fn follow(&self, topic: Topic) -> Arc<Feed> {
        let mut feeds = self.0.lock();
        feeds.retain(|_, feed| feed.strong_count() > 0);
        if let Some(feed) = feeds.get(&topic).and_then(Weak::upgrade) {
            return feed;
        }
        let feed = Arc::new(Feed { topic: topic.clone(), latest: Mutex::default() });
        feeds.insert(topic, Arc::downgrade(&feed));
        feed
    }
}

impl Feed {
    pub(super) fn next(&self, sent: Option<u64>, snapshot: &Snapshot, now: Instant) -> Next {
        if !self.topic.is_in(snapshot) {
            return Next::Gone;
        }
        let mut latest = self.latest.lock();
        let newer = match &*latest {
            None => Some((1, String::new())),
            Some(frame) if !self.topic.differs(&frame.snapshot, snapshot) => None,
            Some(frame) => {
                let due = frame.rendered + self.topic.pause(snapshot);
                if now >= due {
                    Some((frame.number + 1, self.topic.changes(&frame.snapshot, snapshot)))
                } else if sent == Some(frame.number) {
                    return Next::Wait(due);
                } else {
                    // The current frame is recent enough. Later changes come with the next frame.
                    None
                }
            }
        };
        if let Some((number, changes)) = newer {
            let (snapshot, changes) = (snapshot.clone(), changes.into());
            *latest = Some(Arc::new(Frame { number, rendered: now, snapshot, changes, whole: OnceLock::new() }));
        }
        match &*latest {
            Some(frame) if sent != Some(frame.number) => Next::Frame(Arc::clone(frame)),
            _ => Next::Nothing,
        }
    }

    /// The changes if the stream sent the previous frame, otherwise the whole snapshot.
    pub(super) fn bytes(&self, frame: &Frame, sent: Option<u64>) -> Bytes {
        if sent.is_some_and(|sent| sent + 1 == frame.number) {
            return frame.changes.clone();
        }
        frame.whole.get_or_init(|| self.topic.whole(&frame.snapshot).into()).clone()
    }
}

impl Topic {
    fn is_in(&self, snapshot: &Snapshot) -> bool {
        matches!(self, Self::Overview) || self.target(snapshot).is_some()
    }

    fn target<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a Arc<TargetSnapshot>> {
        let Self::Target(name) = self else { return None };
        snapshot.targets.iter().find(|target| target.name == *name)
    }

    fn pause(&self, snapshot: &Snapshot) -> Duration {
        match self {
            Self::Overview => {
                let targets = u32::try_from(snapshot.targets.len()).unwrap_or(u32::MAX);
                OVERVIEW_PAUSE + OVERVIEW_PAUSE_EACH.saturating_mul(targets)
            }
            Self::Target(_) => TARGET_PAUSE,
        }
    }

    fn differs(&self, before: &Snapshot, after: &Snapshot) -> bool {
        if before.taken == after.taken {
            return false;
        }
        match (self.target(before), self.target(after)) {
            (Some(then), Some(now)) => {
                !Arc::ptr_eq(then, now) || clusters_differ(before, after) || before.caption != after.caption
            }
            (None, None) => {
                let both = before.targets.iter().zip(&after.targets);
                before.targets.len() != after.targets.len()
                    || both.into_iter().any(|(then, now)| !Arc::ptr_eq(then, now))
            }
            _ => true,
        }
    }

    fn whole(&self, snapshot: &Snapshot) -> String {
        let mut text = String::new();
        match self.target(snapshot) {
            None => event(&mut text, "overview", &OverviewEvent::whole(snapshot)),
            Some(target) => {
                event(&mut text, "snapshot", &SnapshotEvent::whole(snapshot, target));
                event(&mut text, "scale_events", &ScaleEvents::beside(snapshot, target));
            }
        }
        text
    }

    fn changes(&self, before: &Snapshot, after: &Snapshot) -> String {
        let mut text = String::new();
        let (Some(then), Some(now)) = (self.target(before), self.target(after)) else {
            event(&mut text, "overview", &OverviewEvent::between(before, after));
            return text;
        };
        if let Some(answers) = AnswersEvent::between(then, now) {
            event(&mut text, "answers", &answers);
        }
        event(&mut text, "snapshot", &SnapshotEvent::without_reads(after, now));
        if clusters_differ(before, after) {
            event(&mut text, "scale_events", &ScaleEvents::beside(after, now));
        }
        text
    }
}

/// Writes one event. The JSON contains no line breaks.
pub(super) fn event(text: &mut String, name: &str, data: &impl Serialize) {
    match serde_json::to_string(data) {
        // Writing to a string cannot fail.
        Ok(json) => drop(write!(text, "event: {name}\ndata: {json}\n\n")),
        Err(error) => tracing::error!(%error, event = name, "failed to render an event"),
    }
}

fn clusters_differ(before: &Snapshot, after: &Snapshot) -> bool {
    match (&before.cluster, &after.cluster) {
        (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
        (None, None) => false,
        _ => true,
    }
}
