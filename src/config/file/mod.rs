//! The configuration file: targets, and Services to discover.

mod entry;
mod error;
mod raw;
mod shown;

use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use error::FileError;
pub(super) use error::Wrong;
use serde_saphyr::Spanned;

use self::entry::{Common, Entries};
use super::{
    discovery::Discovery,
    duration::{Interval, parse_duration},
    imbalance::{FalseAlarmPeriod, ImbalanceError, Tolerance},
    pacing::{MaxLag, MaxLagError},
    secret::PasswordSource,
    target::Target,
};

/// The limit prevents reading a wrong path, such as a disk image, into memory.
const FILE_BYTES_MAX: u64 = 16 << 20;

const EXAMPLE: &str = "  targets:\n    - service: mysql/mysql-read";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configuration {
    /// In the order of the file.
    pub entries: Vec<Entry>,
    pub imbalance: Imbalance,
    pub freshness: Freshness,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Target(Box<Target>),
    /// Becomes one target for each matching Service.
    Discover(Box<Discovery>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Imbalance {
    /// Average time between false alarms, over all targets.
    pub false_alarm_period: Duration,
    /// Relative deviation from the expected share that still counts as balanced.
    pub tolerance: Tolerance,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// A read is stale when it misses a transaction older than this.
    pub max_lag: MaxLag,
}

impl Default for Imbalance {
    fn default() -> Self {
        Self { false_alarm_period: Duration::from_secs(30 * 24 * 3600), tolerance: Tolerance::default() }
    }
}

/// Values that the file does not set.
#[derive(Clone, Debug)]
pub struct Unsaid {
    /// Between probes, for targets without an `interval`.
    pub interval: Interval,
    /// For targets without a `password_file`.
    pub password: PasswordSource,
}

impl Configuration {
    /// Maximum per process: each target has probes in flight, sockets and series.
    pub const TARGETS_MAX: usize = 10_000;

    #[must_use]
    pub fn of(target: Target) -> Self {
        let entries = vec![Entry::Target(Box::new(target))];
        Self { entries, imbalance: Imbalance::default(), freshness: Freshness::default() }
    }

    /// Relative paths in the file start at its folder.
    ///
    /// # Errors
    /// When the file cannot be read or is invalid.
    pub fn load(path: &Path, unsaid: &Unsaid) -> Result<Self, FileError> {
        let text = read_text(path)?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        Self::parse(&text, folder, unsaid).map_err(|wrong| wrong.in_file(path))
    }

    /// Targets listed in the file, without discovered ones.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Target(target) => Some(&**target),
            Entry::Discover(_) => None,
        })
    }

    pub fn discoveries(&self) -> impl Iterator<Item = &Discovery> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Discover(discovery) => Some(&**discovery),
            Entry::Target(_) => None,
        })
    }

    #[must_use]
    pub fn needs_kubernetes(&self) -> bool {
        self.discoveries().next().is_some() || self.targets().any(|target| target.service.is_some())
    }

    fn parse(text: &str, folder: &Path, unsaid: &Unsaid) -> Result<Self, Wrong> {
        let text = text.trim_start_matches('\u{feff}');
        let nothing = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#') || line == "---";
        if text.lines().all(nothing) {
            let problem = "the file says nothing; name what to probe".to_owned();
            return Err(Wrong { line: 1, key: "targets".to_owned(), problem, example: EXAMPLE });
        }
        let file: raw::File = serde_saphyr::from_str_with_options(text, options())
            .map_err(|error| Wrong::of_yaml(&error, text, EXAMPLE))?;
        let line = file.targets.referenced.line();
        let wrong = |problem: String| Err(Wrong { line, key: "targets".to_owned(), problem, example: EXAMPLE });
        match file.targets.value.len() {
            0 => return wrong("the list is empty; name what to probe".to_owned()),
            n if n > Self::TARGETS_MAX => {
                let problem = format!("{n} entries, at most {} are possible in one process", Self::TARGETS_MAX);
                return wrong(problem);
            }
            _ => {}
        }
        let freshness = freshness(file.freshness)?;
        let common = Common { folder, unsaid, max_lag: freshness.max_lag, tls: HashMap::new().into() };
        let mut entries = Entries::new(common, file.defaults)?;
        for entry in file.targets.value {
            entries.push(entry)?;
        }
        Ok(Self { entries: entries.done(), imbalance: imbalance(file.imbalance)?, freshness })
    }
}

