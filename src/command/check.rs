//! `check`: one verdict for a script.

use std::sync::Arc;

use anyhow::anyhow;
use tokio_util::sync::CancellationToken;

use super::{
    CommandError,
    fleet::{Fleet, Wanted},
    observation::Observation,
    output,
    run::{config_check, interval_of, runtime},
    supervisor::{Signals, Supervisor},
};
use crate::{
    api::Checked,
    cli::{CheckArgs, Output},
    clock::Clock,
    config::{Imbalance, Target},
    model::{Decision, Snapshot, TargetSnapshot},
    source::kubernetes::{self, Watcher},
};

/// Faster than `run`, because a script waits for the result.
const INTERVAL: &str = "50ms";

const EXIT_BALANCED: u8 = 0;
const EXIT_UNBALANCED: u8 = 1;
const EXIT_UNDECIDED: u8 = 2;

pub(super) fn execute(args: &CheckArgs) -> Result<u8, CommandError> {
    let configuration = args.target.configuration(interval_of(INTERVAL)?).map_err(CommandError::usage)?;
    if args.config_check {
        return config_check(&configuration);
    }
    if configuration.discoveries().next().is_some() {
        return Err(CommandError::usage(anyhow!("check cannot wait for Services to appear; leave discover out")));
    }
    // Exit code 1 means "unbalanced" to a script, so failures of the check itself exit with 2, like other undecided
    // results.
    runtime()?.block_on(async {
        let with_rules = |target: &Target| (target.clone(), Some(args.rules(target.interval)));
        let targets: Vec<_> = configuration.targets().map(with_rules).collect();
        let client = if configuration.needs_kubernetes() {
            let context = args.target.kubernetes_context.as_deref();
            Some(kubernetes::connect(context).await.map_err(CommandError::usage)?)
        } else {
            None
        };
        let watcher = client.map(|client| Watcher::new(client, false));
        let decided = decide(targets, configuration.imbalance, watcher).await;
        let decided = decided.map_err(CommandError::usage)?;
        let codes = decided.iter().map(|target| report(target, decided.len() > 1, args.output));
        let codes = codes.collect::<Result<Vec<_>, _>>().map_err(CommandError::usage)?;
        Ok(gravest(&codes))
    })
}

/// The exit code of all targets: a definite result of one target outweighs an undecided one of another.
fn gravest(codes: &[u8]) -> u8 {
    let weight = |code: &u8| [EXIT_BALANCED, EXIT_UNDECIDED, EXIT_UNBALANCED].iter().position(|known| known == code);
    codes.iter().copied().max_by_key(weight).unwrap_or(EXIT_UNDECIDED)
}

async fn decide(
    targets: Vec<Wanted>,
    imbalance: Imbalance,
    watcher: Option<Watcher>,
) -> anyhow::Result<Vec<Arc<TargetSnapshot>>> {
    let stop = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let mut supervisor = Supervisor::new(stop.clone());
    let observation = Observation::start(Clock::start(), &mut supervisor, &stop);
    let mut snapshots = observation.shown.clone();
    let mut fleet = Fleet::new(observation, stop.clone());
    if let Some(watcher) = watcher {
        fleet.watch(watcher);
    }
    fleet.set(targets, imbalance).await?;
    supervisor.spawn("targets", fleet.keep());
    let mut watching = snapshots.clone();
    supervisor.spawn("waiting for the outcome", async move {
        let over = |snapshot: &Snapshot| snapshot.targets.iter().all(|target| target.check.is_some());
        // An error means that the state task has ended because of a signal.
        let _ = watching.wait_for(over).await;
        stop.cancel();
        Ok(())
    });
    supervisor.supervise(&mut signals).await?;
    Ok(snapshots.borrow_and_update().targets.clone())
}

fn report(target: &TargetSnapshot, named: bool, form: Output) -> anyhow::Result<u8> {
    let outcome = target.check.as_ref();
    let code = match outcome.map(|outcome| outcome.decision) {
        Some(Decision::Balanced) => EXIT_BALANCED,
        Some(Decision::Unbalanced) => EXIT_UNBALANCED,
        Some(Decision::Undecided) | None => EXIT_UNDECIDED,
    };
    let sentence = outcome.map_or_else(
        || format!("Could not tell: it was interrupted after {} probes", target.probes),
        |outcome| outcome.finding.to_string(),
    );
    match form {
        Output::Text if named => output::line(&format!("{}: {sentence}", target.name))?,
        Output::Text => output::line(&sentence)?,
        Output::Json => {
            let checked = Checked::of(target, outcome, sentence, code);
            output::line(&serde_json::to_string(&checked)?)?;
        }
    }
    Ok(code)
}
