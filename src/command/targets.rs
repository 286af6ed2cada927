//! The probed targets, which can change at run time, and the cluster of their Services.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;

use super::{
    probing::Probing,
    state_task::{Plans, StateHandle},
    supervisor::Supervisor,
};
use crate::{
    config::{Imbalance, Target},
    demo::Stage,
    model::{CheckRules, Event, ProbePlan, TargetId, TargetSet, TargetSpec, VerdictRules, cluster::WatchName},
    source::{
        OwnTraffic,
        gate::Gate,
        kubernetes::{self, Election, Namespaces, Record, Recorder, Scope, Watcher},
        mysql::{Prober, ProberError},
        schedule::Schedule,
    },
    view::metrics::Counts,
};

/// A target, with the rules of its check if it has one.
pub(super) type Wanted = (Target, Option<CheckRules>);

pub(super) struct Targets {
    state: StateHandle,
    supervisor: Supervisor,
    /// By name.
    running: HashMap<Arc<str>, Running>,
    next_id: u32,
    imbalance: Imbalance,
    /// Stays when targets change.
    traffic: OwnTraffic,
    kubernetes: KubernetesOptions,
    cluster: Option<Cluster>,
    /// Receives the milestones to write as Kubernetes Events, if enabled.
    records: Option<mpsc::Sender<Record>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct KubernetesOptions {
    pub(super) context: Option<String>,
    pub(super) scope: Scope,
    /// Write milestones as Kubernetes Events.
    pub(super) write_events: bool,
    pub(super) counts: Counts,
    /// Name of the Lease by which one of several readscopes leads.
    pub(super) lease: Option<String>,
}

struct Running {
    id: TargetId,
    wanted: Wanted,
    gate: Arc<Gate>,
    /// Ends its probes. Those in flight end by themselves, and their events are ignored.
    _stop: DropGuard,
}

enum Cluster {
    Kubernetes {
        watcher: Watcher,
        namespaces: watch::Sender<Namespaces>,
    },
    /// The demo, with its watches.
    Stage(Vec<WatchName>),
}

impl Targets {
    pub(super) fn new(state: StateHandle, supervisor: Supervisor, kubernetes: KubernetesOptions) -> Self {
        Self {
            state,
            supervisor,
            running: HashMap::new(),
            next_id: 0,
            imbalance: Imbalance::default(),
            traffic: OwnTraffic::default(),
            kubernetes,
            cluster: None,
            records: None,
        }
    }

    pub(super) fn state(&self) -> &StateHandle {
        &self.state
    }

    pub(super) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    pub(super) fn watcher(&self) -> Option<&Watcher> {
        match &self.cluster {
            Some(Cluster::Kubernetes { watcher, .. }) => Some(watcher),
            _ => None,
        }
    }

    /// Connects to the cluster, unless that has been done.
    pub(super) async fn connect(&mut self) -> anyhow::Result<()> {
        if self.cluster.is_some() {
            return Ok(());
        }
        let counts = self.kubernetes.counts.clone();
        let count = move |verb: &str, code: &str| counts.api_request(verb, code);
        let client = kubernetes::connect(self.kubernetes.context.as_deref(), count).await?;
        let watcher = Watcher::new(client.clone(), self.kubernetes.scope);
        let (events, clock) = (&self.state.events, self.state.clock);
        let (leads, leadership) = watch::channel(None);
        if let Some(name) = &self.kubernetes.lease {
            // Until the first look at the Lease, another readscope may lead.
            let election = Election::new(client.clone(), name, clock);
            let follows = election.follows(None);
            leads.send_replace(Some(follows.clone()));
            events.send(Event::Leadership(follows)).await?;
            self.supervisor.spawn("electing a leader", |stop| election.run(leads, events.clone(), stop).map(Ok));
        }
        if self.kubernetes.write_events {
            let (records, recorder) = Recorder::new(client);
            self.supervisor.spawn("writing Kubernetes Events", |stop| {
                recorder.run(leadership, clock, events.clone(), stop).map(Ok)
            });
            self.records = Some(records);
        }
        let (namespaces, wanted) = watch::channel(Namespaces::new());
        let watching = watcher.clone();
        self.supervisor.spawn("watching Kubernetes", |stop| watching.run(wanted, events.clone(), stop).map(Ok));
        self.cluster = Some(Cluster::Kubernetes { watcher, namespaces });
        Ok(())
    }

    pub(super) fn play(&mut self, stage: Stage) {
        self.cluster = Some(Cluster::Stage(stage.watches()));
        let events = self.state.events.clone();
        self.supervisor.spawn("playing the demo", |stop| stage.play(events, stop).map(Ok));
    }

