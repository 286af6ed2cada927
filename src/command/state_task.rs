//! The single task that owns the state. It receives events, publishes snapshots and updates probe plans.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
    time::Duration,
};

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
use anyhow::Context;
use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        oneshot, watch,
    },
    time::sleep,
};

/// Capacity of the event queue. A full queue blocks the probers, which then skip probes and count them.
const EVENTS_MAX: usize = 1024;

const TICK: Duration = Duration::from_secs(1);

/// Maximum delay of a change; also limits the rate to ten snapshots per second, even at 1,000 reads per second.
const PUBLISH_WITHIN: Duration = Duration::from_millis(100);

/// Channels to and from the state task, which ends when all senders of events are gone.
#[derive(Clone)]
pub(super) struct StateHandle {
    pub(super) clock: Clock,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) snapshots: watch::Receiver<Snapshot>,
    changes: mpsc::Sender<Change>,
}

/// The plans that each target's probes follow.
pub(super) type Plans = BTreeMap<TargetId, watch::Sender<ProbePlan>>;

struct Change {
    targets: TargetSet,
    plans: Plans,
    /// Receives the milestones to write as Kubernetes Events, if enabled.
    records: Option<mpsc::Sender<Record>>,
    done: oneshot::Sender<()>,
}

struct StateTask {
    state: State,
    clock: Clock,
    events: mpsc::Receiver<Event>,
    changes: mpsc::Receiver<Change>,
    snapshots: watch::Sender<Snapshot>,
    plans: Plans,
    records: Option<mpsc::Sender<Record>>,
}

impl StateHandle {
    pub(super) fn start(clock: Clock, supervisor: &Supervisor) -> Self {
        let (events_sender, events) = mpsc::channel(EVENTS_MAX);
        let (changes_sender, changes) = mpsc::channel(1);
        let mut state = State::new([], Vec::new());
        let (snapshots_sender, snapshots) = watch::channel(state.snapshot(clock.now()));
        let plans = Plans::new();
        let task = StateTask { state, clock, events, changes, snapshots: snapshots_sender, plans, records: None };
        supervisor.spawn("state", |stop| async move {
            task.run().await;
            stop.cancelled().await;
            Ok(())
        });
        Self { clock, events: events_sender, snapshots, changes: changes_sender }
    }

    /// Returns when a snapshot shows the new targets.
    pub(super) async fn set_targets(
        &self,
        targets: TargetSet,
        plans: Plans,
        records: Option<mpsc::Sender<Record>>,
    ) -> anyhow::Result<()> {
        let (done, published) = oneshot::channel();
        let ended = "the state task has ended";
        self.changes.send(Change { targets, plans, records, done }).await.ok().context(ended)?;
        published.await.context(ended)
    }
}

impl StateTask {
    async fn run(mut self) {
        let mut changed = false;
        // Timers are reused: creating one per event costs more than processing the event.
        let mut tick = pin!(sleep(self.tick()));
        let mut publish = pin!(sleep(Duration::ZERO));
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
                () = publish.as_mut(), if changed => {
                    self.publish();
                    publish.set(sleep(PUBLISH_WITHIN));
                    changed = false;
                    continue;
                }
            };
            self.apply(event);
            changed = true;
        }
        self.publish();
    }

    fn tick(&self) -> Duration {
        TICK / u32::try_from(self.state.ticks_a_second()).unwrap_or(u32::MAX)
    }

    fn change(&mut self, change: Change) {
        let Change { targets, plans, records, done } = change;
        self.records = records;
        let stays: BTreeSet<_> = targets.order.iter().copied().collect();
        self.plans.retain(|id, _| stays.contains(id));
        self.plans.extend(plans);
        self.apply(Event::TargetsChanged(targets));
        self.publish();
        // The caller may have given up.
        let _ = done.send(());
    }

    fn apply(&mut self, event: Event) {
        let now = self.clock.now();
        for notification in self.state.apply(event, now) {
            view::log::write(&notification);
            self.record(&notification, now);
        }
        for (target, plan) in self.state.new_plans(now) {
            if let Some(sender) = self.plans.get(&target) {
                sender.send_replace(plan);
            }
        }
    }

    /// Queues a milestone to be written as a Kubernetes Event, if enabled. Never blocks.
    fn record(&mut self, notification: &Notification, now: Moment) {
        let Notification { subject: Subject::StatefulSet(set), notice, .. } = notification else { return };
        let (Some(records), Some(reason)) = (&self.records, notice.event_reason()) else { return };
        let Some(uid) = self.state.statefulset_uid(set) else { return };
        let record = Record {
            set: set.clone(),
            uid: Arc::clone(uid),
            reason,
            note: notice.to_string(),
            warning: notice.severity() == Severity::Warning,
            at: now,
        };
        if let Err(TrySendError::Full(_)) = records.try_send(record) {
            let problem = Problem { forbidden: false, text: "too many Events are queued".into() };
            for notification in self.state.apply(Event::EventWritten(Some(problem)), now) {
                view::log::write(&notification);
            }
        }
    }

    fn publish(&mut self) {
        self.snapshots.send_replace(self.state.snapshot(self.clock.now()));
    }
}
