//! `run`: the exporter.

use std::sync::Arc;

use anyhow::{Context, ensure};
use futures_util::FutureExt;
use listenfd::ListenFd;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};

use super::{
    CommandError,
    configuration::{Loaded, Reloader},
    output,
    session::{Session, supervise},
    supervisor::Supervisor,
    targets::KubernetesOptions,
    web_access,
};
use crate::{
    cli::RunArgs,
    config::{Configuration, FileStamp, Listen, WebConfiguration},
    source::kubernetes::Scope,
    view::{
        metrics::Counts,
        web::{RENDERINGS_MAX, Site},
    },
};

/// One thread per kind of other blocking work, so that nothing waits for scrapes: password check, reload of the
/// configuration, reload of the web configuration, DNS lookup of an API server.
const BLOCKING_THREADS: usize = RENDERINGS_MAX + 4;

pub(super) fn execute(args: &RunArgs) -> Result<u8, CommandError> {
    let file = args.target.config_file.as_deref().map(FileStamp::of);
    let loaded = Loaded::load(args).map_err(CommandError::usage)?;
    let web = args.web_config_file.as_deref().map(WebConfiguration::load).transpose().map_err(CommandError::usage)?;
    if args.config_check {
        return config_check(&loaded.configuration);
    }
    runtime()?.block_on(async {
        let counts = Counts::default();
        let Session { clock, supervisor, snapshots, targets, signals } = Session::start(KubernetesOptions {
            context: args.target.kubernetes_context.clone(),
            scope: if args.no_scale_events { Scope::Routing } else { Scope::ScaleEvents },
            write_events: args.kubernetes_events,
            counts: counts.clone(),
            lease: args.kubernetes_lease.clone(),
        })?;
        let (mut reloader, text, requests) = Reloader::new(args, targets, file).map_err(CommandError::failure)?;
        reloader.apply(loaded).await.map_err(CommandError::usage)?;
        let listeners = if args.systemd_socket { passed() } else { listen(&args.listen).await };
        let listeners = listeners.map_err(CommandError::failure)?;
        let mut site = Site::new(snapshots, text, supervisor.stop().clone())
            .with_prefix(args.prefix().into_string())
            .with_counts(counts);
        if let (Some(path), Some(web)) = (args.web_config_file.clone(), web) {
            let (current, access) = watch::channel(Arc::new(web_access::access(&web)));
            supervisor.spawn("web configuration", |stop| web_access::follow(path, web, current, clock, stop));
            site = site.with_access(access);
        }
        if args.enable_lifecycle {
            site = site.with_reload(requests);
        }
        serve_site(site, listeners, &supervisor);
        supervisor.spawn("configuration", |stop| reloader.run(stop));
        supervise(supervisor, signals).await
    })
}

/// Single-threaded: probes are small and many, and their timing should not depend on other threads.
pub(super) fn runtime() -> Result<Runtime, CommandError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(CommandError::failure)
}

pub(super) fn config_check(configuration: &Configuration) -> Result<u8, CommandError> {
    for target in configuration.targets() {
        target.settings.password.read().map_err(CommandError::usage)?;
    }
    let shown = configuration.show().map_err(CommandError::failure)?;
    output::line(shown.trim_end()).map_err(CommandError::failure)?;
    Ok(0)
}

/// Binds every address, each to its first available candidate.
pub(super) async fn listen(addresses: &[Listen]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let mut bound = Err(std::io::ErrorKind::AddrNotAvailable.into());
        for candidate in address.candidates() {
            bound = TcpListener::bind(candidate).await;
            // A port in use ends the search: the other address family may be free, but it would be the wrong address.
            if !matches!(&bound, Err(error) if error.kind() != std::io::ErrorKind::AddrInUse) {
                break;
            }
        }
        let listener = bound.with_context(|| {
            format!(
                "cannot listen on {address}; choose another one with --web.listen-address, or port 0 for a free port"
            )
        })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// The sockets of a systemd socket unit.
fn passed() -> anyhow::Result<Vec<TcpListener>> {
    let mut passed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..passed.len() {
        let listener = passed.take_tcp_listener(index).context("systemd passed a socket that is no TCP listener")?;
        let listener = listener.context("systemd passed a socket twice")?;
        listener.set_nonblocking(true)?;
        listeners.push(TcpListener::from_std(listener)?);
    }
    ensure!(
        !listeners.is_empty(),
        "systemd passed no socket; start readscope with a socket unit, or leave --web.systemd-socket out"
    );
    Ok(listeners)
}

pub(super) fn serve_site(site: Site, listeners: Vec<TcpListener>, supervisor: &Supervisor) {
    let site = Arc::new(site);
    for listener in listeners {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "listening for HTTP");
        }
        let site = Arc::clone(&site);
        supervisor.spawn("HTTP server", |_| site.serve(listener).map(Ok));
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use super::*;

    #[test]
    fn a_thread_is_free_while_all_other_kinds_of_work_are_busy() {
        let runtime = runtime().map_err(|_| "there is no runtime").unwrap();
        // Two reloads and a DNS lookup are in progress when a password needs a check.
        let busy = RENDERINGS_MAX + 3;
        runtime.block_on(async {
            let busy: Vec<_> = (0..busy)
                .map(|_| {
                    let (release, released) = mpsc::channel::<()>();
                    tokio::task::spawn_blocking(move || released.recv());
                    release
                })
                .collect();
            let password = tokio::time::timeout(Duration::from_secs(60), tokio::task::spawn_blocking(|| ())).await;
            drop(busy);
            assert!(password.is_ok(), "the password check waits");
        });
    }
}
