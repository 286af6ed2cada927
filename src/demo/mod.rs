//! The demo: embedded servers with the real protocol, a load balancer and a simulated cluster. A script drives them;
//! the rest of readscope cannot tell them from real ones.

mod balancer;
mod cluster;
mod protocol;
mod script;
mod servers;
mod service;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use self::{
    balancer::Balancer,
    cluster::Cluster,
    script::{Action, Behaviour, REPLICAS, ROUND},
    servers::{Handle, Servers},
    service::accept,
};
use crate::{
    clock::Clock,
    model::{
        Event, WatchUpdate,
        cluster::{Change, ObjectName, WatchName},
    },
};

pub use service::ReadService;

/// Attempts to find a port that is free at every pod's address too.
const PORTS_TRIED: usize = 20;

/// The demo; its read Service already listens.
#[derive(Debug)]
pub struct Stage {
    service: TcpListener,
    port: u16,
    scenario: Scenario,
}

#[derive(Debug)]
struct Scenario {
    balancer: Arc<Mutex<Balancer>>,
    servers: Arc<Mutex<Servers>>,
    cluster: Cluster,
    clock: Clock,
    /// Scenario seconds per second.
    pace: f64,
    /// Port at the pods' own addresses, if they have any. Linux has all of 127.0.0.0/8 on loopback, other systems do not.
    port: Option<u16>,
    /// Listeners at the pods' addresses, by ordinal.
    listeners: HashMap<u32, AbortHandle>,
    listening: JoinSet<()>,
}

impl Stage {
    /// `seed` decides all choices of the load balancer. Scenario time runs `pace` times as fast as `clock`.
    pub async fn open(seed: u64, pace: f64, clock: Clock) -> io::Result<Self> {
        let (service, addresses) = listen().await?;
        let port = service.local_addr()?.port();
        let address: fn(u32) -> Option<IpAddr> =
            if addresses { |ordinal| Some(servers::address(ordinal)) } else { |_| None };
        let scenario = Scenario {
            balancer: Arc::new(Mutex::new(Balancer::new(0..REPLICAS, seed))),
            servers: Arc::new(Mutex::new(Servers::new(clock, pace))),
            cluster: Cluster::new(REPLICAS, clock.now().wall, address, port),
            clock,
            pace,
            port: addresses.then_some(port),
            listeners: HashMap::new(),
            listening: JoinSet::new(),
        };
        Ok(Self { service, port, scenario })
    }

    pub fn service() -> ObjectName {
        cluster::service_name()
    }

    /// Port of the Service on 127.0.0.1, and of each pod on its own address.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn watches(&self) -> Vec<WatchName> {
        cluster::watches()
    }

    /// Repeats the scenario and sends watch events to `events`, until `stop` is cancelled or `events` is closed.
    pub async fn play(mut self, events: mpsc::Sender<Event>, stop: CancellationToken) {
        let (balancer, servers) = (Arc::clone(&self.scenario.balancer), Arc::clone(&self.scenario.servers));
        let choose = || Some(Handle { ordinal: balancer.lock().choose()?, servers: Arc::clone(&servers) });
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&self.service, choose) => {}
            () = self.scenario.repeat(&events) => {}
        }
    }
}

impl Scenario {
    /// Returns when `events` is closed.
    async fn repeat(&mut self, events: &mpsc::Sender<Event>) {
        for ordinal in 0..REPLICAS {
            self.behave(ordinal, Behaviour::Starts(Duration::ZERO)).await;
        }
        let listed = self.cluster.list().into_iter().map(|(watch, change)| change_event(watch, change));
        let lists = cluster::watches().into_iter().map(|watch| Event::Cluster { watch, update: WatchUpdate::Listed });
        for event in listed.chain(lists) {
            if events.send(event).await.is_err() {
                return;
            }
        }
        let mut began = Instant::now();
        loop {
            for timed in script::round() {
                sleep_until(began + timed.at.div_f64(self.pace)).await;
                if let Some(event) = self.take(timed.action).await
                    && events.send(event).await.is_err()
                {
                    return;
                }
            }
            began += ROUND.div_f64(self.pace);
            sleep_until(began).await;
        }
    }

