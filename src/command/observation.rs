//! The one task that owns the state: facts in, snapshots out, and the targets as they are changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use crate::{
    clock::Clock,
    model::{
        Event, Moment, Notification, ProbePlan, Severity, Snapshot, State, Subject, TargetId, TargetSet,
        cluster::Problem,
    },
    source::kubernetes::Record,
    view,
};

/// Facts on their way to the state. Full, they hold the samplers back, which then drop samples and count them.
const EVENTS_MAX: usize = 1024;

/// Time passes for each target in steps of this.
const TICK: Duration = Duration::from_secs(1);

/// A change is in the snapshot at the latest after this; at a thousand answers a second it is still made ten times.
const SHOWN_WITHIN: Duration = Duration::from_millis(100);

/// A way to the state.
#[derive(Clone)]
pub(super) struct Observation {
    pub(super) clock: Clock,
    /// Where facts go.
    pub(super) events: mpsc::Sender<Event>,
    /// Where snapshots appear.
    pub(super) shown: watch::Receiver<Snapshot>,
    changes: mpsc::Sender<Change>,
}

/// Where each target's sources learn what they are to do.
pub(super) type Plans = BTreeMap<TargetId, watch::Sender<ProbePlan>>;

/// Other targets.
struct Change {
    lineup: TargetSet,
    /// Of the new ones.
    plans: Plans,
    /// Where what is new is to be written as Kubernetes Events from now on, if it is.
    records: Option<mpsc::Sender<Record>>,
    done: oneshot::Sender<()>,
}

/// The state's owner and what it needs.
struct Owner {
    state: State,
    clock: Clock,
    events: mpsc::Receiver<Event>,
    changes: mpsc::Receiver<Change>,
    snapshots: watch::Sender<Snapshot>,
    plans: Plans,
    /// Where what is new is to be written as Kubernetes Events, if it is.
    records: Option<mpsc::Sender<Record>>,
}

impl Observation {
    /// Starts the state, without any target, under `supervisor`.
    pub(super) fn start(clock: Clock, supervisor: &mut Supervisor, stop: &CancellationToken) -> Self {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let (changes, asked_for) = mpsc::channel(1);
        let mut state = State::new([], Vec::new());
        let (snapshots, shown) = watch::channel(state.snapshot(clock.now()));
        let owner =
            Owner { state, clock, events: received, changes: asked_for, snapshots, plans: Plans::new(), records: None };
        let stop = stop.clone();
        supervisor.spawn("state", async move {
            owner.run().await;
            stop.cancelled().await;
            Ok(())
        });
        Self { clock, events, shown, changes }
    }

    /// Changes the targets; they are shown when it returns.
    pub(super) async fn line_up(
        &self,
        lineup: TargetSet,
        plans: Plans,
        records: Option<mpsc::Sender<Record>>,
    ) -> anyhow::Result<()> {
        let (done, shown) = oneshot::channel();
        let gone = "the state has ended";
        self.changes.send(Change { lineup, plans, records, done }).await.ok().context(gone)?;
        shown.await.context(gone)
    }
}

impl Owner {
    /// Takes facts in until no source is left.
    async fn run(mut self) {
        let mut changed = false;
        // Kept from one fact to the next: to set an alarm anew for each of them costs more than to take it in.
        let mut tick = pin!(sleep(self.tick()));
        let mut show = pin!(sleep(Duration::ZERO));
        loop {
            let event = tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => event,
                    None => break,
                },
                Some(change) = self.changes.recv() => {
                    self.change(change);
                    tick.set(sleep(self.tick()));
                    continue;
                }
                () = tick.as_mut() => {
                    tick.set(sleep(self.tick()));
                    Event::Tick
                }
                () = show.as_mut(), if changed => {
                    self.show();
                    show.set(sleep(SHOWN_WITHIN));
                    changed = false;
                    continue;
                }
            };
            self.take(event);
            changed = true;
        }
        self.show();
    }

    /// From one tick to the next.
    fn tick(&self) -> Duration {
        TICK / u32::try_from(self.state.ticks_a_second()).unwrap_or(u32::MAX)
    }

    /// Changes the targets, and says so when they are shown.
    fn change(&mut self, change: Change) {
        let Change { lineup, plans, records, done } = change;
        self.records = records;
        let stays: BTreeSet<_> = lineup.order.iter().copied().collect();
        self.plans.retain(|id, _| stays.contains(id));
        self.plans.extend(plans);
        self.take(Event::TargetsChanged(lineup));
        self.show();
        // Whoever asked for it may have given up.
        let _ = done.send(());
    }

    fn take(&mut self, event: Event) {
        let now = self.clock.now();
        for news in self.state.apply(event, now) {
            view::log::news(&news);
            self.record(&news, now);
        }
        for (target, plan) in self.state.new_plans(now) {
            if let Some(planned) = self.plans.get(&target) {
                planned.send_replace(plan);
            }
        }
    }

    /// Has a milestone written as a Kubernetes Event, if that is wanted. Nothing waits for it.
    fn record(&mut self, news: &Notification, now: Moment) {
        let (Some(records), Subject::StatefulSet(set)) = (&self.records, &news.subject) else { return };
        let (Some(reason), Some(uid)) = (news.notice.event_reason(), self.state.statefulset_uid(set)) else { return };
        let record = Record {
            set: set.clone(),
            uid: Arc::clone(uid),
            reason,
            note: news.notice.to_string(),
            warning: news.notice.severity() == Severity::Warning,
            at: now.wall,
        };
        if let Err(TrySendError::Full(_)) = records.try_send(record) {
            let problem = Problem { forbidden: false, text: "too many are waiting to be written".into() };
            for news in self.state.apply(Event::Recorded(Some(problem)), now) {
                view::log::news(&news);
            }
        }
    }

    fn show(&mut self) {
        self.snapshots.send_replace(self.state.snapshot(self.clock.now()));
    }
}
