//! A listener that hands each connection to a server, like a read Service.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    balancer::Balancer,
    protocol::{self, Connection, Reception, Server},
};
use crate::{clock::Clock, model::Identity};

/// Pause before the next accept when no file descriptor is free.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A read Service of healthy servers.
#[derive(Debug)]
pub struct ReadService {
    replicas: Mutex<Replicas>,
    clock: Clock,
    connections: AtomicU64,
}

#[derive(Debug)]
struct Replicas {
    /// The balancer refers to replicas by their index here.
    identities: Vec<Arc<Identity>>,
    balancer: Balancer,
}

struct Well {
    identity: Arc<Identity>,
    clock: Clock,
}

impl ReadService {
    /// `seed` decides all choices.
    pub fn new(replicas: Vec<Identity>, seed: u64, clock: Clock) -> Self {
        let service = Self {
            replicas: Mutex::new(Replicas { identities: Vec::new(), balancer: Balancer::new([], seed) }),
            clock,
            connections: AtomicU64::new(0),
        };
        for replica in replicas {
            service.add(replica);
        }
        service
    }

    pub fn add(&self, replica: Identity) {
        let Replicas { identities, balancer } = &mut *self.replicas.lock();
        if let Ok(place) = u32::try_from(identities.len()) {
            identities.push(Arc::new(replica));
            balancer.route(place, true);
        }
    }

    /// Connections handed to a server so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = accept(&listener, || self.choose()) => {}
        }
    }

    fn choose(&self) -> Option<Well> {
        let mut replicas = self.replicas.lock();
        let place = usize::try_from(replicas.balancer.choose()?).ok()?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        Some(Well { identity: Arc::clone(replicas.identities.get(place)?), clock: self.clock })
    }
}

impl Server for Well {
    fn reception(&self) -> Option<Reception> {
        Some(Reception::Greets(Duration::ZERO))
    }

    fn identity(&self) -> Option<Identity> {
        Some(Identity { server_time: Some(self.clock.now().wall), ..Identity::clone(&self.identity) })
    }
}

pub(super) async fn accept<S: Server>(listener: &TcpListener, choose: impl Fn() -> Option<S>) {
    let mut connections = JoinSet::new();
    let mut id = 0_u32;
    loop {
        let accepted = tokio::select! {
            Some(_) = connections.join_next() => continue,
            accepted = accept_one(listener) => accepted,
        };
        match accepted {
            Ok(stream) => {
                let Some(server) = choose() else { continue };
                id = id.wrapping_add(1);
                let salt = std::array::from_fn(|_| rand::random_range(b'!'..=b'~'));
                connections.spawn(protocol::serve(stream, server, Connection { id, salt }));
            }
            Err(error) => {
                tracing::warn!(%error, "a listener of the demo cannot accept a connection");
                sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

async fn accept_one(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
