//! `check`: one verdict for a script.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use anyhow::anyhow;

use super::{
    CommandError, output,
    run::{config_check, runtime},
    session::Session,
    targets::KubernetesOptions,
};
use crate::{
    api::Checked,
    cli::{CheckArgs, Output},
    config::Configuration,
    model::{Count, Decision, ReplicaCondition, ReplicaSnapshot, Snapshot, TargetSnapshot},
    source::kubernetes::Scope,
};

const EXIT_BALANCED: u8 = 0;
const EXIT_UNBALANCED: u8 = 1;
const EXIT_UNDECIDED: u8 = 2;

/// Exit code 1 means "unbalanced" to a script, so failures of the check itself exit with 2, like other undecided results.
pub(super) fn execute(args: &CheckArgs) -> Result<u8, CommandError> {
    let configuration = args.target.configuration().map_err(CommandError::usage)?;
    if args.config_check {
        return config_check(&configuration);
    }
    if configuration.discoveries().next().is_some() {
        return Err(CommandError::usage(anyhow!("check does not support discover; list the Services as targets")));
    }
    let targets = runtime()?.block_on(check(args, &configuration)).map_err(CommandError::into_usage)?;
    let address = |target: &TargetSnapshot| {
        let of_target = configuration.targets().find(|known| known.name == target.name);
        of_target.map(|target| target.address.to_string()).unwrap_or_default()
    };
    let codes = targets.iter().map(|target| report(target, &address(target), targets.len() > 1, args));
    let codes = codes.collect::<Result<Vec<_>, _>>().map_err(CommandError::usage)?;
    Ok(gravest(&codes))
}

/// The exit code of all targets: a definite result of one target outweighs an undecided one of another.
fn gravest(codes: &[u8]) -> u8 {
    let weight = |code: &u8| [EXIT_BALANCED, EXIT_UNDECIDED, EXIT_UNBALANCED].iter().position(|known| known == code);
    codes.iter().copied().max_by_key(weight).unwrap_or(EXIT_UNDECIDED)
}

async fn check(args: &CheckArgs, configuration: &Configuration) -> Result<Vec<Arc<TargetSnapshot>>, CommandError> {
    let context = args.target.kubernetes_context.clone();
    let scope = if args.no_wait { Scope::Routing } else { Scope::Rollouts };
    let mut session = Session::start(KubernetesOptions { context, scope, ..KubernetesOptions::default() })?;
    session.probe(configuration, |target| Some(args.rules(target.settings.interval))).await?;
    let over = |snapshot: &Snapshot| snapshot.targets.iter().all(|target| target.check.is_some());
    let snapshot = session.run_until(over, Duration::MAX).await?;
    Ok(snapshot.targets)
}

fn report(target: &TargetSnapshot, address: &str, named: bool, args: &CheckArgs) -> anyhow::Result<u8> {
    let outcome = target.check.as_ref();
    let is_out = |replica: &ReplicaSnapshot| replica.conditions.iter().any(ReplicaCondition::is_outage);
    let code = match outcome.map(|outcome| outcome.decision) {
        Some(Decision::Balanced) if target.replicas.iter().any(is_out) => EXIT_UNBALANCED,
        Some(Decision::Balanced) => EXIT_BALANCED,
        Some(Decision::Unbalanced) => EXIT_UNBALANCED,
        Some(Decision::Undecided) | None => EXIT_UNDECIDED,
    };
    let mut sentence = outcome.map_or_else(
        || format!("Undecided: it was interrupted after {}", Count(target.probes, "probe")),
        |_| target.headline.clone(),
    );
    if code == EXIT_UNDECIDED {
        write!(sentence, " (address {address})")?;
    }
    let code = match target.clients.is_uneven() {
        Some(true) if args.clients => EXIT_UNBALANCED,
        None if args.clients && code == EXIT_BALANCED => EXIT_UNDECIDED,
        _ => code,
    };
    match args.output {
        Output::Text => {
            let name = if named { format!("{}: ", target.name) } else { String::new() };
            if args.clients {
                output::line(&format!("{name}Clients: {}", target.clients))?;
            }
            output::line(&format!("{name}{sentence}"))?;
        }
        Output::Json => {
            let checked = Checked::of(target, outcome, sentence, code);
            output::line(&serde_json::to_string(&checked)?)?;
        }
    }
    Ok(code)
}
