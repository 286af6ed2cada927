//! The configuration in force: loaded at the start, and again when somebody asks for it or its file changes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::Id,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{fleet::Fleet, run::interval_of};
use crate::{
    cli::RunArgs,
    config::{Configuration, Entry, FileStamp, Selector, Target},
    model::{Event, cluster::ObjectName},
    source::kubernetes::{self, Found, Watcher, discover},
    view::web::Reload,
};

/// A change of the file is seen within this. Kubernetes takes up to a minute to bring a changed `ConfigMap` to a pod.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// A refused file is tried again after so many looks: what it refers to may be there by then.
const LOOKS_BETWEEN_TRIALS: u32 = 15;

/// Who asks for a reload at the web side, or found Services, waits in a queue of this.
const QUEUE: usize = 16;

/// As the lab does it.
pub(super) const INTERVAL: &str = "1s";

/// The configuration in force and what makes it another one.
pub(super) struct Reloader {
    args: RunArgs,
    fleet: Fleet,
    configuration: Configuration,
    shown: watch::Sender<String>,
    hangup: Signal,
    requests: mpsc::Receiver<Reload>,
    found: mpsc::Receiver<Found>,
    /// Handed to each discovery.
    finding: mpsc::Sender<Found>,
    discoveries: HashMap<(Selector, Arc<str>), Discovering>,
    stop: CancellationToken,
}

/// A watch of Services that become targets.
struct Discovering {
    /// What it found.
    services: BTreeSet<ObjectName>,
    task: Id,
    leave: CancellationToken,
}

/// A configuration, and the text that shows it.
pub(super) struct Loaded {
    configuration: Configuration,
    shown: String,
}

impl Loaded {
    pub(super) fn new(configuration: Configuration) -> anyhow::Result<Self> {
        let shown = configuration.show().context("cannot show the configuration")?;
        Ok(Self { configuration, shown })
    }
}

impl Reloader {
    /// Loads nothing yet. Returns as well where the web side shows the configuration and asks for a reload.
    pub(super) fn new(
        args: &RunArgs,
        fleet: Fleet,
        stop: CancellationToken,
    ) -> anyhow::Result<(Self, watch::Receiver<String>, mpsc::Sender<Reload>)> {
        let (shown, showing) = watch::channel(String::new());
        let (asking, requests) = mpsc::channel(QUEUE);
        let (finding, found) = mpsc::channel(QUEUE);
        let reloader = Self {
            args: args.clone(),
            fleet,
            configuration: Configuration::default(),
            shown,
            hangup: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
            requests,
            found,
            finding,
            discoveries: HashMap::new(),
            stop,
        };
        Ok((reloader, showing, asking))
    }

    /// Puts a configuration in force: all of it, or nothing.
    pub(super) async fn apply(&mut self, Loaded { configuration, shown }: Loaded) -> anyhow::Result<()> {
        if configuration.needs_kubernetes() && self.fleet.watcher().is_none() {
            let client = kubernetes::connect(self.args.target.kubernetes_context.as_deref()).await?;
            let watcher = Watcher::new(client, !self.args.no_lifecycle);
            if self.args.kubernetes_events {
                self.fleet.record(&watcher);
            }
            self.fleet.watch(watcher);
        }
        let wanted = self.wanted(&configuration);
        let wanted = wanted.into_iter().map(|target| (target, None)).collect();
        self.fleet.set(wanted, configuration.imbalance).await?;
        self.shown.send_replace(shown);
        self.configuration = configuration;
        self.discover();
        self.tell(Event::ConfigLoaded(Ok(()))).await;
        Ok(())
    }

