//! The probed targets, which can change at run time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::anyhow;
use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    observation::{Observation, Plans},
    probing::Probing,
};
use crate::{
    config::{Imbalance, Target},
    demo::Stage,
    model::{CheckRules, ProbeIntervals, ProbePlan, TargetId, TargetSet, TargetSpec, VerdictRules, cluster::WatchName},
    source::{
        kubernetes::{Namespaces, Record, Watcher},
        mysql::{Prober, ProberError},
        schedule::Schedule,
    },
};

/// A target, with the rules of its check if it has one.
pub(super) type Wanted = (Target, Option<CheckRules>);

pub(super) struct Fleet {
    observation: Observation,
    running: Vec<Running>,
    next: u32,
    cluster: Option<Cluster>,
    /// Receives the milestones to write as Kubernetes Events, if enabled.
    records: Option<mpsc::Sender<Record>>,
    imbalance: Imbalance,
    tasks: JoinSet<()>,
    /// Only tasks that must not end yet.
    names: HashMap<Id, String>,
    stop: CancellationToken,
}

struct Running {
    id: TargetId,
    wanted: Wanted,
    task: Id,
    stop: CancellationToken,
}

enum Cluster {
    Kubernetes {
        watcher: Watcher,
        namespaces: watch::Sender<Namespaces>,
    },
    /// The demo, with its watches.
    Stage(Vec<WatchName>),
}

impl Fleet {
    pub(super) fn new(observation: Observation, stop: CancellationToken) -> Self {
        Self {
            observation,
            running: Vec::new(),
            next: 0,
            cluster: None,
            records: None,
            imbalance: Imbalance::default(),
            tasks: JoinSet::new(),
            names: HashMap::new(),
            stop,
        }
    }

    pub(super) fn observation(&self) -> &Observation {
        &self.observation
    }

    pub(super) fn watcher(&self) -> Option<&Watcher> {
        match &self.cluster {
            Some(Cluster::Kubernetes { watcher, .. }) => Some(watcher),
            _ => None,
        }
    }

    pub(super) fn watch(&mut self, watcher: Watcher) {
        let (namespaces, wanted) = watch::channel(Namespaces::new());
        let task = watcher.clone().run(wanted, self.observation.events.clone(), self.stop.clone());
        self.spawn("watching Kubernetes".to_owned(), task);
        self.cluster = Some(Cluster::Kubernetes { watcher, namespaces });
    }

    /// Writes milestones as Kubernetes Events to the watched cluster.
    pub(super) fn record(&mut self, watcher: &Watcher) {
        let (records, recorder) = watcher.recorder();
        let task = recorder.run(self.observation.events.clone(), self.stop.clone());
        self.spawn("writing Kubernetes Events".to_owned(), task);
        self.records = Some(records);
    }

    pub(super) fn play(&mut self, stage: Stage) {
        self.cluster = Some(Cluster::Stage(stage.watches()));
        let task = stage.play(self.observation.events.clone(), self.stop.clone());
        self.spawn("playing the demo".to_owned(), task);
    }

