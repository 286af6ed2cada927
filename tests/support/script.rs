//! What a server does with one connection, step by step.

use std::{sync::Arc, time::Duration};

use rustls::ServerConfig;

use super::wire::{self, Field, Greeting};

/// How long a server waits for a client, which may wait for the server.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Sends the bytes repeatedly until the client closes the connection.
    Flood(Vec<u8>),
    /// Waits for one packet of the client.
    Receive,
    /// Waits for one packet of the client, at most this long.
    ReceiveWithin(Duration),
    /// Starts TLS as a server.
    Encrypt(Arc<ServerConfig>),
}

/// How the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The server sends nothing more; the client has to close.
    Silence,
    /// FIN; then the client has to close.
    Close,
    /// RST.
    Reset,
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
}

impl Script {
    pub(crate) fn nothing() -> Self {
        Self { steps: Vec::new(), end: End::Close }
    }

    /// Greets, and waits for the client's login.
    pub(crate) fn greeting() -> Self {
        Self::nothing().send(Greeting::default().packet()).receive()
    }

    /// Lets the client in, and waits for its query.
    pub(crate) fn login() -> Self {
        Self::greeting().send(wire::packet(2, &wire::ok())).receive()
    }

    /// Requests the TLS handshake, which follows.
    pub(crate) fn tls_request() -> Self {
        Self::nothing().send(Greeting::default().with_tls().packet()).receive()
    }

    /// A working replica.
    pub(crate) fn answering(fields: &[Field]) -> Self {
        Self::login().send(wire::identity_answer(fields)).receive()
    }

    pub(crate) fn good() -> Self {
        Self::answering(&wire::identity("101", "mysql-1"))
    }

    pub(crate) fn send(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Send(bytes.into()));
        self
    }

    pub(crate) fn receive(mut self) -> Self {
        self.steps.push(Step::Receive);
        self
    }

    pub(crate) fn receive_within(mut self, patience: Duration) -> Self {
        self.steps.push(Step::ReceiveWithin(patience));
        self
    }

    pub(crate) fn flood(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Flood(bytes.into()));
        self
    }

    pub(crate) fn encrypt(mut self, config: &Arc<ServerConfig>) -> Self {
        self.steps.push(Step::Encrypt(Arc::clone(config)));
        self
    }

    pub(crate) fn then_silence(self) -> Self {
        Self { end: End::Silence, ..self }
    }

    pub(crate) fn then_close(self) -> Self {
        Self { end: End::Close, ..self }
    }

    pub(crate) fn then_reset(self) -> Self {
        Self { end: End::Reset, ..self }
    }
}
