//! Working replicas of the demo behind one listener, in a thread of their own.

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle};

use readscope::{clock::Clock, demo::ReadService, model::Identity};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) struct Replicas {
    pub(crate) address: SocketAddr,
    service: Arc<ReadService>,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

/// The lab's server with this ordinal.
pub(crate) fn identity(ordinal: u32) -> Identity {
    Identity {
        server_id: 100 + ordinal,
        server_uuid: Some(format!("00000000-0000-4000-8000-{ordinal:012}")),
        host_name: format!("mysql-{ordinal}"),
        read_only: ordinal > 0,
        version: "9.7.0".to_owned(),
        server_time: None,
        gtid_executed: Some(String::new()),
    }
}

impl Replicas {
    /// Replicas with these ordinals; each is equally likely for a connection.
    pub(crate) fn of(ordinals: &[u32], seed: u64) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let identities = ordinals.iter().copied().map(identity).collect();
        let stop = CancellationToken::new();
        let service = runtime.block_on(async { Arc::new(ReadService::new(identities, seed, Clock::start())) });
        let (serving_service, serving_stop) = (Arc::clone(&service), stop.clone());
        let serving = std::thread::spawn(move || {
            runtime.block_on(async {
                serving_service.serve(TcpListener::from_std(listener).unwrap(), serving_stop).await;
            });
        });
        Self { address, service, stop, serving: Some(serving) }
    }

    pub(crate) fn add(&self, ordinal: u32) {
        self.service.add(identity(ordinal));
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}
