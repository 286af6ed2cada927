//! `check`: one verdict for a script.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, anyhow};

use super::{
    CommandError, output,
    run::{config_check, runtime},
    session::Session,
    targets::KubernetesOptions,
};
use crate::{
    api::Checked,
    cli::{CheckArgs, Export, ExportFormat, Output},
    config::Configuration,
    model::{Count, Decision, ReplicaCondition, ReplicaSnapshot, Snapshot, TargetSnapshot},
    source::kubernetes::Scope,
    view::report,
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
    // A file that cannot be written is an error before the check, which takes time.
    let exports = args.export.iter().map(Opened::new).collect::<Result<Vec<_>, _>>().map_err(CommandError::usage)?;
    let targets = runtime()?.block_on(check(args, &configuration)).map_err(CommandError::into_usage)?;
    let address = |target: &TargetSnapshot| {
        let of_target = configuration.targets().find(|known| known.name == target.name);
        of_target.map(|target| target.address.to_string()).unwrap_or_default()
    };
    let results: Vec<_> = targets.iter().map(|target| result(target, &address(target), args)).collect();
    let is_replaced = exports.iter().any(|export| export.file.is_none());
    exports.into_iter().try_for_each(|export| export.write(&results)).map_err(CommandError::usage)?;
    if !is_replaced {
        results.iter().try_for_each(|checked| show(checked, results.len() > 1, args)).map_err(CommandError::usage)?;
    }
    let codes: Vec<u8> = results.iter().map(|checked| checked.exit_code).collect();
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

fn result<'a>(target: &'a TargetSnapshot, address: &str, args: &CheckArgs) -> Checked<'a> {
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
        sentence = format!("{sentence} (address {address})");
    }
    let code = match target.clients.is_uneven() {
        Some(true) if args.clients => EXIT_UNBALANCED,
        None if args.clients && code == EXIT_BALANCED => EXIT_UNDECIDED,
        _ => code,
    };
    Checked::of(target, outcome, sentence, code)
}

fn show(checked: &Checked<'_>, named: bool, args: &CheckArgs) -> anyhow::Result<()> {
    let target = &checked.target;
    match args.output {
        Output::Text => {
            for line in report::table(target) {
                output::line(&line)?;
            }
            let name = if named { format!("{}: ", target.target) } else { String::new() };
            if let Some(clients) = target.clients.as_ref().filter(|_| args.clients) {
                output::line(&format!("{name}Clients: {}", clients.reason))?;
            }
            output::line(&format!("{name}{}", target.headline.as_deref().unwrap_or_default()))?;
        }
        Output::Json => output::line(&serde_json::to_string(checked)?)?,
    }
    Ok(())
}

/// An export whose file is open.
struct Opened {
    format: ExportFormat,
    file: Option<(PathBuf, File)>,
}

impl Opened {
    fn new(export: &Export) -> anyhow::Result<Self> {
        let open = |path: &PathBuf| anyhow::Ok((path.clone(), File::create(path).with_context(|| unwritten(path))?));
        Ok(Self { format: export.format, file: export.file.as_ref().map(open).transpose()? })
    }

    fn write(self, results: &[Checked<'_>]) -> anyhow::Result<()> {
        let text = match self.format {
            ExportFormat::Json => serde_json::to_string_pretty(&serde_json::json!({ "results": results }))?,
            ExportFormat::Csv => report::csv(results),
            ExportFormat::Markdown => report::markdown(results),
        };
        match self.file {
            Some((path, mut file)) => writeln!(file, "{text}").with_context(|| unwritten(&path)),
            None => Ok(output::line(&text)?),
        }
    }
}

fn unwritten(path: &Path) -> String {
    format!("cannot write the export to {}", path.display())
}