    /// Replaces all targets, or none on an error. An unchanged target keeps its state and its probes in flight; a
    /// different `imbalance` restarts every target.
    pub(super) async fn set(&mut self, wanted: Vec<Wanted>, imbalance: Imbalance) -> anyhow::Result<()> {
        let same_rules = self.imbalance == imbalance;
        let stays = |running: &Running, wanted: &Wanted| same_rules && running.wanted == *wanted;
        // All fallible steps come first.
        let is_new = |wanted: &&Wanted| self.running.get(&wanted.0.name).is_none_or(|running| !stays(running, wanted));
        let prober = |(target, _): &Wanted| {
            Prober::new(target.clone(), self.state.clock).map(|prober| prober.counting(self.traffic.clone()))
        };
        let probers = wanted.iter().filter(is_new).map(prober);
        let probers = probers.collect::<Result<Vec<_>, ProberError>>()?;

        let namespaces: Namespaces =
            wanted.iter().filter_map(|(target, _)| Some(Arc::clone(&target.service.as_ref()?.namespace))).collect();
        let watches = self.watches(&namespaces);
        let mut targets = TargetSet { watches, ..TargetSet::default() };
        let (mut plans, mut starting) = (Plans::new(), Vec::new());
        let (new, mut probers) = (probers.len(), probers.into_iter());
        let mut before = mem::take(&mut self.running);
        let mut gone = Vec::new();
        for wanted in wanted {
            let name = Arc::clone(&wanted.0.name);
            match before.remove(&name) {
                Some(running) if stays(&running, &wanted) => {
                    targets.order.push(running.id);
                    self.running.insert(name, running);
                    continue;
                }
                other => gone.extend(other),
            }
            let Some(prober) = probers.next() else { continue };
            let id = TargetId(self.next_id);
            self.next_id += 1;
            let (spec, schedule) = plan(&wanted, imbalance);
            let (sender, plan) = watch::channel(ProbePlan::default());
            plans.insert(id, sender);
            targets.order.push(id);
            targets.new.push((id, spec));
            let service = wanted.0.service.clone();
            let delay = share_of(schedule.interval.get(), starting.len(), new);
            let gate = Arc::new(Gate::new(id, prober, self.state.clock, plan.clone(), self.state.events.clone()));
            let probing = Probing { id, service, delay, schedule, gate, plan };
            starting.push((probing, wanted));
        }
        self.state.set_targets(targets, plans, self.records.clone()).await?;
        self.imbalance = imbalance;
        if let Some(Cluster::Kubernetes { namespaces: watched, .. }) = &self.cluster {
            watched.send_if_modified(|now| mem::replace(now, namespaces.clone()) != namespaces);
        }
        drop((before, gone));
        for (probing, wanted) in starting {
            self.start(probing, wanted);
        }
        Ok(())
    }

    /// Ends the pauses of all targets.
    pub(super) fn resume(&self) {
        self.running.values().for_each(|running| running.gate.refill());
    }

    fn watches(&self, namespaces: &Namespaces) -> Vec<WatchName> {
        match &self.cluster {
            Some(Cluster::Kubernetes { watcher, .. }) => watcher.watches(namespaces),
            Some(Cluster::Stage(watches)) => watches.clone(),
            None => Vec::new(),
        }
    }

    fn start(&mut self, probing: Probing, wanted: Wanted) {
        let (id, name, gate) = (probing.id, Arc::clone(&wanted.0.name), Arc::clone(&probing.gate));
        let (events, snapshots) = (self.state.events.clone(), self.state.snapshots.clone());
        let stop =
            self.supervisor.spawn(format!("probing {name}"), |stop| probing.run(events, snapshots, stop).map(Ok));
        self.running.insert(name, Running { id, wanted, gate, _stop: stop.drop_guard() });
    }
}

fn plan((target, check): &Wanted, imbalance: Imbalance) -> (TargetSpec, Schedule) {
    let mut pace = target.settings.intervals();
    // A check needs a fixed number of probes. Faster probing after events has no reader.
    pace.burst = pace.burst.filter(|_| check.is_none());
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
        // With a Service, a check starts again after changes.
        limit: check.as_ref().filter(|_| target.service.is_none()).map(|rules| rules.probes),
    };
    (spec, schedule)
}

/// The start of the `index`-th of `count` equal parts of an interval.
fn share_of(interval: Duration, index: usize, count: usize) -> Duration {
    let part = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    interval * part(index) / part(count.max(1))
}
