//! The effective configuration: loaded at the start, on request, and when its file changes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    task::Id,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::fleet::Fleet;
use crate::{
    cli::RunArgs,
    config::{Configuration, Entry, FileStamp, Selector, Target},
    model::{Event, cluster::ObjectName},
    source::kubernetes::{self, Found, Watcher, discover},
    view::web::Reload,
};

/// A changed file is detected within this time. Kubernetes takes up to a minute to update a mounted `ConfigMap`.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(2);

/// A refused file is retried after this many looks: a file that it refers to may exist by then.
const LOOKS_BETWEEN_TRIALS: u32 = 15;

const QUEUE: usize = 16;

pub(super) struct Reloader {
    args: RunArgs,
    fleet: Fleet,
    configuration: Configuration,
    shown: watch::Sender<String>,
    hangup: Signal,
    requests: mpsc::Receiver<Reload>,
    found: mpsc::Receiver<Found>,
    finding: mpsc::Sender<Found>,
    discoveries: HashMap<(Selector, Arc<str>), Discovering>,
    stop: CancellationToken,
}

struct Discovering {
    services: BTreeSet<ObjectName>,
    task: Id,
    leave: CancellationToken,
}

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
    /// The returned channels are for the HTTP server: the configuration text, and reload requests.
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

    /// Applies the whole configuration, or nothing on an error.
    pub(super) async fn apply(&mut self, Loaded { configuration, shown }: Loaded) -> anyhow::Result<()> {
        if configuration.needs_kubernetes() && self.fleet.watcher().is_none() {
            let client = kubernetes::connect(self.args.target.kubernetes_context.as_deref()).await?;
            let watcher = Watcher::new(client, !self.args.no_scale_events);
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
            // The stamp is taken before the file is read, so that a change in between is detected.
            stamp = FileStamp::of(file.as_deref());
            let loaded = self.reload().await;
            looks_until_trial = loaded.is_err().then_some(LOOKS_BETWEEN_TRIALS);
            if let Some(request) = asked {
                // The client may have disconnected.
                let _ = request.send(loaded);
            }
        }
        self.fleet.drain().await
    }

    /// Reloads the configuration. An invalid one is logged and changes nothing.
    async fn reload(&mut self) -> Result<(), String> {
        let args = self.args.clone();
        // Reading 1,000 targets must not delay the probes on the single event loop.
        let load = move || -> anyhow::Result<Loaded> {
            let mut configuration = args.target.configuration()?;
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

    async fn found(&mut self, found: Found) -> anyhow::Result<()> {
        // A discovery that has ended may still have a message in the queue.
        let Some(discovering) = self.discoveries.get_mut(&(found.selector, found.namespace)) else { return Ok(()) };
        discovering.services = found.services;
        let wanted = self.wanted(&self.configuration);
        let wanted = wanted.into_iter().map(|target| (target, None)).collect();
        let set = self.fleet.set(wanted, self.configuration.imbalance).await;
        if let Err(error) = set {
            tracing::warn!(error = format!("{error:#}"), "discovered Services cannot be probed");
        }
        Ok(())
    }

    /// Configured and discovered targets. A configured target wins over a discovered one with the same name.
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
            let places = discovery.places().map(|namespace| (discovery.search.selector.clone(), namespace));
            for service in places.filter_map(|place| self.discoveries.get(&place)).flat_map(|there| &there.services) {
                match discovery.target(service) {
                    Ok(target) if wanted.len() >= Configuration::TARGETS_MAX => {
                        tracing::warn!(target = %target.name, "not probed: there are {} targets", wanted.len());
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

    fn discover(&mut self) {
        let Some(client) = self.fleet.watcher().map(|watcher| watcher.client().clone()) else { return };
        let places = self.configuration.discoveries().flat_map(|discovery| {
            discovery.places().map(|namespace| (discovery.search.selector.clone(), namespace)).collect::<Vec<_>>()
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
        // Sending fails only while the program is stopping.
        let _ = self.fleet.observation().events.send(event).await;
    }
}
