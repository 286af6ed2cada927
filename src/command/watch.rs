//! `watch`: the state of this process, or of a running exporter, on the terminal.

use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::watch;

use super::{
    CommandError, remote,
    run::{config_check, runtime},
    session::{Session, supervise},
    supervisor::{Signals, Supervisor},
    targets::KubernetesOptions,
    terminal::{self, Attached, Feed},
};
use crate::{
    cli::WatchArgs,
    clock::Clock,
    source::{exporter::Exporter, kubernetes::Scope},
};

pub(super) fn execute(args: &WatchArgs) -> Result<u8, CommandError> {
    match remote::exporter(&args.attach)? {
        Some(exporter) => runtime()?.block_on(attached(exporter)),
        None => own(args),
    }
}

fn own(args: &WatchArgs) -> Result<u8, CommandError> {
    let configuration = args.target.configuration().map_err(CommandError::usage)?;
    if args.config_check {
        return config_check(&configuration);
    }
    if configuration.discoveries().next().is_some() {
        let text = "watch does not support discover; list the Services as targets, or --attach to an exporter";
        return Err(CommandError::usage(anyhow!(text)));
    }
    runtime()?.block_on(async {
        let mut session = Session::start(KubernetesOptions {
            context: args.target.kubernetes_context.clone(),
            scope: if args.no_scale_events { Scope::Routing } else { Scope::ScaleEvents },
            ..KubernetesOptions::default()
        })?;
        session.probe(&configuration, |_| None).await?;
        let feed = Feed::Own(session.snapshots.clone());
        let _shown = terminal::show(feed, None, session.clock, &session.supervisor).map_err(CommandError::failure)?;
        session.run().await
    })
}

/// An exporter that is unreachable at first is an error; a later failure is retried.
async fn attached(exporter: Exporter) -> Result<u8, CommandError> {
    let documents = exporter.documents().await.map_err(CommandError::failure)?;
    let (sender, receiver) = watch::channel(Arc::new(Attached { documents, stale: None }));
    let (supervisor, signals) = (Supervisor::new(), Signals::listen().map_err(CommandError::failure)?);
    supervisor.spawn("following the exporter", |stop| async move {
        tokio::select! {
            () = remote::follow(&exporter, &sender) => {}
            () = stop.cancelled() => {}
        }
        Ok(())
    });
    let feed = Feed::Attached(receiver);
    let _shown = terminal::show(feed, None, Clock::start(), &supervisor).map_err(CommandError::failure)?;
    supervise(supervisor, signals).await
}
