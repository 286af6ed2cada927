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
    source::{exporter::Exporter, kubernetes::Scope},
};

const EXIT_REACHED: u8 = 0;
const EXIT_NOT_REACHED: u8 = 1;

/// What is known at the end.
enum Waited {
    Reached,
    NotReached,
    /// The pods of no `StatefulSet` are known.
    Unknown,
}

/// Exit code 1 means "not reached" to a script, so failures of the wait itself exit with 2.
pub(super) fn execute(args: &WaitArgs) -> Result<u8, CommandError> {
    let WaitArgs { milestone, replica, patience, .. } = args;
    let waited = runtime()?.block_on(async {
        match remote::exporter(&args.attach)? {
            Some(exporter) => attached(&exporter, replica, *milestone, *patience).await,
            None => own(args).await,
        }
    });
    let name = milestone.name();
    match waited.map_err(CommandError::into_usage)? {
        Waited::Reached => {
            output::line(&format!("{replica}: {milestone}")).map_err(CommandError::usage)?;
            Ok(EXIT_REACHED)
        }
        Waited::NotReached => {
            let text = format!("{replica} has not reached {name} within {patience:?}; a longer --timeout waits longer");
            output::complain(&anyhow!(text));
            Ok(EXIT_NOT_REACHED)
        }
        Waited::Unknown => Err(CommandError::usage(anyhow!(
            "cannot tell whether {replica} has reached {name}: no StatefulSet with listed pods is known after \
             {patience:?}; check that the Service has endpoints, and the permission to list pods and StatefulSets"
        ))),
    }
}

/// An exporter that is unreachable at first is an error; a later failure is retried.
async fn attached(
    exporter: &Exporter,
    replica: &str,
    milestone: Milestone,
    patience: Duration,
) -> Result<Waited, CommandError> {
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
    // When the time is up, the latest milestones decide.
    let _ = timeout(patience, waiting).await;
    Ok(Waited::of(&sets, replica, milestone))
}

async fn own(args: &WaitArgs) -> Result<Waited, CommandError> {
    let configuration = args.target.configuration().map_err(CommandError::usage)?;
    if !configuration.needs_kubernetes() {
        let text = "wait needs Kubernetes for its milestones; set --service NAMESPACE/NAME, or --attach URL";
        return Err(CommandError::usage(anyhow!(text)));
    }
    if configuration.discoveries().next().is_some() {
        return Err(CommandError::usage(anyhow!("wait does not support discover; list the Services as targets")));
    }
    let context = args.target.kubernetes_context.clone();
    let mut session =
        Session::start(KubernetesOptions { context, scope: Scope::ScaleEvents, ..KubernetesOptions::default() })?;
    session.probe(&configuration, |_| None).await?;
    let (replica, milestone) = (args.replica.clone(), args.milestone);
    let reached = move |snapshot: &Snapshot| MilestoneStatus::has(&statuses(snapshot), &replica, milestone);
    let snapshot = session.run_until(reached, args.patience).await?;
    Ok(Waited::of(&statuses(&snapshot), &args.replica, milestone))
}

fn statuses(snapshot: &Snapshot) -> Vec<MilestoneStatus> {
    let sets = snapshot.cluster.iter().flat_map(|cluster| &cluster.statefulsets);
    sets.filter_map(|set| set.milestone_status.clone()).collect()
}

impl Waited {
    fn of(sets: &[MilestoneStatus], replica: &str, milestone: Milestone) -> Self {
        match sets {
            _ if MilestoneStatus::has(sets, replica, milestone) => Self::Reached,
            [] => Self::Unknown,
            _ => Self::NotReached,
        }
    }
}