/// Anchors are allowed, but limited: their expansions count as if they were written out.
pub(super) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_documents: 1, max_aliases: 10_000, max_depth: 32, max_events: 4_000_000, max_nodes: 2_000_000 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000, max_replay_stack_depth: 8 },
    }
}

pub(super) fn read_text(path: &Path) -> Result<String, FileError> {
    let unreadable = |reason| FileError::Unreadable { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLong { path: path.to_owned(), bytes_max: FILE_BYTES_MAX });
    }
    String::from_utf8(bytes).map_err(|_| FileError::NotText { path: path.to_owned() })
}

fn imbalance(raw: Option<raw::Imbalance>) -> Result<Imbalance, Wrong> {
    const PERIOD: &str = "  imbalance: {false_alarm_period: 30d}";
    let Some(raw) = raw else { return Ok(Imbalance::default()) };
    let mut imbalance = Imbalance::default();
    if let Some(period) = raw.false_alarm_period {
        let line = period.referenced.line();
        let asked_for = duration("false_alarm_period", &period, PERIOD)?;
        imbalance.false_alarm_period =
            FalseAlarmPeriod::try_from(asked_for).map(FalseAlarmPeriod::get).map_err(|error| Wrong {
                line,
                key: "false_alarm_period".to_owned(),
                problem: error.to_string(),
                example: PERIOD,
            })?;
    }
    if let Some(tolerance) = raw.tolerance {
        imbalance.tolerance = tolerance.value.parse().map_err(|error: ImbalanceError| Wrong {
            line: tolerance.referenced.line(),
            key: "tolerance".to_owned(),
            problem: format!("{:?} is {error}", tolerance.value),
            example: "  imbalance: {tolerance: 0.02}",
        })?;
    }
    Ok(imbalance)
}

fn freshness(raw: Option<raw::Freshness>) -> Result<Freshness, Wrong> {
    let Some(lag) = raw.and_then(|raw| raw.max_lag) else { return Ok(Freshness::default()) };
    let max_lag = lag.value.parse().map_err(|error: MaxLagError| Wrong {
        line: lag.referenced.line(),
        key: "max_lag".to_owned(),
        problem: error.to_string(),
        example: "  freshness: {max_lag: 1s}",
    })?;
    Ok(Freshness { max_lag })
}

/// Accepts durations greater than 0.
fn duration(key: &str, text: &Spanned<String>, example: &'static str) -> Result<Duration, Wrong> {
    let wrong = |problem| Wrong { line: text.referenced.line(), key: key.to_owned(), problem, example };
    match parse_duration(&text.value) {
        Ok(duration) if duration.is_zero() => Err(wrong("must be longer than 0".to_owned())),
        Ok(duration) => Ok(duration),
        Err(error) => Err(wrong(format!("{:?} is {error}", text.value))),
    }
}

fn path_in(folder: &Path, written: &str) -> PathBuf {
    folder.join(written)
}

/// Checks a value for the `target` label.
fn label(text: &str) -> Result<Arc<str>, String> {
    const BYTES_MAX: usize = 200;
    match text.trim() {
        "" => Err("the name is empty".to_owned()),
        name if name.len() > BYTES_MAX => {
            Err(format!("the name has {} bytes, at most {BYTES_MAX} are possible", name.len()))
        }
        name if name.chars().any(char::is_control) => Err(format!("{name:?} has control characters in it")),
        name => Ok(name.into()),
    }
}
