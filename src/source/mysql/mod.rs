//! Probes. Each one opens a new TCP connection, because the load balancer chooses a replica per connection; a pooled
//! connection would always reach the same replica. It resolves the name, connects, logs in, runs the identity query and
//! sends `COM_QUIT`. Each phase is timed, and one timeout covers all of them. Now and then a probe also reads the status
//! counters of the server, after the identity query, so that no phase takes longer.

mod failure;
mod identity;
mod options;
mod salt;
mod status;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
};

use futures_util::FutureExt;
use mysql_async::{Conn, Error, Row, prelude::Queryable};
use rand::seq::SliceRandom as _;
use tokio::time::{Instant, Sleep, sleep_until};

use self::{failure::Stage, options::Options, status::Readings};
use super::{
    own_traffic::{OwnTraffic, ServerHash},
    resolve::{Resolver, ResolverError},
};
use crate::{
    clock::Clock,
    config::{PasswordError, Target},
    model::{Answer, Charge, Failure, FailureReason, Probe, SERVICE_PORT, Timings},
    panics::contain,
};

/// Only the first row counts. A server that sends more rows than this is given up.
const ROWS_MAX: usize = 16;

pub struct Prober {
    target: Target,
    clock: Clock,
    /// Absent where the target is an IP address.
    resolver: Option<Resolver>,
    options: Options,
    readings: Readings,
}

/// Where a probe connects.
#[derive(Clone, Copy)]
enum At<'a> {
    /// The target's name, at this port; at a random address if `any`.
    Name {
        port: u16,
        any: bool,
    },
    Addresses(&'a [SocketAddr]),
}

#[derive(Debug, thiserror::Error)]
pub enum ProberError {
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Resolver(#[from] ResolverError),
}

impl Prober {
    pub fn new(target: Target, clock: Clock) -> Result<Self, ProberError> {
        let address = &target.address;
        let by_name = || Resolver::new(address.host.clone(), target.settings.timeout.get());
        let resolver = address.ip().is_none().then(by_name).transpose()?;
        let options = Options::of(&target)?;
        let readings = Readings::new(target.settings.clients_interval.get());
        Ok(Self { target, clock, resolver, options, readings })
    }

    /// Several probers of a process may reach the same servers.
    pub fn counting(mut self, traffic: OwnTraffic) -> Self {
        self.readings.traffic = traffic;
        self
    }

    /// A failed probe is data, not an error.
    pub async fn probe(&self, sequence: u64) -> Probe {
        self.probe_service(sequence, None, false).await
    }

    /// Connects to this port of the Service, if the target names none; to any address of its name if `any`, else to the
    /// first.
    pub async fn probe_service(&self, sequence: u64, port: Option<u16>, any: bool) -> Probe {
        let port = self.target.address.port.or(port).unwrap_or(SERVICE_PORT);
        self.dated(sequence, self.attempt(At::Name { port, any })).await
    }

    /// Probes the first of `addresses` that does not refuse. The certificate must be valid for the target's name, as
    /// for clients of the Service. The sequence number of the result has no meaning.
    pub async fn probe_at(&self, addresses: &[SocketAddr]) -> Probe {
        self.dated(0, self.attempt(At::Addresses(addresses))).await
    }

    /// Whether the password or a TLS file has changed since the last call. Looks at most once a second.
    pub fn files_changed(&self) -> bool {
        self.options.take_changed(&self.target)
    }

    /// Probes that start from now on use the present files.
    pub fn look_at_files(&self) {
        self.options.renew(&self.target);
    }

    async fn dated(&self, sequence: u64, attempt: impl Future<Output = Result<Answer, Failure>>) -> Probe {
        let started = self.clock.now();
        let outcome = attempt.await;
        // Also after a refused login: the account may require another certificate.
        if matches!(&outcome, Err(Failure { reason: FailureReason::Auth | FailureReason::Tls, .. })) {
            self.options.renew(&self.target);
        }
        // A reading of the status counters comes after the end of the probe.
        let finished = outcome.as_ref().map_or_else(|_| self.clock.now(), |answer| started.after(answer.timings.total));
        Probe { sequence, started, finished, outcome }
    }

