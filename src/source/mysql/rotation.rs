//! Options of a target's connections: passwords and certificates are rotated while readscope runs.

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

/// Files are checked at this interval, and after every failed handshake or login.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// No row of the identity query is longer. The driver applies this limit after the login, and 4 MiB before.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// Addresses whose options are cached. A Service has one, a headless Service one per replica.
const ADDRESSES_KEPT: usize = 64;

pub(super) struct Rotation {
    /// Held for look-ups only, never across an await.
    read: Mutex<Read>,
}

struct Read {
    /// `None` if the account has no password.
    password: Option<Secret>,
    tls: Tls,
    /// Without an address.
    opts: Opts,
    /// Cloned for each probe. The clones share the TLS connector, which the driver builds on first use.
    by_address: HashMap<SocketAddr, Opts>,
    looked_at: Instant,
    /// Set while the password file is unreadable, to log that once.
    password_unreadable: bool,
    /// Set while the TLS files are unusable, to log that once.
    tls_unusable: bool,
}

impl Rotation {
    /// Reads the password now; the TLS files are those that were read with the configuration.
    pub(super) fn of(target: &Target) -> Result<Self, PasswordError> {
        let password = target.settings.password.read()?;
        let tls = target.settings.tls.clone();
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

    /// Reads the files again. Unusable files leave the previous contents in use.
    pub(super) fn look(&self, target: &Target) {
        let mut read = self.lock();
        read.looked_at = Instant::now();
        read.look_at_password(target);
        read.look_at_tls(target);
        // Renewed even if no file has changed: the driver always resumes TLS sessions and then skips the certificate
        // check. New options start without sessions.
        read.opts = opts(target, read.password.as_ref(), &read.tls);
        read.by_address.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        // No code leaves a partial change under this lock, so a poisoned lock is still valid.
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
        let read = target.settings.password.read();
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

/// Disables the driver's own queries after a login and its switch to the server's Unix socket.
fn opts(target: &Target, password: Option<&Secret>, tls: &Tls) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(&target.address.host)
        .user(Some(&target.settings.user))
        .pass(password.map(Secret::expose))
        .ssl_opts(ssl_opts(tls))
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET_BYTES_MAX))
        // Only pooled connections use this timeout.
        .wait_timeout(Some(1))
        .stmt_cache_size(0)
        .connect_attribute("program_name", "readscope")
        .connect_attribute("program_version", env!("CARGO_PKG_VERSION"))
        .into()
}

fn opts_at(opts: &Opts, address: SocketAddr) -> Opts {
    let builder = OptsBuilder::from_opts(opts.clone());
    // The name is only compared with the certificate. A host that no certificate can name is replaced by its address.
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
    // The driver treats a file that is not UTF-8 as DER; comments around the PEM blocks could cause that.
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned().into_bytes().into();
    mysql_async::ClientIdentity::new(text(&client.certificate.bytes), text(&client.key.bytes))
}
