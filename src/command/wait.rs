//! `wait`: until a replica has reached a milestone.

use std::time::Duration;

use anyhow::anyhow;
use tokio::time::{sleep, timeout};

use super::{
    CommandError, output,
    remote::{self, POLL_EVERY},
    run::runtime,
    session::Session,
    targets::KubernetesOptions,
};
use crate::{
    cli::WaitArgs,
    model::{
        Snapshot,
        cluster::{Milestone, MilestoneStatus},
    },
    source::exporter::Exporter,
};

const EXIT_REACHED: u8 = 0;
const EXIT_NOT_REACHED: u8 = 1;

pub(super) fn execute(args: &WaitArgs) -> Result<u8, CommandError> {
    let WaitArgs { milestone, replica, patience, .. } = args;
    let reached = runtime()?.block_on(async {
        match remote::exporter(&args.attach)? {
            Some(exporter) => attached(&exporter, replica, *milestone, *patience).await,
            None => own(args).await,
        }
    })?;
    if reached {
        output::line(&format!("{replica}: {milestone}")).map_err(CommandError::failure)?;
        return Ok(EXIT_REACHED);
    }
    let name = milestone.name();
    let text = format!("{replica} has not reached {name} within {patience:?}; a longer --timeout waits longer");
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
            sleep(POLL_EVERY).await;
            match exporter.reached().await {
                Ok(now) => sets = now,
                Err(error) => tracing::debug!(%error, "failed to reach the exporter, retrying"),
            }
        }
    };
    Ok(timeout(patience, waiting).await.is_ok())
}

async fn own(args: &WaitArgs) -> Result<bool, CommandError> {
    let configuration = args.target.configuration().map_err(CommandError::usage)?;
    if !configuration.needs_kubernetes() {
        let text = "wait needs Kubernetes for its milestones; set --service NAMESPACE/NAME, or --attach URL";
        return Err(CommandError::usage(anyhow!(text)));
    }
    if configuration.discoveries().next().is_some() {
        return Err(CommandError::usage(anyhow!("wait does not support discover; list the Services as targets")));
    }
    let context = args.target.kubernetes_context.clone();
    let mut session = Session::start(KubernetesOptions { context, scale_events: true, write_events: false })?;
    session.probe(&configuration, |_| None).await?;
    let (replica, milestone) = (args.replica.clone(), args.milestone);
    let reached = move |snapshot: &Snapshot| has_reached(snapshot, &replica, milestone);
    let snapshot = session.run_until(reached, args.patience).await?;
    Ok(has_reached(&snapshot, &args.replica, milestone))
}

fn has_reached(snapshot: &Snapshot, replica: &str, milestone: Milestone) -> bool {
    let sets = snapshot.cluster.iter().flat_map(|cluster| &cluster.statefulsets);
    let reached: Vec<_> = sets.filter_map(|set| set.milestone_status.clone()).collect();
    MilestoneStatus::has(&reached, replica, milestone)
}
