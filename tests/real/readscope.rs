//! readscope for tests with real servers: its calls and its counters.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{
    program::mortal,
    support::{
        exporter::{Exporter, Metrics},
        program::{Ended, Program, readscope},
        waiting::{wait_for, wait_until},
    },
};

/// Long, because tests with real servers share the machine.
const WITHIN: Duration = Duration::from_secs(120);

/// One call of readscope.
#[derive(Clone)]
pub(crate) struct Call {
    arguments: Vec<String>,
    /// Its `/etc/resolv.conf`, if it has its own.
    resolver: Option<PathBuf>,
    environment: Vec<(&'static str, String)>,
}

impl Call {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self { arguments: Vec::new(), resolver: None, environment: Vec::new() }.with(arguments)
    }

    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    pub(crate) fn resolving_with(mut self, resolver: &Path) -> Self {
        self.resolver = Some(resolver.to_owned());
        self
    }

    pub(crate) fn with_environment(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Starts `readscope run` and returns when it listens.
    pub(crate) fn run(&self) -> Exporter {
        Exporter::start(self.command("run").args(["--web.listen-address", "127.0.0.1:0"]))
    }

    /// As [`run`](Self::run), with a kubeconfig.
    pub(crate) fn run_at(&self, kubeconfig: &Path) -> Exporter {
        let mut command = self.command("run");
        command.env("KUBECONFIG", kubeconfig).env_remove("HTTPS_PROXY").env_remove("https_proxy");
        Exporter::start(command.args(["--web.listen-address", "127.0.0.1:0"]))
    }

    /// Runs `readscope check` to its end.
    pub(crate) fn check(&self) -> Ended {
        Program::start(&mut self.command("check")).ended(WITHIN)
    }

    fn command(&self, subcommand: &str) -> Command {
        let call = readscope(&[subcommand]);
        let mut command = mortal("env");
        if let Some(resolver) = &self.resolver {
            let script = r#"mount --bind "$0" /etc/resolv.conf && exec "$@""#;
            command.args(["unshare", "--mount", "--", "bash", "-c", script]).arg(resolver);
        }
        command.arg(call.get_program()).args(call.get_args()).args(&self.arguments);
        for (name, _) in call.get_envs().filter(|(_, value)| value.is_none()) {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned());
        command
    }
}

impl Exporter {
    pub(crate) fn wait_for_log(&self, part: &str) {
        wait_until(part, WITHIN, || self.program.logged(&[part]) > 0);
    }

    /// As `wait_until`, with a time limit for real servers.
    pub(crate) fn wait_for(&mut self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        wait_for(what, WITHIN, || {
            assert!(self.program.is_running(), "waiting for {what}, it ends: {:?}", self.program.log());
            Some(self.metrics()).filter(&holds)
        })
    }
}

/// Metrics of one replica.
impl Metrics {
    pub(crate) fn reads_of(&self, replica: &str) -> u64 {
        self.sum("readscope_reads_total", &label(replica))
    }

    /// Whether the metric has a series for the replica.
    pub(crate) fn has(&self, name: &str, replica: &str) -> bool {
        self.series(name).any(|(labels, _)| labels.contains(&label(replica)))
    }

    /// Whether any metric has a series of the replica.
    pub(crate) fn mentions(&self, replica: &str) -> bool {
        self.text().contains(&label(replica))
    }
}

fn label(replica: &str) -> String {
    format!("replica=\"{replica}\"")
}

/// The result of `check --output json`.
impl Ended {
    /// The target's object.
    pub(crate) fn target(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn reads_of(&self, replica: &str) -> u64 {
        let target = self.target();
        let replicas = target["replicas"].as_array().expect("replicas is a list");
        let found = replicas.iter().find(|entry| entry["replica"] == replica);
        found.map_or(0, |entry| entry["reads"].as_u64().expect("reads is a number"))
    }
}
