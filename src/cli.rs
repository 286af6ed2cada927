//! The command line, and the configuration that follows from it.

mod described;
mod log;

pub use log::{LogArgs, LogFormat, LogLevel};

use std::{os::unix::ffi::OsStrExt, path::PathBuf, str::FromStr, time::Duration};

use clap::{
    ArgGroup, Args, Id, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    config::{
        Address, Configuration, DurationError, FalseAlarmPeriod, FileError, Interval, Listen, PasswordError,
        PasswordSource, PlaceError, RoutePrefix, Settings, Target, Tls, TlsError, TlsSettings, Tolerance,
        parse_duration,
    },
    model::{
        CheckRules, Expectation, ExpectationError, Expected,
        cluster::{Milestone, ObjectName},
    },
    source::exporter::ExporterUrl,
};

const PASSWORD_VARIABLE: &str = "READSCOPE_PASSWORD";

/// The argument group of which at least one option is required.
const WHERE: &str = "where";

/// Shows where the reads of a replicated MySQL go, and when a new replica really serves.
///
/// readscope opens fresh connections through the read Service and asks which server answers.
#[derive(Debug, Parser)]
#[command(name = "readscope", version, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub log: LogArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the exporter: probe, and serve metrics, API and live page over HTTP
    Run(RunArgs),
    /// Show the live state on the terminal; print one line for each read if the output is not a terminal
    Watch(WatchArgs),
    /// Print one verdict and exit: 0 if balanced, 1 if unbalanced or a replica is missing, 2 if undecided
    Check(CheckArgs),
    /// Wait until a replica reaches a milestone; exit with 0, or with 1 on a timeout
    Wait(WaitArgs),
    /// Run a demo with embedded replicas; it needs no cluster and no database
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct RunArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// Address of the HTTP server; port 0 takes a free one; repeat the option for more addresses
    #[arg(long = "web.listen-address", value_name = "[IP]:PORT", default_value = ":10306")]
    pub listen: Vec<Listen>,
    /// Serve HTTP on the sockets that systemd passes, in place of an address
    #[arg(long = "web.systemd-socket", conflicts_with = "listen")]
    pub systemd_socket: bool,
    /// Average time between false alarms, for all targets together [default: 30d]
    #[arg(long = "imbalance.false-alarm-period", value_name = "DURATION", allow_hyphen_values = true)]
    pub false_alarm_period: Option<FalseAlarmPeriod>,
    /// Relative deviation from the expected share that still counts as balanced, 0 to 0.5 [default: 0.02]
    #[arg(long = "imbalance.tolerance", value_name = "PART", allow_negative_numbers = true)]
    pub tolerance: Option<Tolerance>,
    /// Do not watch scale events and PVCs, for a readscope on each node beside a Deployment
    #[arg(long)]
    pub no_scale_events: bool,
    /// Write scale events and milestones as Kubernetes Events of the StatefulSet, for `kubectl describe`
    #[arg(long = "kubernetes.events", requires = "of_kubernetes", conflicts_with = "no_scale_events")]
    pub kubernetes_events: bool,
    /// Lease in readscope's own namespace, by which one of several readscopes counts scale events and writes Events
    #[arg(
        long = "kubernetes.lease",
        value_name = "NAME",
        requires = "of_kubernetes",
        conflicts_with = "no_scale_events"
    )]
    pub kubernetes_lease: Option<String>,
    /// TLS, client certificates and users of the HTTP server, as in Prometheus' exporter-toolkit; reloaded on a change
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config_file: Option<PathBuf>,
    /// URL of the page behind a reverse proxy; its path is the default of `--web.route-prefix`
    #[arg(long = "web.external-url", value_name = "URL", value_parser = RoutePrefix::of_url)]
    pub external_url: Option<RoutePrefix>,
    /// Path under which everything is served, as the reverse proxy forwards it [default: the path of `--web.external-url`]
    #[arg(long = "web.route-prefix", value_name = "PATH")]
    pub route_prefix: Option<RoutePrefix>,
    /// Enable reload by HTTP POST to /-/reload
    #[arg(long = "web.enable-lifecycle")]
    pub enable_lifecycle: bool,
    /// Validate the configuration, print it and exit
    #[arg(long = "config.check")]
    pub config_check: bool,
}

#[derive(Debug, Args)]
#[command(mut_group(WHERE, |group| group.arg("attach")))]
pub struct WatchArgs {
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Do not watch scale events and PVCs
    #[arg(long)]
    pub no_scale_events: bool,
    /// Validate the configuration, print it and exit
    #[arg(long = "config.check", conflicts_with = "attach")]
    pub config_check: bool,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Debug, Args)]