    /// Replaces all targets, or none on an error. An unchanged target keeps its state and its probes in flight; a
    /// different `imbalance` restarts every target.
    pub(super) async fn set(&mut self, wanted: Vec<Wanted>, imbalance: Imbalance) -> anyhow::Result<()> {
        let same_rules = self.imbalance == imbalance;
        let mut before: HashMap<Arc<str>, Running> =
            self.running.drain(..).map(|running| (Arc::clone(&running.wanted.0.name), running)).collect();
        let clock = self.observation.clock;
        // All fallible steps come first.
        let goes_on = |running: &Running, wanted: &Wanted| same_rules && running.wanted == *wanted;
        let is_new = |wanted: &&Wanted| before.get(&wanted.0.name).is_none_or(|running| !goes_on(running, wanted));
        let probers: Result<Vec<_>, ProberError> =
            wanted.iter().filter(is_new).map(|(target, _)| Prober::new(target.clone(), clock)).collect();
        let probers = match probers {
            Ok(probers) => probers,
            Err(error) => {
                self.running = before.into_values().collect();
                self.running.sort_by_key(|running| running.id);
                return Err(error.into());
            }
        };
        let new = probers.len();
        let namespaces: Namespaces =
            wanted.iter().filter_map(|(target, _)| Some(Arc::clone(&target.service.as_ref()?.namespace))).collect();
        let watches = match &self.cluster {
            Some(Cluster::Kubernetes { watcher, .. }) => watcher.watches(&namespaces),
            Some(Cluster::Stage(watches)) => watches.clone(),
            None => Vec::new(),
        };
        let mut lineup = TargetSet { watches, ..TargetSet::default() };
        let (mut plans, mut starting, mut probers) = (Plans::new(), Vec::new(), probers.into_iter());
        for wanted in wanted {
            if let Some(running) = before.remove(&wanted.0.name) {
                if goes_on(&running, &wanted) {
                    lineup.order.push(running.id);
                    self.running.push(running);
                    continue;
                }
                before.insert(Arc::clone(&wanted.0.name), running);
            }
            let Some(prober) = probers.next() else { continue };
            let id = TargetId(self.next);
            self.next += 1;
            let (spec, schedule) = plan(&wanted, imbalance);
            let (planned, plan) = watch::channel(ProbePlan::default());
            plans.insert(id, planned);
            lineup.order.push(id);
            lineup.new.push((id, spec));
            let service = wanted.0.service.clone();
            let delay = share_of(schedule.interval.get(), starting.len(), new);
            let probing = Probing { id, service, delay, schedule, prober: Arc::new(prober), plan };
            starting.push((probing, wanted));
        }
        self.observation.line_up(lineup, plans, self.records.clone()).await?;
        self.imbalance = imbalance;
        if let Some(Cluster::Kubernetes { namespaces: watched, .. }) = &self.cluster {
            watched.send_if_modified(|now| {
                let other = *now != namespaces;
                *now = namespaces;
                other
            });
        }
        for gone in before.into_values() {
            // Its probes in flight end by themselves, and their events are ignored.
            self.release(gone.task);
            gone.stop.cancel();
        }
        for (probing, wanted) in starting {
            self.start(probing, wanted);
        }
        Ok(())
    }

    /// The task must run until it is [released](Self::release) or the program stops.
    pub(super) fn spawn(&mut self, name: String, task: impl Future<Output = ()> + Send + 'static) -> Id {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
        id
    }

    pub(super) fn release(&mut self, task: Id) {
        self.names.remove(&task);
    }

    fn start(&mut self, probing: Probing, wanted: Wanted) {
        let (id, stop) = (probing.id, self.stop.child_token());
        let task = probing.run(self.observation.events.clone(), self.observation.shown.clone(), stop.clone());
        let task = self.spawn(format!("probing {}", wanted.0.name), task);
        self.running.push(Running { id, wanted, task, stop });
    }

    /// Waits for a task that ends unasked, and returns its name and the cause.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        loop {
            let Some(ended) = self.tasks.join_next_with_id().await else {
                std::future::pending::<()>().await;
                continue;
            };
            let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
            let name = self.names.remove(&id);
            match (ended, name) {
                (Ok(_), None) => {}
                (Ok(_), Some(name)) => return anyhow!("the task {name} ended by itself"),
                (Err(error), name) => {
                    let name = name.unwrap_or_else(|| "probing a target that is gone".to_owned());
                    return anyhow!("the task {name} panicked: {}", super::supervisor::panic_message(error));
                }
            }
        }
    }

    pub(super) async fn keep(mut self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            error = self.ended() => return Err(error),
        }
        self.drain().await
    }

    pub(super) async fn drain(mut self) -> anyhow::Result<()> {
        self.names.clear();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                return Err(anyhow!("a task panicked: {}", super::supervisor::panic_message(error)));
            }
        }
        Ok(())
    }
}

fn plan((target, check): &Wanted, imbalance: Imbalance) -> (TargetSpec, Schedule) {
    // A check needs a fixed number of probes. Faster probing after events has no reader.
    let regular = ProbeIntervals::regular(target.settings.interval.get());
    let pace = if check.is_some() { regular } else { target.settings.intervals() };
    let spec = TargetSpec {
        port: target.address.port,
        pace,
        name: Arc::clone(&target.name),
        expectation: target.settings.expectation.clone(),
        service: target.service.clone(),
        statefulset: target.statefulset.clone(),
        forget_after: target.settings.forget_after.get(),
        verdict: VerdictRules {
            false_alarm_period: imbalance.false_alarm_period.get(),
            tolerance: imbalance.tolerance.get(),
            interval: target.settings.interval.get(),
        },
        check: check.clone(),
    };
    let schedule = Schedule {
        interval: target.settings.interval,
        max_in_flight: target.settings.max_in_flight.get(),
        burst_interval: pace.burst.map(|burst| burst.interval).filter(|burst| *burst < pace.interval),
        limit: check.as_ref().map(|rules| rules.probes),
    };
    (spec, schedule)
}

/// The start of the `index`-th of `count` equal parts of an interval.
fn share_of(interval: Duration, index: usize, count: usize) -> Duration {
    let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    interval * part(index) / part(count.max(1))
}
