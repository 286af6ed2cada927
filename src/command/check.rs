//! `check`: one verdict for a script.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::{
    CommandError,
    observation::Observation,
    output,
    run::{config_check, interval_of, runtime, watcher},
    supervisor::{Signals, Supervisor},
};
use crate::{
    cli::{CheckArgs, Output},
    clock::Clock,
    model::{Decision, Outcome, Snapshot, TargetSnapshot},
    view::api::Checked,
};

/// Quicker than `run`: a script waits for it.
const INTERVAL: &str = "50ms";

const EXIT_BALANCED: u8 = 0;
const EXIT_UNBALANCED: u8 = 1;
const EXIT_UNDECIDED: u8 = 2;

pub(super) fn execute(args: &CheckArgs) -> Result<u8, CommandError> {
    let target = args.target.target(interval_of(INTERVAL)?).map_err(CommandError::usage)?;
    let rules = args.rules(target.interval);
    let targets = [target];
    if args.config_check {
        return config_check(&targets);
    }
    // A script takes 1 for "unbalanced", so what keeps the check from its work is 2 like any other "could not tell".
    runtime()?.block_on(async {
        let watcher = watcher(&args.target, false).await.map_err(CommandError::usage)?;
        let observation =
            Observation::new(&targets, Some(&rules), watcher, Clock::start()).map_err(CommandError::usage)?;
        let (target, outcome) = decide(observation).await.map_err(CommandError::usage)?;
        report(&target, outcome.as_ref(), args.output).map_err(CommandError::usage)
    })
}

/// Samples until the trial is over, or a signal ends it without an outcome.
async fn decide(observation: Observation) -> anyhow::Result<(Arc<TargetSnapshot>, Option<Outcome>)> {
    let stop = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let mut supervisor = Supervisor::new(stop.clone());
    let mut snapshots = observation.start(&mut supervisor, &stop);
    let mut watching = snapshots.clone();
    supervisor.spawn("waiting for the outcome", async move {
        let over = |snapshot: &Snapshot| snapshot.targets.iter().all(|target| target.trial.is_some());
        // An error means that the state's owner is gone: a signal has stopped everything.
        let _ = watching.wait_for(over).await;
        stop.cancel();
        Ok(())
    });
    supervisor.supervise(&mut signals).await?;
    let snapshot = snapshots.borrow_and_update();
    let target = snapshot.targets.first().context("nothing was observed")?;
    Ok((Arc::clone(target), target.trial.clone()))
}

/// Prints the outcome and returns the exit code.
fn report(target: &TargetSnapshot, outcome: Option<&Outcome>, form: Output) -> anyhow::Result<u8> {
    let code = match outcome.map(|outcome| outcome.decision) {
        Some(Decision::Balanced) => EXIT_BALANCED,
        Some(Decision::Unbalanced) => EXIT_UNBALANCED,
        Some(Decision::Undecided) | None => EXIT_UNDECIDED,
    };
    let sentence = outcome.map_or_else(
        || format!("Could not tell: it was interrupted after {} samples", target.samples),
        |outcome| outcome.finding.to_string(),
    );
    match form {
        Output::Text => output::line(&sentence)?,
        Output::Json => {
            let checked = Checked::of(target, outcome, sentence, code);
            output::line(&serde_json::to_string(&checked)?)?;
        }
    }
    Ok(code)
}
