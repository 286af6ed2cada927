//! Access to the HTTP server as the web configuration file sets it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::watch, time::sleep};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{LOOK_EVERY, Reloaded, WebConfiguration},
    view::web::Access,
};

pub(super) fn access(configuration: &WebConfiguration) -> Access {
    let rate = configuration.rate_limit.map(|limit| (limit.interval, limit.burst));
    Access::new(
        configuration.tls.clone().map(TlsAcceptor::from),
        configuration.users.clone(),
        &configuration.headers,
        rate,
    )
}

/// Reloads the web configuration when one of its files changes. If that fails, the previous one stays in use.
pub(super) async fn follow(
    path: PathBuf,
    read: WebConfiguration,
    current: watch::Sender<Arc<Access>>,
    clock: Clock,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let files = read.files.clone();
    let mut expires = read.expires;
    let mut configuration = Reloaded::new(read, files);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = configuration.due() => {}
            () = sleep(LOOK_EVERY), if expires.is_some() => {
                // Logged once per certificate. It stays in use: some clients do not check dates.
                if let Some(expired) = expires.take_if(|expires| *expires <= clock.now().wall) {
                    tracing::warn!(%expired, "the HTTP server's certificate has expired; renew the certificate");
                }
                continue;
            }
        }
        match configuration.take(load(&path).await) {
            Some(Ok(_)) => {
                configuration.follow(|configuration| configuration.files.clone());
                expires = configuration.value().expires;
                current.send_replace(access(configuration.value()).into());
                tracing::info!("reloaded the web configuration");
            }
            Some(Err(error)) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "failed to reload the web configuration; the previous one stays in use");
            }
            None => {}
        }
    }
}

async fn load(path: &Path) -> anyhow::Result<WebConfiguration> {
    let path = path.to_owned();
    Ok(tokio::task::spawn_blocking(move || WebConfiguration::load(&path)).await??)
}