    /// Applies an action and returns its event. The caption of a step is also logged.
    async fn take(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Begin(caption) => {
                tracing::info!("{caption}");
                Some(Event::Caption(caption.into()))
            }
            Action::Route(ordinal, routed) => {
                self.balancer.lock().route(ordinal, routed);
                None
            }
            Action::Server(ordinal, behaviour) => {
                self.behave(ordinal, behaviour).await;
                None
            }
            Action::Clients(clients) => {
                self.servers.lock().connect_clients(&clients);
                None
            }
            Action::Scale(_) | Action::Pvc(..) | Action::Pod(..) | Action::Publish => {
                let (watch, change) = self.cluster.take(&action, self.clock.now().wall)?;
                Some(change_event(watch, change))
            }
        }
    }

    async fn behave(&mut self, ordinal: u32, behaviour: Behaviour) {
        // The server's identity is stored in the PVC: a new PVC makes another server.
        let server_uuid = self.cluster.server_uuid(ordinal).unwrap_or_default();
        self.servers.lock().behave(ordinal, behaviour, &server_uuid);
        match behaviour {
            Behaviour::Starts(_) => self.listen_at_pod_address(ordinal).await,
            Behaviour::Stops => {
                if let Some(listener) = self.listeners.remove(&ordinal) {
                    listener.abort();
                }
            }
            Behaviour::Well | Behaviour::Slow | Behaviour::Refusing => {}
        }
        // Remove the tasks of closed listeners.
        while self.listening.try_join_next().is_some() {}
    }

    /// Starts the listener at the pod's own address.
    async fn listen_at_pod_address(&mut self, ordinal: u32) {
        let Some(port) = self.port else { return };
        let address = SocketAddr::new(servers::address(ordinal), port);
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let servers = Arc::clone(&self.servers);
                let listening =
                    async move { accept(&listener, || Some(Handle { ordinal, servers: Arc::clone(&servers) })).await };
                self.listeners.insert(ordinal, self.listening.spawn(listening));
            }
            Err(error) => tracing::warn!(%address, %error, "a server of the demo cannot listen at its own address"),
        }
    }
}

/// Prefers a port that is also free at the pods' own addresses, and returns whether it found one.
async fn listen() -> io::Result<(TcpListener, bool)> {
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    for _ in 0..PORTS_TRIED {
        let port = listener.local_addr()?.port();
        let mut free = Ok(());
        for ordinal in 0..=REPLICAS {
            free = free.and(TcpListener::bind((servers::address(ordinal), port)).await.map(drop));
        }
        match free {
            Ok(()) => return Ok((listener, true)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            }
            Err(_) => break,
        }
    }
    Ok((listener, false))
}

fn change_event(watch: WatchName, change: Change) -> Event {
    Event::Cluster { watch, update: WatchUpdate::Change(Box::new(change)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Settings, Target, Tls},
        model::{FailureReason, Probe},
        source::mysql::Prober,
    };

    fn prober(host: IpAddr, port: u16, clock: Clock) -> Prober {
        let timeout = Duration::from_secs(30).try_into().unwrap();
        let settings = Settings { tls: Tls::Disabled, timeout, ..Settings::default() };
        let target = Target { settings, ..Target::at(SocketAddr::new(host, port).into()) };
        Prober::new(target, clock).unwrap()
    }

    fn server_id(probe: &Probe) -> u32 {
        probe.outcome.as_ref().unwrap().identity.server_id
    }

    /// The replicas that the first connections reach, in order.
    async fn first_choices(seed: u64) -> Vec<u32> {
        let clock = Clock::start();
        // At this pace the first step outlasts the test.
        let stage = Stage::open(seed, 0.1, clock).await.unwrap();
        let prober = prober(Ipv4Addr::LOCALHOST.into(), stage.port(), clock);
        let (events, mut received) = mpsc::channel(100);
        let stop = CancellationToken::new();
        let playing = tokio::spawn(stage.play(events, stop.clone()));
        received.recv().await.unwrap();
        let mut chosen = Vec::new();
        for sequence in 0..30 {
            chosen.push(server_id(&prober.probe(sequence).await));
        }
        stop.cancel();
        playing.await.unwrap();
        chosen
    }

    #[tokio::test]
    async fn the_same_seed_makes_the_same_choices() {
        let choices = first_choices(7).await;
        assert_eq!(choices, first_choices(7).await);
        assert_ne!(choices, first_choices(8).await);
        assert!([100, 101, 102].iter().all(|id| choices.contains(id)), "{choices:?}");
    }

    #[tokio::test]
    async fn a_refusing_server_gives_a_reason_and_a_stopped_server_is_unreachable() {
        let clock = Clock::start();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let prober = prober(Ipv4Addr::LOCALHOST.into(), listener.local_addr().unwrap().port(), clock);
        let servers = Arc::new(Mutex::new(Servers::new(clock, 1.0)));
        servers.lock().behave(0, Behaviour::Starts(Duration::ZERO), "a");
        let listening = {
            let servers = Arc::clone(&servers);
            tokio::spawn(async move {
                accept(&listener, || Some(Handle { ordinal: 0, servers: Arc::clone(&servers) })).await;
            })
        };
        assert_eq!(server_id(&prober.probe(0).await), 100);
        servers.lock().behave(0, Behaviour::Refusing, "");
        let failure = prober.probe(1).await.outcome.unwrap_err();
        assert_eq!(failure.reason, FailureReason::TooManyConnections);
        assert!(failure.text.ends_with("Too many connections"), "{}", failure.text);
        servers.lock().behave(0, Behaviour::Stops, "");
        assert!(prober.probe(2).await.outcome.is_err());
        listening.abort();
    }
}
