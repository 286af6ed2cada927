//! The effective configuration: loaded at the start, on request, and when its file changes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use anyhow::Context;
use futures_util::FutureExt;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::targets::Targets;
use crate::{
    cli::RunArgs,
    config::{Configuration, Entry, FileStamp, Reloaded, Selector, Target},
    model::{Event, cluster::ObjectName},
    source::kubernetes::Found,
    view::web::Reload,
};

const QUEUE: usize = 16;

pub(super) struct Reloader {
    args: RunArgs,
    targets: Targets,
    configuration: Reloaded<Configuration>,
    /// The text that `/config` serves.
    text: watch::Sender<String>,
    hangup: Signal,
    requests: mpsc::Receiver<Reload>,
    found: mpsc::Receiver<Found>,
    found_sender: mpsc::Sender<Found>,
    discoveries: HashMap<(Selector, Arc<str>), Discovered>,
}

struct Discovered {
    services: BTreeSet<ObjectName>,
    _stop: DropGuard,
}

pub(super) struct Loaded {
    pub(super) configuration: Configuration,
    text: String,
}

impl Loaded {
    pub(super) fn load(args: &RunArgs) -> anyhow::Result<Self> {
        let mut configuration = args.target.configuration()?;
        args.judge_by(&mut configuration);
        let text = configuration.show().context("cannot show the configuration")?;
        Ok(Self { configuration, text })
    }
}

impl Reloader {
    /// `file` is the stamp of the configuration file from before the first load. The returned channels are for the HTTP
    /// server: the configuration text, and reload requests.
    pub(super) fn new(
        args: &RunArgs,
        targets: Targets,
        file: Option<FileStamp>,
    ) -> anyhow::Result<(Self, watch::Receiver<String>, mpsc::Sender<Reload>)> {
        let (text, text_receiver) = watch::channel(String::new());
        let (requests_sender, requests) = mpsc::channel(QUEUE);
        let (found_sender, found) = mpsc::channel(QUEUE);
        let reloader = Self {
            args: args.clone(),
            targets,
            configuration: Reloaded::new(Configuration::default(), file.into_iter().collect()),
            text,
            hangup: signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?,
            requests,
            found,
            found_sender,
            discoveries: HashMap::new(),
        };
        Ok((reloader, text_receiver, requests_sender))
    }

    /// Applies the whole configuration, or nothing on an error.
    pub(super) async fn apply(&mut self, loaded: Loaded) -> anyhow::Result<()> {
        let Loaded { configuration, text } = loaded;
        if configuration.needs_kubernetes() {
            self.targets.connect().await?;
        }
        let wanted = self.wanted(&configuration).into_iter().map(|target| (target, None)).collect();
        self.targets.set(wanted, configuration.imbalance).await?;
        self.targets.resume();
        self.text.send_replace(text);
        self.configuration.take(Ok::<_, anyhow::Error>(configuration));
        self.discover();
        self.send(Event::ConfigLoaded(Ok(()))).await;
        Ok(())
    }

    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let request = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(found) = self.found.recv() => {
                    self.apply_found(found).await;
                    continue;
                }
                Some(request) = self.requests.recv() => Some(request),
                _ = self.hangup.recv() => None,
                () = self.configuration.due() => None,
            };
            // A request reads the file too: the next look compares it with its state now.
            self.configuration.is_due();
            let result = self.reload().await;
            if let Some(request) = request {
                // The client may have disconnected.
                let _ = request.send(result);
            }
        }
    }

    /// An invalid configuration changes nothing.
    async fn reload(&mut self) -> Result<(), String> {
        let args = self.args.clone();
        // Reading 1,000 targets must not delay the probes on the single event loop.
        let loaded = match tokio::task::spawn_blocking(move || Loaded::load(&args)).await {
            Ok(Ok(loaded)) => self.apply(loaded).await,
            Ok(Err(error)) => Err(error),
            Err(error) => Err(error.into()),
        };
        let Err(error) = loaded else { return Ok(()) };
        let error = format!("{error:#}");
        self.configuration.take(Err(()));
        self.send(Event::ConfigLoaded(Err(error.as_str().into()))).await;
        Err(error)
    }

    async fn apply_found(&mut self, found: Found) {
        // A discovery that has ended may still have a message in the queue.
        let Some(discovered) = self.discoveries.get_mut(&(found.selector, found.namespace)) else { return };
        discovered.services = found.services;
        let configuration = self.configuration.value();
        let wanted = self.wanted(configuration).into_iter().map(|target| (target, None)).collect();
        if let Err(error) = self.targets.set(wanted, configuration.imbalance).await {
            tracing::warn!(error = format!("{error:#}"), "failed to probe the discovered Services");
        }
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
            let services = discovery.places().flat_map(|namespace| {
                let place = (discovery.search.selector.clone(), namespace);
                self.discoveries.get(&place).map_or_else(|| self.known_in(&place.1), |found| found.services.clone())
            });
            for service in services {
                match discovery.target(&service) {
                    Ok(target) if wanted.len() >= Configuration::TARGETS_MAX => {
                        let targets_max = Configuration::TARGETS_MAX;
                        tracing::warn!(target = %target.name, targets_max, "too many targets; this Service is not probed");
                    }
                    Ok(target) => {
                        if names.insert(Arc::clone(&target.name)) {
                            wanted.push(target);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%service, %error, "the Service has no valid address and is not probed");
                    }
                }
            }
        }
        wanted
    }

    /// Discovered Services of a namespace, or of all. A new discovery has them until its first list, so that a Service
    /// that both it and an earlier one find stays a target.
    fn known_in(&self, namespace: &str) -> BTreeSet<ObjectName> {
        let known = self.discoveries.values().flat_map(|found| &found.services);
        known.filter(|service| namespace.is_empty() || *service.namespace == *namespace).cloned().collect()
    }

    fn discover(&mut self) {
        let Some(watcher) = self.targets.watcher() else { return };
        let places = self.configuration.value().discoveries().flat_map(|discovery| {
            discovery.places().map(|namespace| (discovery.search.selector.clone(), namespace)).collect::<Vec<_>>()
        });
        let places: HashSet<_> = places.collect();
        let new = places.iter().filter(|place| !self.discoveries.contains_key(place));
        let new: Vec<_> = new.map(|place| (place.clone(), self.known_in(&place.1))).collect();
        self.discoveries.retain(|place, _| places.contains(place));
        for (place, services) in new {
            let (selector, namespace) = place.clone();
            let (found, events) = (self.found_sender.clone(), self.targets.state().events.clone());
            let stop = self.targets.supervisor().spawn(format!("discovering {selector}"), |stop| {
                watcher.clone().discover(namespace, selector, found, events, stop).map(Ok)
            });
            self.discoveries.insert(place, Discovered { services, _stop: stop.drop_guard() });
        }
    }

    async fn send(&self, event: Event) {
        // Sending fails only while the program is stopping.
        let _ = self.targets.state().events.send(event).await;
    }
}
