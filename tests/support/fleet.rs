//! Many read Services, as cheap as they can be.

use std::{net::Ipv4Addr, sync::Arc};

use readscope::{clock::Clock, demo::ReadService, model::Identity};
use tokio::net::TcpListener;

/// Replicas of each.
pub(crate) const REPLICAS: u32 = 5;

/// Each with where it is to listen.
pub(crate) async fn read_services(number: u32, address: Ipv4Addr) -> Vec<(TcpListener, Arc<ReadService>)> {
    let mut services = Vec::new();
    for target in 0..number {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let identities = (0..REPLICAS).map(|ordinal| identity(target, ordinal)).collect();
        services.push((listener, Arc::new(ReadService::new(identities, target.into(), Clock::start()))));
    }
    services
}

fn identity(target: u32, ordinal: u32) -> Identity {
    let uuid = format!("{target:08x}-0000-4000-8000-{ordinal:012}");
    Identity {
        server_id: 100 + ordinal,
        gtid_executed: Some(format!("{uuid}:1-120000")),
        server_uuid: Some(uuid),
        host_name: format!("mysql-{ordinal}"),
        read_only: ordinal > 0,
        version: "9.7.0".to_owned(),
        server_time: None,
    }
}
