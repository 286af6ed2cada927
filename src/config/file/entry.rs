//! The entries of `targets`, with the defaults applied.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, HashSet},
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{Entry, Wrong, example};
use crate::{
    config::{
        Address, BurstInterval, BurstLength, ClientsInterval, Discovery, ForgetAfter, Interval, MaxInFlight,
        PasswordSource, PlaceError, PodProbeInterval, Settings, Target, Timeout, Tls, TlsSettings, discovery::Search,
        text,
    },
    model::{Expectation, Expected, cluster::ObjectName},
};

/// A target, a discovery or the defaults. The defaults have no keys before `user`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    name: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "text::read_spanned")]
    service: Option<Spanned<ObjectName>>,
    #[serde(default, deserialize_with = "text::read_spanned")]
    statefulset: Option<Spanned<ObjectName>>,
    address: Option<Spanned<Address>>,
    discover: Option<Spanned<Search>>,
    user: Option<String>,
    password_file: Option<Spanned<PathBuf>>,
    tls: Option<Spanned<TlsSettings>>,
    interval: Option<Interval>,
    burst_interval: Option<BurstInterval>,
    burst_for: Option<BurstLength>,
    pod_probe_interval: Option<PodProbeInterval>,
    clients_interval: Option<ClientsInterval>,
    timeout: Option<Timeout>,
    max_in_flight: Option<MaxInFlight>,
    forget_after: Option<ForgetAfter>,
    expect: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
}

pub(super) struct Entries<'a> {
    folder: &'a Path,
    defaults: Settings,
    done: Vec<Entry>,
    /// Names in use, with their lines.
    names: HashMap<Arc<str>, u64>,
    /// Address and account, with the line. A second entry with both is the same target under another name.
    reached: HashMap<(String, String), u64>,
    discovered: HashSet<Search>,
    /// A thousand targets may use the same files, which are read once.
    tls: RefCell<HashMap<TlsSettings, Tls>>,
}

fn wrong(location: Location, key: &str, problem: impl Display) -> Wrong {
    Wrong::new(location.line(), key, problem, example(key))
}

#[expect(clippy::ref_option, reason = "the fields have this type")]
fn at<T>(key: &Option<Spanned<T>>) -> Option<Location> {
    key.as_ref().map(|key| key.referenced)
}

#[expect(clippy::ref_option, reason = "the fields have this type")]
fn value<T: Clone>(key: &Option<Spanned<T>>) -> Option<T> {
    key.as_ref().map(|key| key.value.clone())
}

impl Written {
    /// The first key that only a target or a discovery of its own can have.
    fn own_key(&self) -> Option<(&'static str, Location)> {
        let keys = [
            ("name", at(&self.name)),
            ("service", at(&self.service)),
            ("statefulset", at(&self.statefulset)),
            ("address", at(&self.address)),
            ("discover", at(&self.discover)),
        ];
        keys.into_iter().find_map(|(key, location)| Some((key, location?)))
    }

    fn target(&self, location: Location, settings: Settings) -> Result<Target, Wrong> {
        let (service, address, statefulset) = (value(&self.service), value(&self.address), value(&self.statefulset));
        let target = Target::new(service, address, statefulset).map_err(|error| match error {
            PlaceError::Elsewhere(_) => wrong(at(&self.statefulset).unwrap_or(location), "statefulset", error),
            PlaceError::Nowhere => {
                wrong(location, "service", "the entry does not say what to probe; write service, address or discover")
            }
            PlaceError::Address(_) => wrong(location, "service", error),
        })?;
        let name = match &self.name {
            Some(name) => label(&name.value).map_err(|error| wrong(name.referenced, "name", error))?,
            None => target.name,
        };
        Ok(Target { name, settings, ..target })
    }
}

impl<'a> Entries<'a> {
    /// `settings` are those that the file does not set.
    pub(super) fn new(folder: &'a Path, settings: Settings, defaults: Option<&Written>) -> Result<Self, Wrong> {
        let (names, reached, discovered) = (HashMap::new(), HashMap::new(), HashSet::new());
        let tls = RefCell::default();
        let mut entries = Self { folder, defaults: settings, done: Vec::new(), names, reached, discovered, tls };
        if let Some(defaults) = defaults {
            if let Some((key, location)) = defaults.own_key() {
                let problem = "is not possible in defaults: each target has its own";
                let example = "  defaults: {user: readscope, interval: 1s}".to_owned();
                return Err(Wrong { example, ..wrong(location, key, problem) });
            }
            entries.defaults = entries.settings(defaults)?;
        }
        Ok(entries)
    }

    pub(super) fn done(self) -> Vec<Entry> {
        self.done
    }

