//! What a connection of a target is made with, as its files are now: passwords and certificates are rotated while probes
//! go on.

use std::{
    collections::HashMap,
    fmt,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mysql_async::{Opts, OptsBuilder, SslOpts};
use rustls::pki_types::ServerName;
use tokio::time::Instant;

use crate::config::{ClientIdentity, PasswordError, Secret, Target, Tls};

/// Files are looked at this often, and after every handshake or login that failed.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// No row of the identity query is longer. The driver holds to it once it is logged in; before, to its own 4 MiB.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// Addresses whose options are kept. A Service has one; a headless Service as many as replicas.
const ADDRESSES_KEPT: usize = 64;

/// The options in force, and the files that they are made of.
pub(super) struct Rotation {
    /// Locked for look-ups alone, never across an await.
    read: Mutex<Read>,
}

struct Read {
    /// `None` if the account has none.
    password: Option<Secret>,
    tls: Tls,
    /// Without an address.
    opts: Opts,
    /// Cloned for each probe. They share the TLS connector, which the driver builds when it is first used.
    by_address: HashMap<SocketAddr, Opts>,
    looked_at: Instant,
    /// Whether the password file cannot be read as it is now; logged once.
    password_unreadable: bool,
    /// Whether the TLS files cannot be used as they are now; logged once.
    tls_unusable: bool,
}

impl Rotation {
    /// From the password as it is now, and the TLS files as they were when `target` was configured.
    pub(super) fn of(target: &Target) -> Result<Self, PasswordError> {
        let password = target.password.read()?;
        let tls = target.tls.clone();
        let read = Read {
            opts: opts(target, password.as_ref(), &tls),
            password,
            tls,
            by_address: HashMap::new(),
            looked_at: Instant::now(),
            password_unreadable: false,
            tls_unusable: false,
        };
        Ok(Self { read: Mutex::new(read) })
    }

    /// What a connection of `target` to `address` is made with now.
    pub(super) fn opts(&self, target: &Target, address: SocketAddr) -> Opts {
        if self.lock().looked_at.elapsed() >= LOOKED_AT_EVERY {
            self.look(target);
        }
        let mut read = self.lock();
        let Read { opts, by_address, .. } = &mut *read;
        if by_address.len() >= ADDRESSES_KEPT && !by_address.contains_key(&address) {
            by_address.clear();
        }
        by_address.entry(address).or_insert_with(|| opts_at(opts, address)).clone()
    }

    /// Reads the files again. What cannot be used leaves in force what was read before.
    pub(super) fn look(&self, target: &Target) {
        let mut read = self.lock();
        read.looked_at = Instant::now();
        read.look_at_password(target);
        read.look_at_tls(target);
        // Also where no file has changed: the driver resumes TLS sessions, which cannot be switched off, and does not check
        // the certificate then. With new options it knows no session.
        read.opts = opts(target, read.password.as_ref(), &read.tls);
        read.by_address.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        // Nothing that holds the lock leaves it half changed, so a panic elsewhere does not spoil it.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Rotation {
    // The driver's options show the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").finish_non_exhaustive()
    }
}

impl Read {
    fn look_at_password(&mut self, target: &Target) {
        let read = target.password.read();
        let was_unreadable = std::mem::replace(&mut self.password_unreadable, read.is_err());
        match read {
            Ok(password) if password != self.password => {
                tracing::info!(target = %target.name, "the password has changed and is used from now on");
                self.password = password;
            }
            Err(error) if !was_unreadable => {
                tracing::warn!(target = %target.name, %error, "the password read before stays in use");
            }
            _ => {}
        }
    }

    fn look_at_tls(&mut self, target: &Target) {
        if !self.tls.has_changed() {
            self.tls_unusable = false;
            return;
        }
        let read = self.tls.read_again();
        let was_unusable = std::mem::replace(&mut self.tls_unusable, read.is_err());
        match read {
            Ok(tls) => {
                tracing::info!(target = %target.name, "the TLS files have changed and are used from now on");
                self.tls = tls;
            }
            Err(error) if !was_unusable => {
                tracing::warn!(target = %target.name, %error, "the TLS files read before stay in use");
            }
            Err(_) => {}
        }
    }
}

/// Without the driver's own queries after a login, and never by way of the server's Unix socket.
fn opts(target: &Target, password: Option<&Secret>, tls: &Tls) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(&target.address.host)
        .user(Some(&target.user))
        .pass(password.map(Secret::expose))
        .ssl_opts(ssl_opts(tls))
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        // Only pooled connections wait.
        .wait_timeout(Some(1))
        .stmt_cache_size(0)
        .connect_attribute("program_name", "readscope")
        .connect_attribute("program_version", env!("CARGO_PKG_VERSION"))
        .into()
}

/// `opts` for one address.
fn opts_at(opts: &Opts, address: SocketAddr) -> Opts {
    let builder = OptsBuilder::from_opts(opts.clone());
    // The name is only compared with the certificate; a host that no certificate can name goes by its address.
    let has_name = ServerName::try_from(opts.ip_or_hostname()).is_ok();
    let builder = if has_name { builder } else { builder.ip_or_hostname(address.ip().to_string()) };
    builder.resolved_ips(Some(vec![address.ip()])).tcp_port(address.port()).into()
}

fn ssl_opts(tls: &Tls) -> Option<SslOpts> {
    let (opts, client) = match tls {
        Tls::Disabled => return None,
        Tls::Required { client } => (SslOpts::default().with_danger_accept_invalid_certs(true), client),
        Tls::VerifyIdentity { authorities, client } => {
            let roots = authorities.iter().map(|file| file.bytes.clone().into()).collect();
            (SslOpts::default().with_disable_built_in_roots(authorities.is_some()).with_root_certs(roots), client)
        }
    };
    Some(opts.with_client_identity(client.as_ref().map(identity)))
}

fn identity(client: &ClientIdentity) -> mysql_async::ClientIdentity {
    // The driver takes a file that is not UTF-8 for DER, so comments beside the PEM blocks must not spoil it.
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes().into();
    mysql_async::ClientIdentity::new(text(&client.certificate.bytes), text(&client.key.bytes))
}
