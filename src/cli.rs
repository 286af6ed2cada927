//! Command-line arguments, and how they become a configuration.

mod attach;
mod log;
mod watch;

pub use attach::AttachArgs;
pub use log::{LogArgs, LogFormat, LogLevel};
pub use watch::WatchArgs;

use std::{path::PathBuf, time::Duration};

use clap::{
    ArgGroup, Args, Id, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    config::{
        Address, AddressError, Configuration, DurationError, FalseAlarmPeriod, FileError, Interval, Listen,
        PasswordSource, Secret, Settings, Target, Tls, TlsError, TlsSettings, Tolerance, parse_duration,
    },
    model::{
        CheckRules, Expectation, ExpectationError, Expected,
        cluster::{Milestone, ObjectName},
    },
};

const PASSWORD_VARIABLE: &str = "READSCOPE_PASSWORD";

/// The argument group of which at least one option is required.
const WHERE: &str = "where";

/// Shows where the reads of a replicated MySQL go, and when a new replica really serves.
///
/// It opens a fresh connection to the read Service again and again and asks which server answers.
#[derive(Debug, Parser)]
#[command(name = "readscope", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the exporter: probe and serve until it is stopped
    Run(RunArgs),
    /// Show it live on the terminal; one line an answer where the output is none
    Watch(WatchArgs),
    /// Give one verdict for a script: exit 0 balanced, 1 unbalanced or a replica missing, 2 could not tell
    Check(CheckArgs),
    /// Wait until a replica has reached a milestone: exit 0 if it has, 1 if it has not in time
    Wait(WaitArgs),
    /// Show everything with embedded replicas; needs nothing but this program
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of `run`.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct RunArgs {
    /// Where to probe.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Where to serve HTTP; may be given more than once
    #[arg(long = "web.listen-address", value_name = "[IP]:PORT", default_value = ":10306")]
    pub listen: Vec<Listen>,
    /// False alarms about unbalanced reads are at least so far apart on average, over all targets [default: 30d]
    #[arg(long = "imbalance.false-alarm-period", value_name = "DURATION", allow_hyphen_values = true)]
    pub false_alarm_period: Option<FalseAlarmPeriod>,
    /// By which part of itself a replica's share may be off before it counts as unbalanced, 0 to 0.5 [default: 0.02]
    #[arg(long = "imbalance.tolerance", value_name = "PART", allow_negative_numbers = true)]
    pub tolerance: Option<Tolerance>,
    /// Probe only: no scale events and PVCs, for one probe on each node beside a Deployment
    #[arg(long)]
    pub no_scale_events: bool,
    /// Write scale events and milestones as Kubernetes Events on the StatefulSet too, for `kubectl describe`
    #[arg(long = "kubernetes.events", requires = "of_kubernetes", conflicts_with = "no_scale_events")]
    pub kubernetes_events: bool,
    /// TLS, client certificates and users of the web side, in the form of Prometheus' exporter-toolkit; read again when it
    /// or a file in it changes
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,
    /// Let anybody who can reach the web side load the configuration anew, by POST /-/reload
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,
    /// Validate the options, print what would run, and exit
    #[arg(long = "config.check")]
    pub config_check: bool,
}

/// Options of `check`, which probes faster than `run`, because a script waits for the result.
#[derive(Debug, Args)]
#[command(mut_arg("interval", |arg| arg.default_value("50ms")))]
pub struct CheckArgs {
    /// Where to probe.
    #[command(flatten)]
    pub target: TargetArgs,
    /// How many probes to take
    #[arg(long, value_name = "N", default_value_t = 600, conflicts_with = "lasting", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub probes: u64,
    /// How long to probe, instead of a number of probes
    #[arg(long = "for", id = "lasting", value_name = "DURATION", value_parser = parse_some_time, allow_hyphen_values = true)]
    pub lasting: Option<Duration>,
    /// How often chance alone may make it exit 1, however often it looks while it runs
    #[arg(long, value_name = "P", default_value = "0.001", value_parser = parse_alpha, allow_negative_numbers = true)]
    pub alpha: f64,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Validate the options, print what would run, and exit
    #[arg(long = "config.check")]
    pub config_check: bool,
}

