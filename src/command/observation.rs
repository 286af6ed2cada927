//! The single task that owns the state: it receives events, publishes snapshots and changes the targets.

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

/// Capacity of the event queue. A full queue blocks the probers, which then skip probes and count them.
const EVENTS_MAX: usize = 1024;

const TICK: Duration = Duration::from_secs(1);

/// Maximum delay of a change; also limits the rate to ten snapshots per second, even at 1,000 reads per second.
const SHOWN_WITHIN: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(super) struct Observation {
    pub(super) clock: Clock,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) shown: watch::Receiver<Snapshot>,
    changes: mpsc::Sender<Change>,
}

/// Tells each target's sources what to probe.
pub(super) type Plans = BTreeMap<TargetId, watch::Sender<ProbePlan>>;

struct Change {
    lineup: TargetSet,
    plans: Plans,
    /// Receives the milestones to write as Kubernetes Events, if enabled.
    records: Option<mpsc::Sender<Record>>,
    done: oneshot::Sender<()>,
}

struct Owner {
    state: State,
    clock: Clock,
    events: mpsc::Receiver<Event>,
    changes: mpsc::Receiver<Change>,
    snapshots: watch::Sender<Snapshot>,
    plans: Plans,
    records: Option<mpsc::Sender<Record>>,
}

impl Observation {
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

    /// Returns when a snapshot shows the new targets.
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
    async fn run(mut self) {
        let mut changed = false;
        // Timers are reused: creating one per event costs more than processing the event.
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

    fn tick(&self) -> Duration {
        TICK / u32::try_from(self.state.ticks_a_second()).unwrap_or(u32::MAX)
    }

    fn change(&mut self, change: Change) {
        let Change { lineup, plans, records, done } = change;
        self.records = records;
        let stays: BTreeSet<_> = lineup.order.iter().copied().collect();
        self.plans.retain(|id, _| stays.contains(id));
        self.plans.extend(plans);
        self.take(Event::TargetsChanged(lineup));
        self.show();
        // The caller may have given up.
        let _ = done.send(());
    }

    fn take(&mut self, event: Event) {
        let now = self.clock.now();
        for news in self.state.apply(event, now) {
            view::log::write(&news);
            self.record(&news, now);
        }
        for (target, plan) in self.state.new_plans(now) {
            if let Some(planned) = self.plans.get(&target) {
                planned.send_replace(plan);
            }
        }
    }

    /// Queues a milestone to be written as a Kubernetes Event, if enabled. Never blocks.
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
                view::log::write(&news);
            }
        }
    }

    fn show(&mut self) {
        self.snapshots.send_replace(self.state.snapshot(self.clock.now()));
    }
}