    /// Follows every wish to reload until the stop, then lets samples under way end.
    pub(super) async fn run(mut self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        let file = self.args.target.config_file.clone();
        let mut stamp = FileStamp::of(file.as_deref());
        let mut looks_until_trial = None;
        let mut look = interval(LOOKED_AT_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                error = self.fleet.ended() => return Err(error),
                Some(found) = self.found.recv() => {
                    self.found(found).await?;
                    continue;
                }
                Some(request) = self.requests.recv() => Some(request),
                _ = self.hangup.recv() => None,
                _ = look.tick() => {
                    let now = FileStamp::of(file.as_deref());
                    let again = looks_until_trial.as_mut().is_some_and(|looks: &mut u32| {
                        *looks = looks.saturating_sub(1);
                        *looks == 0
                    });
                    if now == stamp && !again {
                        continue;
                    }
                    None
                }
            };
            // Looked at before it is read: a change meanwhile is seen at the next look.
            stamp = FileStamp::of(file.as_deref());
            let loaded = self.reload().await;
            looks_until_trial = loaded.is_err().then_some(LOOKS_BETWEEN_TRIALS);
            if let Some(request) = asked {
                // Who asked may have hung up.
                let _ = request.send(loaded);
            }
        }
        self.fleet.drain().await
    }

    /// Loads the configuration anew. What is wrong with it is told, and changes nothing.
    async fn reload(&mut self) -> Result<(), String> {
        let args = self.args.clone();
        // Reading a thousand targets must not delay samples, which run on the one event loop.
        let load = move || -> anyhow::Result<Loaded> {
            let interval = interval_of(INTERVAL).map_err(|error| anyhow!("{error:?}"))?;
            let mut configuration = args.target.configuration(interval)?;
            args.judge_by(&mut configuration);
            Loaded::new(configuration)
        };
        let loaded = match tokio::task::spawn_blocking(load).await {
            Ok(Ok(configuration)) => self.apply(configuration).await,
            Ok(Err(error)) => Err(error),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = &loaded {
            self.tell(Event::ConfigLoaded(Err(format!("{error:#}").into()))).await;
        }
        loaded.map_err(|error| format!("{error:#}"))
    }

    /// Other Services are there.
    async fn found(&mut self, found: Found) -> anyhow::Result<()> {
        // One that was left may still have had something to say.
        let Some(discovering) = self.discoveries.get_mut(&(found.selector, found.namespace)) else { return Ok(()) };
        discovering.services = found.services;
        let wanted = self.wanted(&self.configuration);
        let wanted = wanted.into_iter().map(|target| (target, None)).collect();
        let set = self.fleet.set(wanted, self.configuration.imbalance).await;
        if let Err(error) = set {
            tracing::warn!(error = format!("{error:#}"), "discovered Services cannot be sampled");
        }
        Ok(())
    }

    /// The targets of a configuration, with those that were discovered. One that is written down comes before one that
    /// was found under its name.
    fn wanted(&self, configuration: &Configuration) -> Vec<Target> {
        let mut names: HashSet<Arc<str>> = configuration.targets().map(|target| Arc::clone(&target.name)).collect();
        let mut wanted = Vec::new();
        for entry in &configuration.entries {
            let discovery = match entry {
                Entry::Target(target) => {
                    wanted.push((**target).clone());
                    continue;
                }
                Entry::Discover(discovery) => discovery,
            };
            let places = discovery.places().map(|namespace| (discovery.selector.clone(), namespace));
            for service in places.filter_map(|place| self.discoveries.get(&place)).flat_map(|there| &there.services) {
                match discovery.target(service) {
                    Ok(target) if wanted.len() >= Configuration::TARGETS_MAX => {
                        tracing::warn!(target = %target.name, "not sampled: there are {} targets", wanted.len());
                    }
                    Ok(target) => {
                        if names.insert(Arc::clone(&target.name)) {
                            wanted.push(target);
                        }
                    }
                    Err(error) => tracing::warn!(%service, %error, "a discovered Service has no address"),
                }
            }
        }
        wanted
    }

    /// Begins the discoveries that are new, and ends those that are not wanted any more.
    fn discover(&mut self) {
        let Some(client) = self.fleet.watcher().map(|watcher| watcher.client().clone()) else { return };
        let places = self.configuration.discoveries().flat_map(|discovery| {
            discovery.places().map(|namespace| (discovery.selector.clone(), namespace)).collect::<Vec<_>>()
        });
        let places: HashSet<_> = places.collect();
        for (_, discovering) in self.discoveries.extract_if(|place, _| !places.contains(place)) {
            self.fleet.release(discovering.task);
            discovering.leave.cancel();
        }
        for place in places {
            if self.discoveries.contains_key(&place) {
                continue;
            }
            let leave = self.stop.child_token();
            let (selector, namespace) = place.clone();
            let events = self.fleet.observation().events.clone();
            let task = discover(client.clone(), namespace, selector, self.finding.clone(), events, leave.clone());
            let task = self.fleet.spawn(format!("discovering {}", place.0), task);
            self.discoveries.insert(place, Discovering { services: BTreeSet::new(), task, leave });
        }
    }

    async fn tell(&self, event: Event) {
        // Nobody listens only when the program is on its way out.
        let _ = self.fleet.observation().events.send(event).await;
    }
}