// Faster than `run`, because a script waits for the result.
#[command(mut_arg("interval", |arg| arg.default_value("50ms")))]
#[command(mut_arg("clients_interval", |arg| arg.default_value("1s")))]
pub struct CheckArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// Number of probes
    #[arg(long, value_name = "N", default_value_t = 600, conflicts_with = "lasting", allow_negative_numbers = true,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub probes: u64,
    /// Time to probe, instead of a number of probes
    #[arg(long = "for", id = "lasting", value_name = "DURATION", value_parser = parse_some_time, allow_hyphen_values = true)]
    pub lasting: Option<Duration>,
    /// Exit with 1 also when client connections are uneven
    #[arg(long)]
    pub clients: bool,
    /// Check at once, without waiting until roll-outs are complete and new replicas answer
    #[arg(long)]
    pub no_wait: bool,
    /// Maximum probability that balanced reads are reported as unbalanced by chance
    #[arg(long, value_name = "P", default_value = "0.001", value_parser = parse_alpha, allow_negative_numbers = true)]
    pub alpha: f64,
    /// Format of the result
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Write the results of all targets as json, csv or markdown, to a file or in place of the result; repeat the option for
    /// more formats
    #[arg(long, value_name = "FORMAT[=FILE]")]
    pub export: Vec<Export>,
    /// Validate the configuration, print it and exit
    #[arg(long = "config.check")]
    pub config_check: bool,
}

#[derive(Debug, Args)]
#[command(mut_group(WHERE, |group| group.arg("attach")))]
#[command(mut_arg("timeout", |arg| arg.long("probe-timeout")))]
pub struct WaitArgs {
    /// Name of the replica's pod, such as mysql-3
    #[arg(value_name = "REPLICA")]
    pub replica: String,
    /// Milestone to wait for; one that is already reached counts
    #[arg(long = "for", id = "milestone", value_name = "MILESTONE", value_parser = milestone_parser(), hide_possible_values = true)]
    pub milestone: Milestone,
    /// Maximum time to wait
    #[arg(long = "timeout", id = "patience", value_name = "DURATION", default_value = "5m", value_parser = parse_duration, allow_hyphen_values = true)]
    pub patience: Duration,
    #[command(flatten)]
    pub attach: AttachArgs,
    #[command(flatten)]
    pub target: TargetArgs,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Run only the HTTP server, without the terminal view
    #[arg(long)]
    pub no_tui: bool,
    /// Stop after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    pub lasting: Option<Duration>,
    /// Speed of the scenario and its probes, 0.1 to 20; one round takes 134 s at speed 1
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = parse_speed, allow_negative_numbers = true)]
    pub speed: f64,
    /// Seed of the load balancer, to repeat the choices of an earlier run [default: random]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Address of the HTTP server; port 0 takes a free one; repeat the option for more addresses
    #[arg(
        long = "web.listen-address",
        env = "READSCOPE_DEMO_LISTEN_ADDRESS",
        value_name = "[IP]:PORT",
        default_value = "127.0.0.1:10306"
    )]
    pub listen: Vec<Listen>,
}

/// Options to use a running exporter.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Use the data of a running exporter at this URL, such as `http://127.0.0.1:10306`
    #[arg(long, value_name = "URL")]
    pub attach: Option<ExporterUrl>,
    /// TLS and credentials for --attach, as in Prometheus' HTTP client configuration file (`basic_auth`, `authorization`,
    /// `tls_config`)
    #[arg(long = "http.config.file", value_name = "FILE", requires = "attach")]
    pub http_config_file: Option<PathBuf>,
}

/// What to probe: many targets or one.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("of_kubernetes").args(["service", "config_file"]).multiple(true))]
#[command(group = ArgGroup::new(WHERE).args(["service", "address", "config_file"]).multiple(true).required(true))]
pub struct TargetArgs {
    /// Configuration file for many targets, in YAML; it replaces the options for one target
    #[arg(long = "config.file", env = "READSCOPE_CONFIG_FILE", value_name = "FILE", conflicts_with_all = one_target())]
    pub config_file: Option<PathBuf>,
    /// Context of the kubeconfig [default: the current context, or the cluster of readscope's pod]
    #[arg(long = "kubernetes.context", value_name = "NAME", requires = "of_kubernetes")]
    pub kubernetes_context: Option<String>,
    #[command(flatten)]
    pub one: OneTargetArgs,
}

