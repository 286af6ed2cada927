//! Targets under observation: a schedule of samples each, and the one task that owns the state.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use crate::{
    clock::Clock,
    config::Target,
    model::{Event, Snapshot, State, TargetId, TargetSpec, TrialRules},
    source::{
        mysql::{Sampler, SamplerError},
        schedule::Schedule,
    },
    view,
};

/// Facts on their way to the state. Full, they hold the samplers back, which then drop samples and count them.
const EVENTS_MAX: usize = 1024;

/// Time passes for the model in steps of this.
const TICK: Duration = Duration::from_secs(1);

/// A change is in the snapshot at the latest after this; at a thousand answers a second it is still made ten times.
const SHOWN_WITHIN: Duration = Duration::from_millis(100);

/// What is to be observed, ready to start.
pub(super) struct Observation {
    clock: Clock,
    state: State,
    samplers: Vec<(TargetId, Schedule, Arc<Sampler>)>,
}

/// The state's owner and what it needs.
struct Owner {
    state: State,
    clock: Clock,
    events: mpsc::Receiver<Event>,
    snapshots: watch::Sender<Snapshot>,
}

impl Observation {
    /// An observation of `targets`, each under a bounded trial if there are rules for one.
    ///
    /// # Errors
    /// When a target cannot be sampled at all.
    pub(super) fn new(targets: &[Target], trial: Option<&TrialRules>, clock: Clock) -> Result<Self, SamplerError> {
        let mut specs = Vec::new();
        let mut samplers = Vec::new();
        for (id, target) in (0..).map(TargetId).zip(targets) {
            let spec = TargetSpec {
                name: Arc::clone(&target.name),
                expectation: target.expectation.clone(),
                forget_after: target.forget_after,
                trial: trial.cloned(),
            };
            let schedule = Schedule {
                interval: target.interval,
                max_in_flight: target.max_in_flight,
                limit: trial.map(|rules| rules.samples),
            };
            specs.push((id, spec));
            samplers.push((id, schedule, Arc::new(Sampler::new(target.clone(), clock)?)));
        }
        Ok(Self { clock, state: State::new(specs), samplers })
    }

    /// Starts everything under `supervisor` and returns where snapshots appear.
    pub(super) fn start(mut self, supervisor: &mut Supervisor, stop: &CancellationToken) -> watch::Receiver<Snapshot> {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let (snapshots, shown) = watch::channel(self.state.snapshot(self.clock.now()));
        for (id, schedule, sampler) in self.samplers {
            let (events, stop) = (events.clone(), stop.clone());
            let sample = move |sequence| {
                let sampler = Arc::clone(&sampler);
                async move { sampler.sample(sequence).await }
            };
            supervisor.spawn(format!("sampling {}", id.0), async move {
                schedule.run(id, sample, events, stop.clone()).await;
                // A schedule with a limit is done before the program is.
                stop.cancelled().await;
                Ok(())
            });
        }
        let owner = Owner { state: self.state, clock: self.clock, events: received, snapshots };
        let stop = stop.clone();
        supervisor.spawn("state", async move {
            owner.run().await;
            stop.cancelled().await;
            Ok(())
        });
        shown
    }
}

impl Owner {
    /// Takes facts in until no source is left.
    async fn run(mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shown = Instant::now();
        let mut changed = false;
        loop {
            let event = tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => event,
                    None => break,
                },
                _ = tick.tick() => Event::Tick,
                () = sleep_until(shown + SHOWN_WITHIN), if changed => {
                    self.show();
                    shown = Instant::now();
                    changed = false;
                    continue;
                }
            };
            for (target, notice) in self.state.apply(event, self.clock.now()) {
                view::log::notice(&target, &notice);
            }
            changed = true;
        }
        self.show();
    }

    fn show(&mut self) {
        self.snapshots.send_replace(self.state.snapshot(self.clock.now()));
    }
}
