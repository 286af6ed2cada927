//! What the definition of the options does not say: their headings in the help, and which variables of the environment
//! count.

use clap::{Arg, Command, CommandFactory, FromArgMatches};

use super::Cli;

/// Headings with their options. A name before a dot stands for all such options.
const HEADINGS: [(&str, &[&str]); 8] = [
    ("Target", &["config", "service", "address", "expect", "user", "password-file", "attach", "http"]),
    ("TLS", &["tls", "tls-ca", "tls-cert", "tls-key"]),
    ("Kubernetes", &["kubernetes", "statefulset", "no-scale-events"]),
    (
        "Probing",
        &[
            "interval",
            "burst-interval",
            "burst-for",
            "pod-probe-interval",
            "timeout",
            "probe-timeout",
            "max-in-flight",
            "forget-after",
            "freshness",
        ],
    ),
    ("Verdict", &["imbalance", "alpha"]),
    ("Clients", &["clients", "clients-interval"]),
    ("HTTP", &["web"]),
    ("Logging", &["log"]),
];

impl Cli {
    /// The command line of this process. Ends the process after a request for help, and after an error.
    pub fn read() -> Self {
        let mut command = Self::described().mut_args(unset_empty);
        for name in names(&command) {
            command = command.mut_subcommand(name, |command| command.mut_args(unset_empty));
        }
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }

    /// With the headings.
    pub fn described() -> Command {
        let mut command = Self::command().mut_args(headed);
        for name in names(&command) {
            command = command.mut_subcommand(name, |command| command.mut_args(headed));
        }
        command
    }
}

fn names(command: &Command) -> Vec<String> {
    command.get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

fn headed(arg: Arg) -> Arg {
    // The limit of `wait` is not that of a probe.
    let Some(long) = arg.get_long().filter(|_| arg.get_id() != "patience") else { return arg };
    let group = long.split('.').next().unwrap_or(long);
    match HEADINGS.iter().find(|(_, options)| options.contains(&group)) {
        Some((heading, _)) => arg.help_heading(*heading),
        None => arg.help_heading(None),
    }
}

/// An empty variable is how a chart or a shell leaves one out.
fn unset_empty(arg: Arg) -> Arg {
    let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(None) } else { arg }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_a_target_or_the_exporter_has_a_heading() {
        let command = Cli::described();
        let run = command.find_subcommand("run").unwrap();
        let without = run.get_arguments().filter(|arg| arg.get_help_heading().is_none());
        let without: Vec<_> = without.filter_map(Arg::get_long).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
