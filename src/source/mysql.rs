//! One sample opens a new TCP connection, because the load balancer chooses a replica per connection; a pooled
//! connection would sample one choice for ever. It resolves the name, connects and logs in, asks one identity query and
//! says `COM_QUIT`, each phase timed and all of them under one timeout.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mysql_async::{Conn, Opts, OptsBuilder, Row, SslOpts, prelude::Queryable};
use tokio::time::{Instant, timeout_at};

use super::{
    containment::contain,
    failure::{self, Stage},
    identity,
    resolve::{Resolver, ResolverError},
};
use crate::{
    clock::Clock,
    config::{ClientIdentity, PasswordError, PasswordSource, Secret, Target, Tls},
    model::{Answer, Failure, FailureReason, Sample, Timings},
};

/// No answer to the identity query is longer; a server that sends more is not waited for.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// A password file is looked at this often, and after every refused login.
const PASSWORD_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// Addresses whose settings are kept. A Service has one; a headless one as many as replicas.
const ADDRESSES_KEPT: usize = 64;

/// Takes the samples of one target.
#[derive(Debug)]
pub struct Sampler {
    target: Target,
    clock: Clock,
    resolver: Resolver,
    /// Locked for look-ups alone, never across an await.
    settings: Mutex<Settings>,
}

/// Why a target cannot be sampled at all.
#[derive(Debug, thiserror::Error)]
pub enum SamplerError {
    /// Its password cannot be had.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Names cannot be resolved on this machine.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
}

/// What a connection is made with. The driver builds a TLS connector once for each `Opts`, so they are kept and cloned.
#[derive(Debug)]
struct Settings {
    password: Option<Secret>,
    looked_at: Instant,
    /// Whether the last look at the password file failed; told once.
    unreadable: bool,
    by_address: HashMap<IpAddr, Opts>,
}

impl Sampler {
    /// A sampler of `target`, whose samples are dated by `clock`.
    ///
    /// # Errors
    /// When the password file or the resolver's configuration cannot be read.
    pub fn new(target: Target, clock: Clock) -> Result<Self, SamplerError> {
        let resolver = Resolver::new(&target.address, target.timeout.get())?;
        let settings = Settings {
            password: target.password.read()?,
            looked_at: Instant::now(),
            unreadable: false,
            by_address: HashMap::new(),
        };
        Ok(Self { target, clock, resolver, settings: Mutex::new(settings) })
    }

    /// Takes one sample. Failing to reach the database is data: it never returns an error.
    pub async fn sample(&self, sequence: u64) -> Sample {
        let started = self.clock.now();
        let outcome = self.attempt().await;
        if matches!(&outcome, Err(failure) if failure.reason == FailureReason::Auth) {
            self.look_at_password();
        }
        Sample { sequence, started, finished: self.clock.now(), outcome }
    }

    async fn attempt(&self) -> Result<Answer, Failure> {
        let began = Instant::now();
        let deadline = began + self.target.timeout.get();
        let late = |phase: &str, address| Failure {
            reason: FailureReason::Timeout,
            text: format!("no end of {phase} after {:?}", self.target.timeout.get()),
            address,
        };

        let addresses = match timeout_at(deadline, self.resolver.resolve()).await {
            Ok(addresses) => addresses?,
            Err(_) => return Err(late("resolving the name", None)),
        };
        let resolved = Instant::now();

        let (mut connection, address) = {
            let login = self.log_in(&addresses);
            match timeout_at(deadline, login).await {
                Ok(connection) => connection?,
                Err(_) => return Err(late("connecting and logging in", self.socket_address(&addresses))),
            }
        };
        let logged_in = Instant::now();

        let query = contain(connection.query_first::<Row, _>(identity::QUERY));
        let answered = timeout_at(deadline, query).await;
        let asked = Instant::now();
        let identity = match answered {
            Ok(Ok(Ok(Some(row)))) => identity::read(&row).map_err(|text| Failure {
                reason: FailureReason::Protocol,
                text,
                address: Some(address),
            }),
            Ok(Ok(Ok(None))) => Err(Failure {
                reason: FailureReason::Query,
                text: format!("{address} answered the identity query without a row"),
                address: Some(address),
            }),
            Ok(Ok(Err(error))) => Err(failure::failure(&error, Stage::Query, address)),
            Ok(Err(panicked)) => Err(failure::beyond_the_driver(&panicked, Stage::Query, address)),
            Err(_) => Err(late("the identity query", Some(address))),
        };
        // COM_QUIT, or the server counts an aborted client. Whatever comes of it, the answer stands.
        let _ = timeout_at(deadline, connection.disconnect()).await;

        let timings = Timings {
            resolve: resolved - began,
            login: logged_in - resolved,
            query: asked - logged_in,
            total: asked - began,
        };
        Ok(Answer { identity: identity?, timings, address })
    }