/// The configuration file excludes all of these.
#[derive(Clone, Debug, Args)]
pub struct OneTargetArgs {
    /// Kubernetes Service; its endpoints are the expected replicas
    #[arg(long, env = "READSCOPE_SERVICE", value_name = "NAMESPACE/NAME")]
    pub service: Option<ObjectName>,
    /// Address to connect to, with or without a Service; the default port is the Service's, else 3306 [default: the
    /// Service's DNS name]
    #[arg(long, env = "READSCOPE_ADDRESS", value_name = "HOST[:PORT]")]
    pub address: Option<Address>,
    /// StatefulSet behind the Service, in the same namespace [default: the owner of the endpoints' pods]
    #[arg(long, env = "READSCOPE_STATEFULSET", value_name = "NAMESPACE/NAME", requires = "service")]
    pub statefulset: Option<ObjectName>,
    /// Expected replica, as its host name or `server-SERVER_ID`; repeat the option for each one [default: from Kubernetes,
    /// else the replicas seen]
    #[arg(long, value_name = "NAME[=WEIGHT]")]
    pub expect: Vec<Expected>,
    /// File with the password, reloaded on a change; or set the password in the environment variable `READSCOPE_PASSWORD`
    #[arg(long, env = "READSCOPE_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    #[command(flatten)]
    pub tls: TlsSettings,
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table of the replicas, and one sentence
    Text,
    /// One JSON object
    Json,
}

/// Without a file, on standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub format: ExportFormat,
    pub file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Json,
    Csv,
    Markdown,
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("write json, csv or markdown, with a file or without, such as csv=reads.csv")]
pub struct ExportError;

impl FromStr for Export {
    type Err = ExportError;

    fn from_str(text: &str) -> Result<Self, ExportError> {
        let (format, file) = text.split_once('=').map_or((text, None), |(format, file)| (format, Some(file)));
        let format = ExportFormat::from_str(format, false).map_err(|_| ExportError)?;
        if file == Some("") { Err(ExportError) } else { Ok(Self { format, file: file.map(PathBuf::from) }) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("--expect")]
    Expect(#[from] ExpectationError),
    #[error("TLS")]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl TargetArgs {
    pub fn configuration(&self) -> Result<Configuration, TargetError> {
        match &self.config_file {
            // The options have their defaults here, since the file excludes them.
            Some(path) => {
                let settings = Settings { password: password_of_environment()?, ..self.one.settings.clone() };
                Ok(Configuration::load(path, settings)?)
            }
            None => Ok(Configuration::of(self.one.target()?)),
        }
    }
}

impl OneTargetArgs {
    fn target(&self) -> Result<Target, TargetError> {
        let file = self.password_file.clone().map(PasswordSource::File);
        let settings = Settings {
            password: file.map_or_else(password_of_environment, Ok)?,
            tls: Tls::load(&self.tls)?,
            expectation: Expectation::listed(self.expect.clone())?,
            ..self.settings.clone()
        };
        let target = Target::new(self.service.clone(), self.address.clone(), self.statefulset.clone())?;
        Ok(Target { settings, ..target })
    }
}

fn password_of_environment() -> Result<PasswordSource, PasswordError> {
    std::env::var_os(PASSWORD_VARIABLE).map_or(Ok(PasswordSource::Empty), |text| {
        PasswordSource::given(text.as_bytes(), format!("the environment variable {PASSWORD_VARIABLE}"))
    })
}

fn one_target() -> Vec<Id> {
    let command = OneTargetArgs::augment_args(clap::Command::new(""));
    command.get_arguments().map(|argument| argument.get_id().clone()).collect()
}

impl RunArgs {
    pub fn prefix(&self) -> RoutePrefix {
        self.route_prefix.clone().or_else(|| self.external_url.clone()).unwrap_or_default()
    }

    /// Options override the file.
    pub fn judge_by(&self, configuration: &mut Configuration) {
        let imbalance = &mut configuration.imbalance;
        imbalance.false_alarm_period = self.false_alarm_period.unwrap_or(imbalance.false_alarm_period);
        imbalance.tolerance = self.tolerance.unwrap_or(imbalance.tolerance);
    }
}

impl CheckArgs {
    pub fn rules(&self, interval: Interval) -> CheckRules {
        let in_time = |lasting: Duration| {
            let slots = lasting.as_nanos() / interval.get().as_nanos();
            u64::try_from(slots).unwrap_or(u64::MAX).max(1)
        };
        let probes = self.lasting.map_or(self.probes, in_time);
        CheckRules { probes, waits: !self.no_wait, alpha: self.alpha }
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
