//! `wait`: until a replica has reached a milestone.

use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    CommandError,
    attached::{self, ASKED_EVERY},
    fleet::Fleet,
    observation::Observation,
    output,
    run::{interval_of, runtime},
    supervisor::{Signals, Supervisor},
};
use crate::{
    cli::WaitArgs,
    clock::Clock,
    model::{
        Snapshot,
        cluster::{Milestone, MilestoneStatus},
    },
    source::{
        exporter::Exporter,
        kubernetes::{self, Watcher},
    },
};

/// The default of the exporter.
const INTERVAL: &str = "1s";

const EXIT_REACHED: u8 = 0;
const EXIT_NOT_REACHED: u8 = 1;

pub(super) fn execute(args: &WaitArgs) -> Result<u8, CommandError> {
    let WaitArgs { milestone, replica, patience, .. } = args;
    let reached = runtime()?.block_on(async {
        match attached::exporter(&args.attach)? {
            Some(exporter) => attached(&exporter, replica, *milestone, *patience).await,
            None => watched(args).await,
        }
    })?;
    if reached {
        output::line(&format!("{replica}: {milestone}")).map_err(CommandError::failure)?;
        return Ok(EXIT_REACHED);
    }
    let name = milestone.name();
    let text = format!("{replica} has not reached {name}; --timeout ({patience:?}) says how long to wait for it");
    output::complain(&anyhow!(text));
    Ok(EXIT_NOT_REACHED)
}

/// An exporter that is unreachable at first is an error; a later failure is retried.
async fn attached(
    exporter: &Exporter,
    replica: &str,
    milestone: Milestone,
    patience: Duration,
) -> Result<bool, CommandError> {
    let mut sets = exporter.reached().await.map_err(CommandError::failure)?;
    let waiting = async {
        while !MilestoneStatus::has(&sets, replica, milestone) {
            sleep(ASKED_EVERY).await;
            match exporter.reached().await {
                Ok(now) => sets = now,
                Err(error) => tracing::debug!(%error, "asking again"),
            }
        }
    };
    Ok(timeout(patience, waiting).await.is_ok())
}

async fn watched(args: &WaitArgs) -> Result<bool, CommandError> {
    let configuration = args.target.configuration(interval_of(INTERVAL)?).map_err(CommandError::usage)?;
    if !configuration.needs_kubernetes() {
        let text = "milestones are known from Kubernetes: give --service NAMESPACE/NAME, or --attach URL";
        return Err(CommandError::usage(anyhow!(text)));
    }
    if configuration.discoveries().next().is_some() {
        return Err(CommandError::usage(anyhow!("wait cannot wait for Services to appear; leave discover out")));
    }
    let context = args.target.kubernetes_context.as_deref();
    let client = kubernetes::connect(context).await.map_err(CommandError::usage)?;
    let targets = configuration.targets().cloned().map(|target| (target, None)).collect();
    let stop = CancellationToken::new();
    let mut signals = Signals::listen().map_err(CommandError::failure)?;
    let mut supervisor = Supervisor::new(stop.clone());
    let observation = Observation::start(Clock::start(), &mut supervisor, &stop);
    let mut snapshots = observation.shown.clone();
    let mut fleet = Fleet::new(observation, stop.clone());
    fleet.watch(Watcher::new(client, true));
    fleet.set(targets, configuration.imbalance).await.map_err(CommandError::usage)?;
    supervisor.spawn("targets", fleet.keep());
    let (replica, milestone, patience) = (args.replica.clone(), args.milestone, args.patience);
    let mut waiting = snapshots.clone();
    supervisor.spawn("waiting", async move {
        let reached = waiting.wait_for(|snapshot| has_reached(snapshot, &replica, milestone));
        // An error means that the state task has ended because of a signal.
        let _ = timeout(patience, reached).await;
        stop.cancel();
        Ok(())
    });
    supervisor.supervise(&mut signals).await.map_err(CommandError::failure)?;
    Ok(has_reached(&snapshots.borrow_and_update(), &args.replica, args.milestone))
}

fn has_reached(snapshot: &Snapshot, replica: &str, milestone: Milestone) -> bool {
    let sets = snapshot.cluster.iter().flat_map(|told| &told.statefulsets);
    let reached: Vec<_> = sets.filter_map(|set| set.milestone_status.clone()).collect();
    MilestoneStatus::has(&reached, replica, milestone)
}