/// Options of `wait`.
#[derive(Debug, Args)]
#[command(mut_group(WHERE, |group| group.arg("attach")))]
#[command(mut_arg("timeout", |arg| arg.long("probe-timeout")))]
pub struct WaitArgs {
    /// The replica, by its pod's name, such as mysql-3
    #[arg(value_name = "REPLICA")]
    pub replica: String,
    /// What it is to reach; what is true already counts
    #[arg(long = "for", id = "milestone", value_name = "MILESTONE", value_parser = milestone_parser(), hide_possible_values = true)]
    pub milestone: Milestone,
    /// How long to wait at most
    #[arg(long = "timeout", id = "patience", value_name = "DURATION", default_value = "5m", value_parser = parse_duration, allow_hyphen_values = true)]
    pub patience: Duration,
    /// A running exporter instead.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Where to probe.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Serve only the web side: no terminal view, and no line for each answer where the output is no terminal
    #[arg(long)]
    pub no_tui: bool,
    /// End by itself after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub lasting: Option<Duration>,
    /// How fast the story goes, and the probes with it, from 0.1 to 20; one round takes 116 s at 1
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = parse_speed, allow_negative_numbers = true)]
    pub speed: f64,
    /// Repeats the choices of an earlier run's load balancer [default: others each time]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Where to serve HTTP; may be given more than once
    #[arg(long = "web.listen-address", value_name = "[IP]:PORT", default_value = "127.0.0.1:10306")]
    pub listen: Vec<Listen>,
}

/// What to probe: many targets or one.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("of_kubernetes").args(["service", "config_file"]).multiple(true))]
#[command(group = ArgGroup::new(WHERE).args(["service", "address", "config_file"]).multiple(true).required(true))]
pub struct TargetArgs {
    /// Many targets, in YAML; the options below describe one target and exclude it
    #[arg(long = "config.file", env = "READSCOPE_CONFIG_FILE", value_name = "FILE", conflicts_with_all = one_target())]
    pub config_file: Option<PathBuf>,
    #[command(flatten)]
    pub one: OneTargetArgs,
    /// Which context of the kubeconfig names the cluster [default: the current one, or the pod's own cluster]
    #[arg(long = "kubernetes.context", value_name = "NAME", requires = "of_kubernetes")]
    pub kubernetes_context: Option<String>,
}

/// One target and how to probe it.
#[derive(Clone, Debug, Args)]
pub struct OneTargetArgs {
    /// A Kubernetes Service; who should answer is found from its endpoints
    #[arg(long, env = "READSCOPE_SERVICE", value_name = "NAMESPACE/NAME")]
    pub service: Option<ObjectName>,
    /// Where to connect, alone or with --service; the port is 3306 unless given [default: the Service's cluster name]
    #[arg(long, env = "READSCOPE_ADDRESS", value_name = "HOST[:PORT]")]
    pub address: Option<Address>,
    /// The StatefulSet behind the Service, in its namespace [default: found from the endpoints' pods]
    #[arg(long, env = "READSCOPE_STATEFULSET", value_name = "NAMESPACE/NAME", requires = "service")]
    pub statefulset: Option<ObjectName>,
    /// A replica that should answer, by host name or `server-<SERVER_ID>`; repeat it for each [default: those seen]
    #[arg(long, value_name = "NAME[=WEIGHT]")]
    pub expect: Vec<Expected>,
    /// File with the account's password, read again when it changes; or set `READSCOPE_PASSWORD` to the password itself
    #[arg(long, env = "READSCOPE_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    #[command(flatten)]
    pub tls: TlsSettings,
    #[command(flatten)]
    pub settings: Settings,
}

