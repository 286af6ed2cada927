//! The configuration file: targets, and Services to discover.

mod entry;
mod error;

use std::path::Path;

pub use error::FileError;
pub(super) use error::Wrong;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_saphyr::Spanned;

use self::entry::{Entries, Written};
use super::{discovery::Discovery, duration::MaxLag, imbalance::Imbalance, settings::Settings, target::Target, text};

const FILE_BYTES_MAX: u64 = 16 << 20;

/// Examples for error messages: that of a key is the first one with the key, else a line of the default settings.
const EXAMPLES: [&str; 9] = [
    "  targets:\n    - service: mysql/mysql-read",
    "  - name: shop\n    address: shop-db-read.example:3306",
    "  - {service: mysql/mysql-read, statefulset: mysql/mysql}",
    "  - discover: {namespaces: [team-a], selector: \"readscope.io/probe=true\"}",
    "    password_file: /etc/readscope/password",
    "    tls: {mode: verify-identity, ca_file: ca.pem, cert_file: client.pem, key_file: client.key}",
    "    expect: {mysql-0: 2, mysql-1: 1}",
    "  imbalance: {false_alarm_period: 30d, tolerance: 0.02}",
    "  freshness: {max_lag: 1s}",
];

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    defaults: Option<Written>,
    targets: Spanned<Vec<Spanned<Written>>>,
    imbalance: Option<Imbalance>,
    freshness: Option<Freshness>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Configuration {
    /// In the order of the file.
    #[serde(rename = "targets")]
    pub entries: Vec<Entry>,
    pub imbalance: Imbalance,
    pub freshness: Freshness,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Entry {
    Target(Box<Target>),
    Discover(Box<Discovery>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Freshness {
    #[serde(deserialize_with = "text::read_or_default")]
    pub max_lag: MaxLag,
}

impl Configuration {
    /// Maximum per process: each target has probes in flight, sockets and series.
    pub const TARGETS_MAX: usize = 10_000;

    pub fn of(target: Target) -> Self {
        let freshness = Freshness { max_lag: target.settings.max_lag };
        Self { entries: vec![Entry::Target(Box::new(target))], imbalance: Imbalance::default(), freshness }
    }

    /// Relative paths in the file start at its folder. `settings` are those that the file does not set.
    pub fn load(path: &Path, settings: Settings) -> Result<Self, FileError> {
        load(path, |text, folder| Self::parse(text, folder, settings))
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

    pub fn needs_kubernetes(&self) -> bool {
        self.discoveries().next().is_some() || self.targets().any(|target| target.service.is_some())
    }

    /// In the format of the file; passwords are printed as `<secret>`.
    /// Does not fail: each of these values can be written as YAML.
    pub fn show(&self) -> Result<String, serde_saphyr::ser::Error> {
        serde_saphyr::to_string(self)
    }

    fn parse(text: &str, folder: &Path, settings: Settings) -> Result<Self, Wrong> {
        let wrong = |line, problem: String| Err(Wrong::new(line, "targets", problem, example("targets")));
        let Some(file) = from_yaml::<File>(text, example)? else {
            return wrong(1, "the file is empty; name what to probe".to_owned());
        };
        let line = file.targets.referenced.line();
        match file.targets.value.len() {
            0 => return wrong(line, "the list is empty; name what to probe".to_owned()),
            n if n > Self::TARGETS_MAX => {
                return wrong(line, format!("{n} entries; the maximum in one process is {}", Self::TARGETS_MAX));
            }
            _ => {}
        }
        let (imbalance, freshness) = (file.imbalance.unwrap_or_default(), file.freshness.unwrap_or_default());
        let settings = Settings { max_lag: freshness.max_lag, ..settings };
        let mut entries = Entries::new(folder, settings, file.defaults.as_ref())?;
        for entry in &file.targets.value {
            entries.push(entry)?;
        }
        Ok(Self { entries: entries.done(), imbalance, freshness })
    }
}

fn example(key: &str) -> String {
    let has_key = |text: &str| text.split([' ', '{']).any(|word| word.strip_suffix(':') == Some(key));
    if let Some(example) = EXAMPLES.into_iter().find(|example| has_key(example)) {
        return example.to_owned();
    }
    let settings = serde_saphyr::to_string(&Settings::default()).unwrap_or_default();
    settings.lines().find(|line| has_key(line)).map_or(EXAMPLES[0].to_owned(), |line| format!("    {line}"))
}

/// Calls `parse` with the text of a file and its folder.
pub(super) fn load<T>(path: &Path, parse: impl FnOnce(&str, &Path) -> Result<T, Wrong>) -> Result<T, FileError> {
    let text = read_text(path)?;
    parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(|wrong| wrong.in_file(path))
}

/// `None` if the text has only comments. `example` gives the example for a key.
pub(super) fn from_yaml<T: DeserializeOwned>(text: &str, example: impl Fn(&str) -> String) -> Result<Option<T>, Wrong> {
    let is_empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#') || line == "---";
    if text.lines().all(is_empty) {
        return Ok(None);
    }
    // Anchors are allowed, but limited: their expansions count as if they were written out.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_documents: 1, max_aliases: 10_000, max_depth: 32, max_events: 4_000_000, max_nodes: 2_000_000 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 200_000, max_replay_stack_depth: 8 },
    };
    serde_saphyr::from_str_with_options(text, options).map(Some).map_err(|error| Wrong::of_yaml(&error, text, example))
}

fn read_text(path: &Path) -> Result<String, FileError> {
    let path = || path.to_owned();
    match text::read_at_most(&path(), FILE_BYTES_MAX) {
        Err(reason) => Err(FileError::Unreadable { path: path(), reason }),
        Ok(None) => Err(FileError::TooLong { path: path(), bytes_max: FILE_BYTES_MAX }),
        Ok(Some(bytes)) => {
            String::from_utf8(text::without_mark(&bytes).to_vec()).map_err(|_| FileError::NotText { path: path() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_an_example() {
        let settings = serde_saphyr::to_string(&Settings::default()).unwrap();
        let keys = settings.lines().filter_map(|line| line.split_once(':')).map(|(key, _)| key.trim());
        for key in keys.chain(["name", "service", "discover", "selector", "ca_file", "expect", "max_lag", "tolerance"])
        {
            assert!(example(key).contains(&format!("{key}: ")), "{key}: {}", example(key));
        }
        assert_eq!(example("anything"), EXAMPLES[0]);
    }
}
