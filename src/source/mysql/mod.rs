//! One sample opens a new TCP connection, because the load balancer chooses a replica per connection; a pooled
//! connection would sample one choice for ever. It resolves the name, connects and logs in, asks one identity query and
//! says `COM_QUIT`, each phase timed and all of them under one timeout.

mod authentication;
mod connection;
mod encryption;
mod failure;
mod identity;
mod messages;
mod packets;
mod rotation;
mod rsa;

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use self::{
    connection::{Account, Connection},
    failure::Stage,
    rotation::Rotation,
};
use super::resolve::{Resolver, ResolverError};
use crate::{
    clock::Clock,
    config::{EncryptionError, PasswordError, PasswordSource, Secret, Target},
    model::{Answer, Failure, FailureReason, Sample, Timings},
};

/// A password file is looked at this often, and after every refused login.
const PASSWORD_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// Takes the samples of one target.
#[derive(Debug)]
pub struct Sampler {
    target: Target,
    clock: Clock,
    resolver: Resolver,
    encryption: Rotation,
    /// Locked for look-ups alone, never across an await.
    password: Mutex<Password>,
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
    /// Connections cannot be encrypted.
    #[error(transparent)]
    Encryption(#[from] EncryptionError),
}

/// The password as it was last read.
#[derive(Debug)]
struct Password {
    /// `None` if the account has none.
    secret: Option<Arc<Secret>>,
    looked_at: Instant,
    /// Whether the last look at the password file failed; told once.
    unreadable: bool,
}

impl Sampler {
    /// A sampler of `target`, whose samples are dated by `clock`.
    ///
    /// # Errors
    /// When the password file or the resolver's configuration cannot be read, or a TLS file no longer fits.
    pub fn new(target: Target, clock: Clock) -> Result<Self, SamplerError> {
        let resolver = Resolver::new(&target.address, target.timeout.get())?;
        let secret = target.password.read()?.map(Arc::new);
        let password = Mutex::new(Password { secret, looked_at: Instant::now(), unreadable: false });
        let encryption = Rotation::of(&target)?;
        Ok(Self { target, clock, resolver, encryption, password })
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
        match outcome.as_ref().err().map(|failure| failure.reason) {
            Some(FailureReason::Auth) => {
                self.look_at_password();
                // The account may want another certificate than was shown.
                self.encryption.look(&self.target);
            }
            Some(FailureReason::Tls) => self.encryption.look(&self.target),
            _ => {}
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
        let Some(connected) = before(end.as_mut(), self.connect(&addresses, &mut tried)).await else {
            return Err(late("connecting", tried));
        };
        let (stream, address) = connected?;
        let password = self.password();
        let password = password.as_deref().map(Secret::expose).unwrap_or_default();
        let account = Account { user: &self.target.user, password };
        let encryption = self.encryption.encryption(&self.target);
        let login = Connection::log_in(stream, encryption.as_deref(), account);
        let Some(logged_in) = before(end.as_mut(), login).await else {
            return Err(late("logging in", Some(address)));
        };
        let mut connection = logged_in.map_err(|error| failure::failure(&error, Stage::Login, address))?;
        let logged_in = Instant::now();

        let answered = before(end.as_mut(), connection.first_row(identity::QUERY)).await;
        let asked = Instant::now();
        let failed = |reason, text| Failure { reason, text, address: Some(address) };
        let identity = match answered {
            Some(Ok(Some(row))) => identity::read(row).map_err(|text| failed(FailureReason::Protocol, text)),
            Some(Ok(None)) => {
                Err(failed(FailureReason::Query, format!("{address} answered the identity query without a row")))
            }
            Some(Err(error)) => Err(failure::failure(&error, Stage::Query, address)),
            None => Err(late("the identity query", Some(address))),
        };
        // COM_QUIT, or the server counts an aborted client. Whatever comes of it, the answer stands. When the time is
        // over, it is sent if the connection takes it at once.
        let _ = before(end, connection.quit()).await;

        let timings = Timings {
            resolve: resolved - began,
            login: logged_in - resolved,
            query: asked - logged_in,
            total: asked - began,
        };
        Ok(Answer { identity: identity?, timings, address })
    }

    /// Connects to the first address that does not refuse, as a client does; `tried` is the last one.
    async fn connect(
        &self,
        addresses: &[SocketAddr],
        tried: &mut Option<SocketAddr>,
    ) -> Result<(TcpStream, SocketAddr), Failure> {
        let mut refused = None;
        for &address in addresses {
            *tried = Some(address);
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Each packet is one write and is waited for.
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, address));
                }
                Err(error) => {
                    let failure = failure::failure(&error.into(), Stage::Connect, address);
                    if !failure::tries_next(&failure) {
                        return Err(failure);
                    }
                    refused = Some(failure);
                }
            }
        }
        Err(refused.unwrap_or_else(|| Failure {
            reason: FailureReason::Resolve,
            text: format!("{} has no address", self.target.address.host),
            address: None,
        }))
    }

    /// The password as it is now.
    fn password(&self) -> Option<Arc<Secret>> {
        let is_file = matches!(self.target.password, PasswordSource::File(_));
        if is_file && self.lock().looked_at.elapsed() >= PASSWORD_LOOKED_AT_EVERY {
            self.look_at_password();
        }
        self.lock().secret.clone()
    }

    /// Reads the password again. One that cannot be read leaves the old one in force.
    fn look_at_password(&self) {
        let read = self.target.password.read();
        let mut password = self.lock();
        password.looked_at = Instant::now();
        match read {
            Ok(secret) if secret.as_ref() == password.secret.as_deref() => password.unreadable = false,
            Ok(secret) => {
                tracing::info!(target = %self.target.name, "the password has changed and is used from now on");
                password.secret = secret.map(Arc::new);
                password.unreadable = false;
            }
            Err(error) if !password.unreadable => {
                tracing::warn!(target = %self.target.name, %error, "the password read before stays in use");
                password.unreadable = true;
            }
            Err(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Password> {
        // Nothing that holds the lock leaves it half changed, so a panic elsewhere does not spoil it.
        self.password.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of `work`, unless `end` is first. Work that is done at once comes before an end that is over.
async fn before<T>(end: Pin<&mut Sleep>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = work => Some(done),
        () = end => None,
    }
}
