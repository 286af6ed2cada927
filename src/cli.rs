//! Command-line arguments, and how they become a configuration.

mod attach;
mod log;
mod watch;

pub use attach::AttachArgs;
pub use log::{LogArgs, LogFormat, LogLevel};
pub use watch::WatchArgs;

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{
    ArgGroup, Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::{
    config::{
        Address, AddressError, Configuration, DurationError, Every, FalseAlarmPeriod, FileError, Interval, Listen,
        MAX_IN_FLIGHT, MaxLag, Pacing, PasswordSource, Secret, Target, Timeout, Tls, TlsError, TlsMode, Tolerance,
        USER, Unsaid, parse_duration, parse_in_flight,
    },
    model::{
        CheckRules, Expectation, ExpectationError, Expected,
        cluster::{Milestone, ObjectName},
    },
};

const PASSWORD_VARIABLE: &str = "READSCOPE_PASSWORD";

/// The argument group of which at least one option is required.
const WHERE: &str = "where";

/// Options that describe one target; `--config.file` excludes them.
const ONE_TARGET: [&str; 18] = [
    "service",
    "statefulset",
    "address",
    "user",
    "password_file",
    "tls",
    "tls_ca",
    "tls_cert",
    "tls_key",
    "interval",
    "burst_interval",
    "burst_for",
    "pod_probe_interval",
    "max_lag",
    "timeout",
    "max_in_flight",
    "expect",
    "forget_after",
];

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

/// Options of `check`.
#[derive(Debug, Args)]
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

/// One target and how to probe it.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("of_kubernetes").args(["service", "config_file"]).multiple(true))]
#[command(group = ArgGroup::new(WHERE).args(["service", "address", "config_file"]).multiple(true).required(true))]
pub struct TargetArgs {
    /// Many targets, in YAML; the options below describe one target and exclude it
    #[arg(long = "config.file", env = "READSCOPE_CONFIG_FILE", value_name = "FILE", conflicts_with_all = ONE_TARGET)]
    pub config_file: Option<PathBuf>,
    /// A Kubernetes Service; who should answer is found from its endpoints
    #[arg(long, env = "READSCOPE_SERVICE", value_name = "NAMESPACE/NAME")]
    pub service: Option<ObjectName>,
    /// Where to connect, alone or with --service; the port is 3306 unless given [default: the Service's cluster name]
    #[arg(long, env = "READSCOPE_ADDRESS", value_name = "HOST[:PORT]")]
    pub address: Option<Address>,
    /// The StatefulSet behind the Service, in its namespace [default: found from the endpoints' pods]
    #[arg(long, env = "READSCOPE_STATEFULSET", value_name = "NAMESPACE/NAME", requires = "service")]
    pub statefulset: Option<ObjectName>,
    /// The account; it needs no privilege but to log in
    #[arg(long, env = "READSCOPE_USER", value_name = "NAME", default_value = USER)]
    pub user: String,
    /// File with the account's password, read again when it changes; or set `READSCOPE_PASSWORD` to the password itself
    #[arg(long, env = "READSCOPE_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// How to encrypt: disabled, required (any certificate) or verify-identity
    #[arg(long, env = "READSCOPE_TLS", value_name = "MODE", default_value_t)]
    pub tls: TlsMode,
    /// Authorities to trust with verify-identity, PEM; without it, those that browsers trust
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Client certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Between probes, at least 2.5ms [default: 1s; check: 50ms]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub interval: Option<Interval>,
    /// How to probe beyond that.
    #[command(flatten)]
    pub pacing: PacingArgs,
    /// For one whole probe
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub timeout: Timeout,
    /// How many probes may be under way at once; probes due beyond that are dropped and counted
    #[arg(long, value_name = "N", default_value_t = MAX_IN_FLIGHT, value_parser = parse_in_flight, allow_negative_numbers = true)]
    pub max_in_flight: NonZeroUsize,
    /// A replica that should answer, by host name or `server-<SERVER_ID>`; repeat it for each [default: those seen]
    #[arg(long, value_name = "NAME[=WEIGHT]")]
    pub expect: Vec<Expected>,
    /// Forget a replica that is not expected so long after its last answer
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration, allow_hyphen_values = true)]
    pub forget_after: Duration,
    /// Which context of the kubeconfig names the cluster [default: the current one, or the pod's own cluster]
    #[arg(long = "kubernetes.context", value_name = "NAME", requires = "of_kubernetes")]
    pub kubernetes_context: Option<String>,
}

