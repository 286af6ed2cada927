//! Options of a target's connections. They follow its password and TLS files.

use std::{collections::HashMap, net::SocketAddr};

use mysql_async::{Opts, OptsBuilder, SslOpts};
use parking_lot::{Mutex, MutexGuard};
use rustls::pki_types::ServerName;
use tokio::time::Instant;

use super::salt::ShortSalts;
use crate::config::{ClientIdentity, LOOK_EVERY, PasswordError, Reloaded, Secret, Target, Tls};

/// No row of the identity query is longer. The driver applies this limit after the login, and 4 MiB before.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// Addresses whose options are cached. A Service has one, a headless Service one per replica.
const ADDRESSES_KEPT: usize = 64;

/// Not [`Debug`](std::fmt::Debug): the driver's options would show the password.
pub(super) struct Options {
    /// Held for look-ups only, never across an await.
    current: Mutex<Current>,
}

struct Current {
    /// `None` if the account has no password.
    password: Reloaded<Option<Secret>>,
    salts: ShortSalts,
    tls: Reloaded<Tls>,
    /// Without an address.
    opts: Opts,
    /// Cloned for each probe. The clones share the TLS connector, which the driver builds on first use.
    by_address: HashMap<SocketAddr, Opts>,
    renewed: Instant,
    /// A file has changed since [`Options::take_changed`].
    changed: bool,
}

impl Options {
    /// Reads the password now; the TLS files are those that were read with the configuration.
    pub(super) fn of(target: &Target) -> Result<Self, PasswordError> {
        let files = target.settings.password.stamps();
        let password = Reloaded::new(target.settings.password.read()?, files);
        let tls = Reloaded::new(target.settings.tls.clone(), target.settings.tls.stamps());
        let opts = opts(target, password.value().as_ref(), tls.value());
        let current = Current {
            password,
            salts: ShortSalts::default(),
            tls,
            opts,
            by_address: HashMap::new(),
            renewed: Instant::now(),
            changed: false,
        };
        Ok(Self { current: Mutex::new(current) })
    }

    pub(super) fn at(&self, target: &Target, address: SocketAddr) -> Opts {
        let mut current = self.current(target);
        let Current { opts, by_address, .. } = &mut *current;
        if by_address.len() >= ADDRESSES_KEPT && !by_address.contains_key(&address) {
            by_address.clear();
        }
        by_address.entry(address).or_insert_with(|| opts_at(opts, address)).clone()
    }

    /// Whether a file has changed since the last call.
    pub(super) fn take_changed(&self, target: &Target) -> bool {
        std::mem::take(&mut self.current(target).changed)
    }

    /// Looks at the files if that is due.
    fn current(&self, target: &Target) -> MutexGuard<'_, Current> {
        let mut current = self.current.lock();
        if current.renewed.elapsed() >= LOOK_EVERY {
            current.renew(target);
        }
        current
    }

    /// Looks at the files at once.
    pub(super) fn renew(&self, target: &Target) {
        self.current.lock().renew(target);
    }

    /// A read from a server of this version.
    pub(super) fn read(&self, version: &str) {
        self.current.lock().salts.read(version);
    }

    /// Whether the driver may be the cause of one more failed login.
    pub(super) fn excuses(&self) -> bool {
        self.current.lock().salts.excuse()
    }
}

impl Current {
    fn renew(&mut self, target: &Target) {
        self.renewed = Instant::now();
        let name = &*target.name;
        match self.password.look(|_| target.settings.password.read()) {
            Some(Ok(previous)) if previous != *self.password.value() => {
                self.changed = true;
                self.salts = ShortSalts::default();
                tracing::info!(target = name, "reloaded the password");
            }
            Some(Err(error)) => {
                tracing::warn!(target = name, %error, "failed to reload the password; the previous one stays in use");
            }
            _ => {}
        }
        match self.tls.look(Tls::read_again) {
            Some(Ok(_)) => {
                self.changed = true;
                tracing::info!(target = name, "reloaded the TLS files");
            }
            Some(Err(error)) => {
                tracing::warn!(target = name, %error, "failed to reload the TLS files; the previous ones stay in use");
            }
            None => {}
        }
        // Renewed even if no file has changed: the driver always resumes TLS sessions and then skips the certificate
        // check. New options start without sessions.
        self.opts = opts(target, self.password.value().as_ref(), self.tls.value());
        self.by_address.clear();
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