    /// Logs in at the first address that does not refuse, as a client does.
    async fn log_in(&self, addresses: &[IpAddr]) -> Result<(Conn, SocketAddr), Failure> {
        let mut refused = None;
        for ip in addresses {
            let address = SocketAddr::new(*ip, self.target.address.port);
            let failure = match contain(Conn::new(self.opts(*ip))).await {
                Ok(Ok(connection)) => return Ok((connection, address)),
                Ok(Err(error)) => failure::failure(&error, Stage::Login, address),
                Err(panicked) => failure::beyond_the_driver(&panicked, Stage::Login, address),
            };
            if !failure::tries_next(&failure) {
                return Err(failure);
            }
            refused = Some(failure);
        }
        Err(refused.unwrap_or_else(|| Failure {
            reason: FailureReason::Resolve,
            text: format!("{} has no address", self.target.address.host),
            address: None,
        }))
    }

    fn socket_address(&self, addresses: &[IpAddr]) -> Option<SocketAddr> {
        addresses.first().map(|ip| SocketAddr::new(*ip, self.target.address.port))
    }

    /// What a connection to `ip` is made with, with the password as it is now.
    fn opts(&self, ip: IpAddr) -> Opts {
        if matches!(self.target.password, PasswordSource::File(_)) {
            let looked_at = self.lock().looked_at;
            if looked_at.elapsed() >= PASSWORD_LOOKED_AT_EVERY {
                self.look_at_password();
            }
        }
        let mut settings = self.lock();
        if settings.by_address.len() >= ADDRESSES_KEPT && !settings.by_address.contains_key(&ip) {
            settings.by_address.clear();
        }
        let Settings { password, by_address, .. } = &mut *settings;
        by_address.entry(ip).or_insert_with(|| opts(&self.target, password.as_ref(), ip)).clone()
    }

    /// Reads the password again. One that cannot be read leaves the old one in force.
    fn look_at_password(&self) {
        let read = self.target.password.read();
        let mut settings = self.lock();
        settings.looked_at = Instant::now();
        match read {
            Ok(password) if password == settings.password => settings.unreadable = false,
            Ok(password) => {
                tracing::info!(target = %self.target.name, "the password has changed and is used from now on");
                settings.password = password;
                settings.unreadable = false;
                settings.by_address.clear();
            }
            Err(error) if !settings.unreadable => {
                tracing::warn!(target = %self.target.name, %error, "the password read before stays in use");
                settings.unreadable = true;
            }
            Err(_) => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Settings> {
        // Nothing that holds the lock leaves it half changed, so a panic elsewhere does not spoil it.
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the driver's own set-up queries, and never by way of the server's Unix socket.
fn opts(target: &Target, password: Option<&Secret>, ip: IpAddr) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(&target.address.host)
        .resolved_ips(Some(vec![ip]))
        .tcp_port(target.address.port)
        .user(Some(&target.user))
        .pass(password.map(Secret::expose))
        .ssl_opts(ssl_opts(&target.tls))
        .prefer_socket(Some(false))
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        .wait_timeout(Some(30))
        .stmt_cache_size(Some(0))
        .into()
}

fn ssl_opts(tls: &Tls) -> Option<SslOpts> {
    let identity = |client: &ClientIdentity| {
        mysql_async::ClientIdentity::new(client.certificate.bytes.clone().into(), client.key.bytes.clone().into())
    };
    match tls {
        Tls::Disabled => None,
        Tls::Required { client } => Some(
            SslOpts::default()
                .with_danger_accept_invalid_certs(true)
                .with_client_identity(client.as_ref().map(identity)),
        ),
        Tls::VerifyIdentity { authorities, client } => {
            let roots = authorities.iter().map(|file| file.bytes.clone().into()).collect();
            Some(
                SslOpts::default()
                    .with_disable_built_in_roots(authorities.is_some())
                    .with_root_certs(roots)
                    .with_client_identity(client.as_ref().map(identity)),
            )
        }
    }
}