    pub(super) fn push(&mut self, entry: &Spanned<Written>) -> Result<(), Wrong> {
        let (location, entry) = (entry.referenced, &entry.value);
        let settings = self.settings(entry)?;
        let Some(discover) = &entry.discover else {
            let target = entry.target(location, settings)?;
            self.remember(&target, entry.own_key().map_or(location, |(_, location)| location))?;
            self.done.push(Entry::Target(Box::new(target)));
            return Ok(());
        };
        if let Some((key, location)) = entry.own_key().filter(|(key, _)| *key != "discover") {
            let problem = format!("takes name and address from each Service that it finds; leave {key} out");
            return Err(wrong(location, "discover", problem));
        }
        let search = discover.value.clone();
        if !self.discovered.insert(search.clone()) {
            return Err(wrong(discover.referenced, "discover", "an earlier entry discovers the same Services"));
        }
        self.done.push(Entry::Discover(Box::new(Discovery { search, settings })));
        Ok(())
    }

    /// Refuses a duplicate name, and a duplicate address and account.
    fn remember(&mut self, target: &Target, location: Location) -> Result<(), Wrong> {
        let line = location.line();
        if let Some(before) = self.names.insert(Arc::clone(&target.name), line) {
            let problem = format!("{:?} is already the name of the target in line {before}", &*target.name);
            return Err(wrong(location, "name", problem));
        }
        let place = (target.address.to_string(), target.settings.user.clone());
        if let Some(before) = self.reached.insert(place, line) {
            let problem = format!("{} is already the address of the target in line {before}", target.address);
            return Err(wrong(location, "address", problem));
        }
        Ok(())
    }

    /// The settings of an entry: its own, else the defaults.
    fn settings(&self, entry: &Written) -> Result<Settings, Wrong> {
        let usual = self.defaults.clone();
        let (password, tls, expect) = (&entry.password_file, &entry.tls, &entry.expect);
        Ok(Settings {
            user: entry.user.clone().unwrap_or(usual.user),
            password: password.as_ref().map_or(Ok(usual.password), |file| self.password(file))?,
            tls: tls.as_ref().map_or(Ok(usual.tls), |tls| self.tls(tls))?,
            interval: entry.interval.unwrap_or(usual.interval),
            burst_interval: entry.burst_interval.unwrap_or(usual.burst_interval),
            burst_for: entry.burst_for.unwrap_or(usual.burst_for),
            pod_probe_interval: entry.pod_probe_interval.unwrap_or(usual.pod_probe_interval),
            clients_interval: entry.clients_interval.unwrap_or(usual.clients_interval),
            timeout: entry.timeout.unwrap_or(usual.timeout),
            max_in_flight: entry.max_in_flight.unwrap_or(usual.max_in_flight),
            forget_after: entry.forget_after.unwrap_or(usual.forget_after),
            expectation: expect.as_ref().map_or(Ok(usual.expectation), expectation)?,
            max_lag: usual.max_lag,
        })
    }

    fn password(&self, file: &Spanned<PathBuf>) -> Result<PasswordSource, Wrong> {
        let source = PasswordSource::File(self.folder.join(&file.value));
        // Checked here, because the error then names the line. The target's start does not know it.
        source.read().map_err(|error| wrong(file.referenced, "password_file", error))?;
        Ok(source)
    }

    fn tls(&self, written: &Spanned<TlsSettings>) -> Result<Tls, Wrong> {
        let path = |file: &Option<PathBuf>| file.as_ref().map(|file| self.folder.join(file));
        let TlsSettings { mode, ca_file, cert_file, key_file } = &written.value;
        let settings =
            TlsSettings { mode: *mode, ca_file: path(ca_file), cert_file: path(cert_file), key_file: path(key_file) };
        if let Some(tls) = self.tls.borrow().get(&settings) {
            return Ok(tls.clone());
        }
        let tls = Tls::load(&settings).map_err(|error| wrong(written.referenced, "tls", error))?;
        self.tls.borrow_mut().insert(settings, tls.clone());
        Ok(tls)
    }
}

/// Checks a value for the `target` label.
fn label(text: &str) -> Result<Arc<str>, String> {
    const BYTES_MAX: usize = 200;
    match text.trim() {
        "" => Err("the name is empty".to_owned()),
        name if name.len() > BYTES_MAX => Err(format!("the name has {} bytes; the maximum is {BYTES_MAX}", name.len())),
        name if name.chars().any(char::is_control) => Err(format!("{name:?} has control characters")),
        name => Ok(name.into()),
    }
}

fn expectation(written: &Spanned<BTreeMap<String, Spanned<String>>>) -> Result<Expectation, Wrong> {
    let mut entries = Vec::new();
    for (name, weight) in &written.value {
        // A name with `=` would be parsed as a name and a weight.
        if name.contains('=') {
            return Err(wrong(weight.referenced, "expect", format!("{name:?}: the name of a replica has no =")));
        }
        let expected = format!("{name}={}", weight.value).parse::<Expected>();
        entries.push(expected.map_err(|error| wrong(weight.referenced, "expect", error))?);
    }
    Expectation::listed(entries).map_err(|error| wrong(written.referenced, "expect", error))
}
