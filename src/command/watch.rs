//! `watch`: the state of this process, or of a running exporter, on the terminal.

use std::sync::Arc;

use anyhow::anyhow;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    CommandError, attached,
    fleet::Fleet,
    observation::Observation,
    run::{config_check, exit_code, interval_of, runtime},
    screen::{self, Attached, Feed},
    supervisor::{Signals, Supervisor},
};
use crate::{
    cli::WatchArgs,
    clock::Clock,
    source::{
        exporter::Exporter,
        kubernetes::{self, Watcher},
    },
};

/// The default of the exporter.
const INTERVAL: &str = "1s";

pub(super) fn execute(args: &WatchArgs) -> Result<u8, CommandError> {
    match attached::exporter(&args.attach)? {
        Some(exporter) => runtime()?.block_on(attached(exporter)),
        None => own(args),
    }
}

fn own(args: &WatchArgs) -> Result<u8, CommandError> {
    let configuration = args.target.configuration(interval_of(INTERVAL)?).map_err(CommandError::usage)?;
    if args.config_check {
        return config_check(&configuration);
    }
    if configuration.discoveries().next().is_some() {
        let text = "watch shows targets that are named; leave discover out, or --attach to an exporter that discovers";
        return Err(CommandError::usage(anyhow!(text)));
    }
    runtime()?.block_on(async {
        let context = args.target.kubernetes_context.as_deref();
        let client = if configuration.needs_kubernetes() {
            Some(kubernetes::connect(context).await.map_err(CommandError::usage)?)
        } else {
            None
        };
        let targets = configuration.targets().cloned().map(|target| (target, None)).collect();
        let (clock, stop) = (Clock::start(), CancellationToken::new());
        let mut signals = Signals::listen().map_err(CommandError::failure)?;
        let mut supervisor = Supervisor::new(stop.clone());
        let observation = Observation::start(clock, &mut supervisor, &stop);
        let snapshots = observation.shown.clone();
        let mut fleet = Fleet::new(observation, stop.clone());
        if let Some(client) = client {
            fleet.watch(Watcher::new(client, !args.no_scale_events));
        }
        fleet.set(targets, configuration.imbalance).await.map_err(CommandError::usage)?;
        supervisor.spawn("targets", fleet.keep());
        let shown = screen::show(Feed::Own(snapshots), None, clock, &mut supervisor, &stop);
        let _shown = shown.map_err(CommandError::failure)?;
        supervisor.supervise(&mut signals).await.map(exit_code).map_err(CommandError::failure)
    })
}

/// An exporter that is unreachable at first is an error; a later failure is retried.
async fn attached(exporter: Exporter) -> Result<u8, CommandError> {
    let documents = exporter.documents().await.map_err(CommandError::failure)?;
    let (sender, told) = watch::channel(Arc::new(Attached { documents, stale: None }));
    let stop = CancellationToken::new();
    let mut signals = Signals::listen().map_err(CommandError::failure)?;
    let mut supervisor = Supervisor::new(stop.clone());
    let following_stop = stop.clone();
    supervisor.spawn("following the exporter", async move {
        tokio::select! {
            () = attached::follow(&exporter, &sender) => {}
            () = following_stop.cancelled() => {}
        }
        Ok(())
    });
    let shown = screen::show(Feed::Attached(told), None, Clock::start(), &mut supervisor, &stop);
    let _shown = shown.map_err(CommandError::failure)?;
    supervisor.supervise(&mut signals).await.map(exit_code).map_err(CommandError::failure)
}
