//! How connections are encrypted, from what the configuration says.

use std::{io, net::IpAddr, sync::Arc};

use rustls::{client::Resumption, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::config::{EncryptionError, Tls};

/// The TLS side of one target.
pub(super) struct Encryption {
    connector: TlsConnector,
    /// `None` if the host is no name that a certificate can have; then its address has to do.
    name: Option<ServerName<'static>>,
}

impl Encryption {
    /// How connections to `host` are encrypted; `None` if they are not.
    pub(super) fn of(tls: &Tls, host: &str) -> Result<Option<Self>, EncryptionError> {
        let Some(mut config) = tls.client()? else { return Ok(None) };
        // A client that connects for the first time has no session to resume, and the next replica would not know it.
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(host.to_owned()).ok();
        Ok(Some(Self { connector: TlsConnector::from(Arc::new(config)), name }))
    }

    /// The handshake with the server at `address`.
    pub(super) async fn encrypt(&self, stream: TcpStream, address: IpAddr) -> io::Result<TlsStream<TcpStream>> {
        let name = self.name.clone().unwrap_or_else(|| ServerName::from(address));
        self.connector.connect(name, stream).await
    }
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption").field("name", &self.name).finish_non_exhaustive()
    }
}