    async fn attempt(&self, at: At<'_>) -> Result<Answer, Failure> {
        let began = Instant::now();
        let mut end = pin!(sleep_until(began + self.target.settings.timeout.get()));
        let late = |phase: &str, address: Option<SocketAddr>| {
            let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
            let text = format!("{phase}{at} did not finish within {:?}", self.target.settings.timeout.get());
            Failure { reason: FailureReason::Timeout, text, address, charge: None, advice: None }
        };

        let addresses = match at {
            At::Addresses(given) => given.to_vec(),
            At::Name { port, any } => match before(end.as_mut(), self.resolve()).await {
                Some(ips) => {
                    let mut ips = ips?;
                    if any {
                        ips.shuffle(&mut rand::rng());
                    }
                    ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()
                }
                None => return Err(late("resolving the name", None)),
            },
        };
        let resolved = Instant::now();

        let mut tried = None;
        let connecting = self.readings.connecting();
        // The driver does not report when it has connected.
        let Some(logged_in) = before(end.as_mut(), self.log_in(&addresses, &mut tried)).await else {
            // The server may have waited in vain for the rest of the handshake.
            return Err(Failure { charge: Some(Charge::Handshake), ..late("connecting and logging in", tried) });
        };
        let (mut connection, address) = logged_in?;
        let logged_in = Instant::now();

        let answered = before(end.as_mut(), contain(identity_row(&mut connection))).await;
        let queried = Instant::now();
        let mut is_usable = matches!(answered, Some(Ok(Ok(_) | Err(Error::Server(_)))));
        let failed = |reason, text| Failure { reason, text, address: Some(address), charge: None, advice: None };
        let identity = match answered {
            Some(Ok(Ok(Some(row)))) => identity::read(row).map_err(|text| failed(FailureReason::Protocol, text)),
            Some(Ok(Ok(None))) => {
                Err(failed(FailureReason::Query, format!("{address} returned no row for the identity query")))
            }
            Some(Ok(Err(error))) => Err(failure::failure(error, Stage::Query, address)),
            Some(Err(panicked)) => Err(failure::of_panic(&panicked, Stage::Query, address)),
            None => Err(late("the identity query", Some(address))),
        };
        if let Ok(identity) = &identity {
            self.options.read(&identity.version);
        }
        let server = identity.as_ref().ok().map(ServerHash::of);
        let own = server.map(|server| self.readings.traffic.answered(server));
        drop(connecting);
        let by_pod_probe = matches!(at, At::Addresses(_));
        let due = server.filter(|server| is_usable && self.readings.take_due(*server, by_pod_probe));
        let mut status = None;
        if let Some(server) = due {
            let read = self.readings.read(&mut connection, server, self.clock, end.as_mut()).await;
            status = Some(Box::new(read.0));
            is_usable = read.1;
        }
        // Send COM_QUIT, or the server counts an aborted client. Its result does not matter. If the server has not
        // finished its response, the driver can only close the connection; without this call it would wait for the rest
        // in a background task.
        let goodbye = contain(connection.disconnect());
        if is_usable {
            let _ = before(end, goodbye).await;
        } else {
            let _ = goodbye.now_or_never();
        }

        drop(own);
        let timings = Timings {
            resolve: resolved - began,
            login: logged_in - resolved,
            query: queried - logged_in,
            total: queried - began,
        };
        Ok(Answer { identity: identity?, timings, address, status })
    }

    async fn resolve(&self) -> Result<Vec<IpAddr>, Failure> {
        match &self.resolver {
            Some(resolver) => resolver.resolve().await,
            None => Ok(self.target.address.ip().into_iter().collect()),
        }
    }

    /// Tries the next address after a refusal, as clients do. `tried` is the last address.
    async fn log_in(
        &self,
        addresses: &[SocketAddr],
        tried: &mut Option<SocketAddr>,
    ) -> Result<(Conn, SocketAddr), Failure> {
        let mut refused = None;
        for &address in addresses {
            *tried = Some(address);
            let login = contain(Conn::new(self.options.at(&self.target, address))).await;
            let is_excused = salt::may_be_the_cause(&login) && self.options.excuses();
            let mut failure = match login {
                Ok(Ok(connection)) => return Ok((connection, address)),
                Ok(Err(error)) => failure::failure(error, Stage::Login, address),
                Err(panicked) => failure::of_panic(&panicked, Stage::Login, address),
            };
            if is_excused {
                failure = Failure { charge: None, advice: Some(salt::ADVICE), ..failure };
            }
            if !failure::tries_next(&failure) {
                return Err(failure);
            }
            refused = Some(failure);
        }
        Err(refused.unwrap_or_else(|| Failure {
            reason: FailureReason::Resolve,
            text: format!("{} has no address", self.target.address.host),
            address: None,
            charge: None,
            advice: None,
        }))
    }
}

/// `None` if the query returns no row.
async fn identity_row(connection: &mut Conn) -> Result<Option<Row>, Error> {
    match first_row(connection, identity::QUERY).await {
        Err(refusal) if identity::refuses_a_variable(&refusal) => {
            first_row(connection, identity::PLAIN_QUERY).await.map_err(|_| refusal)
        }
        answered => answered,
    }
}

async fn first_row(connection: &mut Conn, query: &str) -> Result<Option<Row>, Error> {
    let mut result = connection.query_iter(query).await?;
    let first = result.next().await?;
    if first.is_none() {
        return Ok(None);
    }
    for _ in 1..=ROWS_MAX {
        if result.next().await?.is_none() {
            return Ok(first);
        }
    }
    let text = format!("the server sent more than {ROWS_MAX} rows");
    Err(io::Error::new(io::ErrorKind::InvalidData, text).into())
}

/// `None` if `end` comes first. Work that is ready wins even after `end`.
async fn before<T>(end: Pin<&mut Sleep>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = end => None,
    }
}