/// Forms of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One sentence.
    Text,
    /// One JSON object.
    Json,
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("--expect")]
    Expect(#[from] ExpectationError),
    #[error("TLS")]
    Tls(#[from] TlsError),
    #[error("no target; give --service NAMESPACE/NAME or --address HOST[:PORT]")]
    Nowhere,
    #[error(
        "--statefulset: {0} is not in the namespace of the Service, which selects pods of its own namespace only; name \
         the StatefulSet behind the Service"
    )]
    Elsewhere(ObjectName),
    /// Every valid Service name gives a valid address, so this does not occur.
    #[error("--service")]
    Address(#[from] AddressError),
    #[error("the environment variable READSCOPE_PASSWORD is not text; use --password-file instead")]
    PasswordVariable,
}

impl TargetArgs {
    /// # Errors
    /// When options contradict each other or a file is invalid.
    pub fn configuration(&self) -> Result<Configuration, TargetError> {
        let password = match std::env::var(PASSWORD_VARIABLE) {
            Ok(text) if !text.is_empty() => PasswordSource::Given(Secret::new(text)),
            Err(std::env::VarError::NotUnicode(_)) => return Err(TargetError::PasswordVariable),
            _ => PasswordSource::Empty,
        };
        match &self.config_file {
            // The options have their defaults here, since the file excludes them.
            Some(path) => Ok(Configuration::load(path, Settings { password, ..self.one.settings.clone() })?),
            None => Ok(Configuration::of(self.one.target(password)?)),
        }
    }
}

impl OneTargetArgs {
    fn target(&self, password: PasswordSource) -> Result<Target, TargetError> {
        let target = match (&self.service, &self.address) {
            (Some(service), _) => Target::of_service(service.clone())?,
            (None, Some(address)) => Target::at(address.clone()),
            (None, None) => return Err(TargetError::Nowhere),
        };
        let settings = Settings {
            password: self.password_file.clone().map_or(password, PasswordSource::File),
            tls: Tls::load(&self.tls)?,
            expectation: Expectation::listed(self.expect.clone())?,
            ..self.settings.clone()
        };
        let address = self.address.clone().unwrap_or(target.address);
        let target = Target { statefulset: self.statefulset.clone(), address, settings, ..target };
        match &target.statefulset {
            Some(set) if !target.can_select_statefulset() => Err(TargetError::Elsewhere(set.clone())),
            _ => Ok(target),
        }
    }
}

fn one_target() -> Vec<Id> {
    let command = OneTargetArgs::augment_args(clap::Command::new(""));
    command.get_arguments().map(|argument| argument.get_id().clone()).collect()
}

impl RunArgs {
    /// Options override the file.
    pub fn judge_by(&self, configuration: &mut Configuration) {
        let imbalance = &mut configuration.imbalance;
        imbalance.false_alarm_period = self.false_alarm_period.unwrap_or(imbalance.false_alarm_period);
        imbalance.tolerance = self.tolerance.unwrap_or(imbalance.tolerance);
    }
}

impl CheckArgs {
    #[must_use]
    pub fn rules(&self, interval: Interval) -> CheckRules {
        let in_time = |lasting: Duration| {
            let slots = lasting.as_nanos() / interval.get().as_nanos();
            u64::try_from(slots).unwrap_or(u64::MAX).max(1)
        };
        CheckRules { probes: self.lasting.map_or(self.probes, in_time), alpha: self.alpha }
    }
}

fn milestone_parser() -> impl TypedValueParser<Value = Milestone> {
    PossibleValuesParser::new(Milestone::ALL.map(Milestone::name))
        .try_map(|name| Milestone::from_name(&name).ok_or("unknown milestone"))
}

fn parse_some_time(text: &str) -> Result<Duration, DurationError> {
    match parse_duration(text)? {
        Duration::ZERO => Err(DurationError::Zero),
        duration => Ok(duration),
    }
}

fn parse_alpha(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(alpha) if alpha > 0.0 && alpha < 1.0 => Ok(alpha),
        _ => Err("write a probability above 0 and below 1, such as 0.001".to_owned()),
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=20.0).contains(&speed) => Ok(speed),
        _ => Err("write a factor from 0.1 to 20, such as 2".to_owned()),
    }
}
