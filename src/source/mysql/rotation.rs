//! The encryption of a target as its files are now: certificates are rotated while samples are taken.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::encryption::Encryption;
use crate::config::{EncryptionError, Target, Tls};

/// Files are looked at this often, and after every handshake or login that failed.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// The encryption in force, and the files that it is made of.
#[derive(Debug)]
pub(super) struct Rotation {
    /// Locked for look-ups alone, never across an await.
    read: Mutex<Read>,
}

#[derive(Debug)]
struct Read {
    tls: Tls,
    /// `None` if connections are not encrypted.
    encryption: Option<Arc<Encryption>>,
    looked_at: Instant,
    /// Whether the files cannot be used as they are now; told once.
    unusable: bool,
}

impl Rotation {
    /// From what was read of the files when `target` was configured.
    pub(super) fn of(target: &Target) -> Result<Self, EncryptionError> {
        let encryption = Encryption::of(&target.tls, &target.address.host)?.map(Arc::new);
        let read = Read { tls: target.tls.clone(), encryption, looked_at: Instant::now(), unusable: false };
        Ok(Self { read: Mutex::new(read) })
    }

    /// What encrypts connections to `target` now, if anything does.
    pub(super) fn encryption(&self, target: &Target) -> Option<Arc<Encryption>> {
        if self.lock().looked_at.elapsed() >= LOOKED_AT_EVERY {
            self.look(target);
        }
        self.lock().encryption.clone()
    }

    /// Reads the files again if they are others. What cannot be used leaves in force what was read before.
    pub(super) fn look(&self, target: &Target) {
        let mut read = self.lock();
        read.looked_at = Instant::now();
        if !read.tls.has_changed() {
            read.unusable = false;
            return;
        }
        let again = read.tls.read_again().map_err(|error| error.to_string()).and_then(|tls| {
            let encryption = Encryption::of(&tls, &target.address.host).map_err(|error| error.to_string())?;
            Ok((tls, encryption))
        });
        match again {
            Ok((tls, encryption)) => {
                tracing::info!(target = %target.name, "the TLS files have changed and are used from now on");
                read.tls = tls;
                read.encryption = encryption.map(Arc::new);
                read.unusable = false;
            }
            Err(error) if !read.unusable => {
                tracing::warn!(target = %target.name, error, "the TLS files read before stay in use");
                read.unusable = true;
            }
            Err(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        // Nothing that holds the lock leaves it half changed, so a panic elsewhere does not spoil it.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
