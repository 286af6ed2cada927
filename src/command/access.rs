//! The effective web configuration, reloaded when one of its files changes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{FileStamp, WebConfiguration},
    view::web::Access,
};

const LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

pub(super) fn access(configuration: &WebConfiguration) -> Access {
    let rate = configuration.rate_limit.map(|limit| (limit.interval, limit.burst));
    Access::new(
        configuration.tls.clone().map(TlsAcceptor::from),
        configuration.users.clone(),
        &configuration.headers,
        rate,
    )
}

/// Errors are logged, and the previous configuration stays in effect.
pub(super) async fn follow(
    path: PathBuf,
    read: WebConfiguration,
    access_in_force: watch::Sender<Arc<Access>>,
    clock: Clock,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let stamps = |files: &[PathBuf]| -> Vec<_> { files.iter().map(|file| FileStamp::of(Some(file))).collect() };
    let (mut files, mut expires) = (read.files, read.expires);
    let mut seen = stamps(&files);
    let mut look = interval(LOOKED_AT_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = look.tick() => {}
        }
        // Logged once per certificate.
        if let Some(expired) = expires.take_if(|expires| *expires <= clock.now().wall) {
            tell_expired(expired);
        }
        let now = stamps(&files);
        if now == seen {
            continue;
        }
        seen = now;
        match load(&path).await {
            Ok(configuration) => {
                access_in_force.send_replace(access(&configuration).into());
                expires = configuration.expires;
                // The stamps are taken before the next read, so that a change in between is detected.
                if files != configuration.files {
                    files = configuration.files;
                    seen = stamps(&files);
                }
                tracing::info!("the web configuration has changed and is in force");
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the web configuration was refused and the one before stays in force"
                );
            }
        }
    }
}

/// An expired certificate stays in use: some clients do not check dates.
fn tell_expired(expired: Timestamp) {
    tracing::warn!(%expired, "the certificate of the web side has expired, so clients refuse it; renew it and its key");
}

async fn load(path: &Path) -> anyhow::Result<WebConfiguration> {
    let path = path.to_owned();
    Ok(tokio::task::spawn_blocking(move || WebConfiguration::load(&path)).await??)
}
