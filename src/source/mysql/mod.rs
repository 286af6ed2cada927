//! One sample opens a new TCP connection, because the load balancer chooses a replica per connection; a pooled
//! connection would sample one choice for ever. It resolves the name, connects and logs in, asks one identity query and
//! says `COM_QUIT`, each phase timed and all of them under one timeout.

mod failure;
mod identity;
mod rotation;

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
};

use futures_util::FutureExt;
use mysql_async::{Conn, Error, Row, prelude::Queryable};
use tokio::time::{Instant, Sleep, sleep_until};

use self::{failure::Stage, rotation::Rotation};
use super::resolve::{Resolver, ResolverError};
use crate::{
    clock::Clock,
    config::{PasswordError, Target},
    model::{Answer, Failure, FailureReason, Sample, Timings},
    panics::contain,
};

/// The identity query has one row. The first one counts, and a server that sends more than these is given up.
const ROWS_MAX: usize = 16;

/// Takes the samples of one target.
#[derive(Debug)]
pub struct Sampler {
    target: Target,
    clock: Clock,
    resolver: Resolver,
    rotation: Rotation,
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

impl Sampler {
    /// A sampler of `target`, whose samples are dated by `clock`.
    ///
    /// # Errors
    /// When the password file or the resolver's configuration cannot be read.
    pub fn new(target: Target, clock: Clock) -> Result<Self, SamplerError> {
        let resolver = Resolver::new(&target.address, target.timeout.get())?;
        let rotation = Rotation::of(&target)?;
        Ok(Self { target, clock, resolver, rotation })
    }

    /// Takes one sample. Failing to reach the database is data: it never returns an error.
    pub async fn sample(&self, sequence: u64) -> Sample {
        self.dated(sequence, self.attempt(None)).await
    }

    /// Takes one sample at the first of these addresses that does not refuse, instead of the target's own. A certificate
    /// is still to be the target's, which is the one that clients of the Service are shown. The sample's place in the
    /// sequence means nothing.
    pub async fn sample_at(&self, addresses: &[SocketAddr]) -> Sample {
        self.dated(0, self.attempt(Some(addresses))).await
    }

    async fn dated(&self, sequence: u64, attempt: impl Future<Output = Result<Answer, Failure>>) -> Sample {
        let started = self.clock.now();
        let outcome = attempt.await;
        // After a refused login too: the account may want another certificate than was shown.
        if matches!(&outcome, Err(Failure { reason: FailureReason::Auth | FailureReason::Tls, .. })) {
            self.rotation.look(&self.target);
        }
        Sample { sequence, started, finished: self.clock.now(), outcome }
    }

    /// One sample at `given` addresses, or where the target's name leads.
    async fn attempt(&self, given: Option<&[SocketAddr]>) -> Result<Answer, Failure> {
        let began = Instant::now();
        let mut end = pin!(sleep_until(began + self.target.timeout.get()));
        let late = |phase: &str, address| Failure {
            reason: FailureReason::Timeout,
            text: format!("no end of {phase} after {:?}", self.target.timeout.get()),
            address,
        };

        let addresses = match given {
            Some(given) => given.to_vec(),
            None => match before(end.as_mut(), self.resolver.resolve()).await {
                Some(ips) => ips?.into_iter().map(|ip| SocketAddr::new(ip, self.target.address.port)).collect(),
                None => return Err(late("resolving the name", None)),
            },
        };
        let resolved = Instant::now();

        let mut tried = None;
        // The driver does not say when it is connected.
        let Some(logged_in) = before(end.as_mut(), self.log_in(&addresses, &mut tried)).await else {
            return Err(late("connecting and logging in", tried));
        };
        let (mut connection, address) = logged_in?;
        let logged_in = Instant::now();

        let answered = before(end.as_mut(), contain(first_row(&mut connection))).await;
        let asked = Instant::now();
        // Whether the conversation can go on.
        let in_step = matches!(answered, Some(Ok(Ok(_) | Err(Error::Server(_)))));
        let failed = |reason, text| Failure { reason, text, address: Some(address) };
        let identity = match answered {
            Some(Ok(Ok(Some(row)))) => identity::read(row).map_err(|text| failed(FailureReason::Protocol, text)),
            Some(Ok(Ok(None))) => {
                Err(failed(FailureReason::Query, format!("{address} answered the identity query without a row")))
            }
            Some(Ok(Err(error))) => Err(failure::failure(error, Stage::Query, address)),
            Some(Err(panicked)) => Err(failure::of_panic(&panicked, Stage::Query, address)),
            None => Err(late("the identity query", Some(address))),
        };
        // COM_QUIT, or the server counts an aborted client. Whatever comes of it, the answer stands. Where the server
        // has not ended its answer, the driver can only hang up; without this call it would wait for the end in a task
        // of its own.
        let goodbye = contain(connection.disconnect());
        if in_step {
            let _ = before(end, goodbye).await;
        } else {
            let _ = goodbye.now_or_never();
        }

        let timings = Timings {
            resolve: resolved - began,
            login: logged_in - resolved,
            query: asked - logged_in,
            total: asked - began,
        };
        Ok(Answer { identity: identity?, timings, address })
    }

    /// Logs in at the first address that does not refuse, as a client does; `tried` is the last one.
    async fn log_in(
        &self,
        addresses: &[SocketAddr],
        tried: &mut Option<SocketAddr>,
    ) -> Result<(Conn, SocketAddr), Failure> {
        let mut refused = None;
        for &address in addresses {
            *tried = Some(address);
            let failure = match contain(Conn::new(self.rotation.opts(&self.target, address))).await {
                Ok(Ok(connection)) => return Ok((connection, address)),
                Ok(Err(error)) => failure::failure(error, Stage::Login, address),
                Err(panicked) => failure::of_panic(&panicked, Stage::Login, address),
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
}

/// The first row that the identity query returns; `None` if it returns none.
async fn first_row(connection: &mut Conn) -> Result<Option<Row>, Error> {
    let mut result = connection.query_iter(identity::QUERY).await?;
    let first = result.next().await?;
    if first.is_none() {
        return Ok(None);
    }
    for _ in 1..=ROWS_MAX {
        if result.next().await?.is_none() {
            return Ok(first);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the server does not stop sending rows").into())
}

/// What comes of `work`, unless `end` is first. Work that is done at once comes before an end that is over.
async fn before<T>(end: Pin<&mut Sleep>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = end => None,
    }
}
