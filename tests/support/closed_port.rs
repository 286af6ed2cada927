//! An address at which nothing listens.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// The port stays bound, so that no other program gets it, and connections to it are refused.
pub(crate) struct ClosedPort(pub(crate) TcpSocket);

impl ClosedPort {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}