/// How to probe a target beyond its regular probes.
#[derive(Clone, Copy, Debug, Args)]
pub struct PacingArgs {
    /// Between probes while a new endpoint has not answered yet; 0 turns it off
    #[arg(long, value_name = "DURATION", default_value_t = Pacing::default().burst_interval, allow_hyphen_values = true)]
    pub burst_interval: Every,
    /// How long to probe so, at most, for one endpoint; 0 turns it off
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration, allow_hyphen_values = true)]
    pub burst_for: Duration,
    /// Between direct probes of each replica, by pod address; 0 turns them off, and with them lag and stale reads
    #[arg(long, value_name = "DURATION", default_value_t = Pacing::default().pod_probe_interval, allow_hyphen_values = true)]
    pub pod_probe_interval: Every,
    /// An answer that lacks what the primary had so long ago is stale
    #[arg(long = "freshness.max-lag", value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub max_lag: MaxLag,
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
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("say what to probe: --service NAMESPACE/NAME or --address HOST[:PORT]")]
    Nowhere,
    #[error("--statefulset: {set} is in another namespace than the Service {service}, which cannot select its pods")]
    Elsewhere { set: ObjectName, service: ObjectName },
    /// Every valid Service name gives a valid address, so this does not occur.
    #[error("--service")]
    Address(#[from] AddressError),
    #[error("the environment variable READSCOPE_PASSWORD is not text; use --password-file instead")]
    PasswordVariable,
}

impl TargetArgs {
    /// `interval` is the default where the options and the file set none.
    ///
    /// # Errors
    /// When options contradict each other or a file is invalid.
    pub fn configuration(&self, interval: Interval) -> Result<Configuration, TargetError> {
        let password = match std::env::var(PASSWORD_VARIABLE) {
            Ok(text) if !text.is_empty() => PasswordSource::Given(Secret::new(text)),
            Err(std::env::VarError::NotUnicode(_)) => return Err(TargetError::PasswordVariable),
            _ => PasswordSource::Empty,
        };
        let unsaid = Unsaid { interval, password };
        match &self.config_file {
            Some(path) => Ok(Configuration::load(path, &unsaid)?),
            None => Ok(Configuration::of(self.target(unsaid)?)),
        }
    }

    fn target(&self, unsaid: Unsaid) -> Result<Target, TargetError> {
        let password = match &self.password_file {
            Some(path) => PasswordSource::File(path.clone()),
            None => unsaid.password,
        };
        let tls = Tls::load(self.tls, self.tls_ca.as_deref(), self.tls_cert.as_deref(), self.tls_key.as_deref())?;
        let address = match (&self.address, &self.service) {
            (Some(address), _) => address.clone(),
            (None, Some(service)) => Address::of_service(service)?,
            (None, None) => return Err(TargetError::Nowhere),
        };
        if let (Some(set), Some(service)) = (&self.statefulset, &self.service)
            && set.namespace != service.namespace
        {
            return Err(TargetError::Elsewhere { set: set.clone(), service: service.clone() });
        }
        let label = self.service.as_ref().map_or_else(|| address.to_string(), ToString::to_string);
        Ok(Target {
            name: label.into(),
            service: self.service.clone(),
            statefulset: self.statefulset.clone(),
            address,
            user: self.user.clone(),
            password,
            tls,
            interval: self.interval.unwrap_or(unsaid.interval),
            pacing: self.pacing.pacing(),
            timeout: self.timeout,
            max_in_flight: self.max_in_flight,
            expectation: Expectation::listed(self.expect.clone())?,
            forget_after: self.forget_after,
        })
    }
}

impl PacingArgs {
    #[must_use]
    pub fn pacing(self) -> Pacing {
        let Self { burst_interval, burst_for, pod_probe_interval, max_lag } = self;
        Pacing { burst_interval, burst_for, pod_probe_interval, max_lag }
    }
}

impl RunArgs {
    /// Options override the file.
    pub fn judge_by(&self, configuration: &mut Configuration) {
        let imbalance = &mut configuration.imbalance;
        imbalance.false_alarm_period =
            self.false_alarm_period.map_or(imbalance.false_alarm_period, FalseAlarmPeriod::get);
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
