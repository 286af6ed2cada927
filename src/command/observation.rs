//! Targets under observation: a schedule of samples each, the watches of Kubernetes if it is asked, and the one task that
//! owns the state.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{
    sync::{
        mpsc::{self, error::TrySendError},
        watch,
    },
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::supervisor::Supervisor;
use crate::{
    clock::Clock,
    config::{Imbalance, Target},
    model::{
        Ask, Event, Moment, News, Pace, Plan, Severity, Snapshot, State, Subject, TargetId, TargetSpec, TrialRules,
        VerdictRules,
        cluster::{Kind, ObjectName, Problem, WatchName},
    },
    source::{
        direct,
        fake::Stage,
        kubernetes::{Record, Watcher},
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

/// Sampling waits so long for the first list of the endpoints, so that replicas do not change their names midway.
const ENDPOINTS_WITHIN: Duration = Duration::from_secs(5);

/// What is to be observed, ready to start.
pub(super) struct Observation {
    clock: Clock,
    state: State,
    sampling: Vec<Sampling>,
    plans: Plans,
    cluster: Option<ClusterSource>,
    /// Milestones are written as Kubernetes Events.
    recording: bool,
}

/// What tells of the cluster.
pub(super) enum ClusterSource {
    /// Kubernetes.
    Kubernetes(Watcher),
    /// The demo.
    Stage(Box<Stage>),
}

/// One target's samples.
struct Sampling {
    id: TargetId,
    service: Option<ObjectName>,
    schedule: Schedule,
    sampler: Arc<Sampler>,
    plan: watch::Receiver<Plan>,
}

/// Where each target's sources learn what they are to do.
type Plans = BTreeMap<TargetId, watch::Sender<Plan>>;

/// The state's owner and what it needs.
struct Owner {
    state: State,
    clock: Clock,
    events: mpsc::Receiver<Event>,
    snapshots: watch::Sender<Snapshot>,
    plans: Plans,
    /// Where what is new is to be written as Kubernetes Events, if it is.
    records: Option<mpsc::Sender<Record>>,
}

impl Observation {
    /// An observation of targets, each under a bounded trial if it has rules for one, with what `cluster` tells.
    ///
    /// # Errors
    /// When a target cannot be sampled at all.
    pub(super) fn new(
        targets: impl IntoIterator<Item = (Target, Option<TrialRules>)>,
        imbalance: Imbalance,
        cluster: Option<ClusterSource>,
        clock: Clock,
    ) -> Result<Self, SamplerError> {
        let mut specs = Vec::new();
        let mut sampling = Vec::new();
        let mut plans = Plans::new();
        for (id, (target, trial)) in (0..).map(TargetId).zip(targets) {
            // A test has a number of samples to judge by, and nobody who looks at the rest.
            let regular = Pace::regular(target.interval.get());
            let pace = if trial.is_some() { regular } else { target.pacing.pace(target.interval) };
            let spec = TargetSpec {
                port: target.address.port,
                pace,
                name: Arc::clone(&target.name),
                expectation: target.expectation.clone(),
                service: target.service.clone(),
                statefulset: target.statefulset.clone(),
                forget_after: target.forget_after,
                verdict: VerdictRules {
                    false_alarm_period: imbalance.false_alarm_period,
                    tolerance: imbalance.tolerance,
                    interval: target.interval.get(),
                },
                trial: trial.clone(),
            };
            let schedule = Schedule {
                interval: target.interval,
                max_in_flight: target.max_in_flight,
                burst_interval: pace.burst.map(|burst| burst.interval).filter(|burst| *burst < pace.interval),
                limit: trial.map(|rules| rules.samples),
            };
            let service = target.service.clone();
            let sampler = Arc::new(Sampler::new(target, clock)?);
            specs.push((id, spec));
            let (planned, plan) = watch::channel(Plan::default());
            plans.insert(id, planned);
            sampling.push(Sampling { id, service, schedule, sampler, plan });
        }
        let names = cluster.as_ref().map(ClusterSource::watches).unwrap_or_default();
        Ok(Self { clock, state: State::new(specs, names), sampling, plans, cluster, recording: false })
    }

    /// Has milestones written as Kubernetes Events.
    pub(super) fn recording(mut self) -> Self {
        self.recording = true;
        self
    }

    /// Starts everything under `supervisor` and returns where snapshots appear.
    pub(super) fn start(mut self, supervisor: &mut Supervisor, stop: &CancellationToken) -> watch::Receiver<Snapshot> {
        let (events, received) = mpsc::channel(EVENTS_MAX);
        let (snapshots, shown) = watch::channel(self.state.snapshot(self.clock.now()));
        let mut records = None;
        if let Some(cluster) = self.cluster {
            if let (true, ClusterSource::Kubernetes(watcher)) = (self.recording, &cluster) {
                let (sender, recorder) = watcher.recorder();
                records = Some(sender);
                let (events, stop) = (events.clone(), stop.clone());
                supervisor.spawn("writing Kubernetes Events", async move {
                    recorder.run(events, stop).await;
                    Ok(())
                });
            }
            let (events, stop) = (events.clone(), stop.clone());
            supervisor.spawn("watching Kubernetes", async move {
                cluster.run(events, stop).await;
                Ok(())
            });
        }
        for sampling in self.sampling {
            let (events, stop, shown) = (events.clone(), stop.clone(), shown.clone());
            supervisor
                .spawn(format!("direct samples {}", sampling.id.0), sampling.direct(events.clone(), stop.clone()));
            supervisor.spawn(format!("sampling {}", sampling.id.0), async move {
                sampling.run(events, shown, stop).await;
                Ok(())
            });
        }
        let owner =
            Owner { state: self.state, clock: self.clock, events: received, snapshots, plans: self.plans, records };
        let stop = stop.clone();
        supervisor.spawn("state", async move {
            owner.run().await;
            stop.cancelled().await;
            Ok(())
        });
        shown
    }
}

impl ClusterSource {
    fn watches(&self) -> Vec<WatchName> {
        match self {
            Self::Kubernetes(watcher) => watcher.watches(),
            Self::Stage(stage) => stage.watches(),
        }
    }

    async fn run(self, events: mpsc::Sender<Event>, stop: CancellationToken) {
        match self {
            Self::Kubernetes(watcher) => watcher.run(events, stop).await,
            Self::Stage(stage) => stage.play(events, stop).await,
        }
    }
}

impl Sampling {
    /// Takes samples until `stop`.
    async fn run(self, events: mpsc::Sender<Event>, shown: watch::Receiver<Snapshot>, stop: CancellationToken) {
        if let Some(service) = &self.service {
            tokio::select! {
                _ = timeout(ENDPOINTS_WITHIN, endpoints_known(service, shown)) => {}
                () = stop.cancelled() => return,
            }
        }
        let sampler = self.sampler;
        let sample = move |sequence| {
            let sampler = Arc::clone(&sampler);
            async move { sampler.sample(sequence).await }
        };
        self.schedule.run(self.id, self.plan, sample, events, stop.clone()).await;
        // A schedule with a limit is done before the program is.
        stop.cancelled().await;
    }

    /// Asks pods at their own addresses until `stop`, as far as the plan has any.
    fn direct(
        &self,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let (id, plan, sampler) = (self.id, self.plan.clone(), Arc::clone(&self.sampler));
        async move {
            let sample = move |ask: &Ask| {
                let (sampler, addresses) = (Arc::clone(&sampler), ask.addresses.clone());
                async move { sampler.sample_at(&addresses).await }
            };
            direct::run(id, plan, sample, events, stop).await;
            Ok(())
        }
    }
}

/// Waits until the endpoints of the Service were listed, or it is known that they cannot be.
async fn endpoints_known(service: &ObjectName, mut shown: watch::Receiver<Snapshot>) {
    let settled = |snapshot: &Snapshot| {
        let watches = snapshot.cluster.iter().flat_map(|cluster| &cluster.watches);
        let of_routing = |kind: Kind| matches!(kind, Kind::Service | Kind::Slice);
        watches
            .filter(|(name, _)| of_routing(name.kind) && name.namespace == service.namespace)
            .all(|(_, watch)| watch.settled())
    };
    // An error means that the state's owner is gone, and then the program is on its way out.
    let _ = shown.wait_for(settled).await;
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
            changed = true;
        }
        self.show();
    }

    /// Has a milestone written as a Kubernetes Event, if that is wanted. Nothing waits for it.
    fn record(&mut self, news: &News, now: Moment) {
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
