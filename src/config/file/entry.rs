//! The entries of `targets`, with defaults applied.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt::Display,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use serde_saphyr::Spanned;

use super::{
    Entry, Unsaid, Wrong, duration, label, path_in,
    raw::{self, Text},
};
use crate::{
    config::{
        Address, Discovery, MAX_IN_FLIGHT, MaxLag, Pacing, PasswordSource, Target, Timeout, Tls, TlsMode, USER,
        parse_duration, parse_in_flight, target::FORGET_AFTER,
    },
    model::{Expectation, Expected, cluster::ObjectName},
};

pub(super) struct Common<'a> {
    pub(super) folder: &'a Path,
    pub(super) unsaid: &'a Unsaid,
    pub(super) max_lag: MaxLag,
    /// Cache: a thousand targets may use the same files, which are read once.
    pub(super) tls: RefCell<HashMap<TlsFiles, Tls>>,
}

/// Mode, authorities, certificate, key.
type TlsFiles = (TlsMode, Option<PathBuf>, Option<PathBuf>, Option<PathBuf>);

pub(super) struct Entries<'a> {
    common: Common<'a>,
    defaults: Option<raw::Entry>,
    done: Vec<Entry>,
    /// Names in use, with their lines.
    names: HashMap<Arc<str>, u64>,
    /// Address and account, with the line. A second entry with both is the same target under another name.
    reached: HashMap<(String, String), u64>,
    discovered: HashSet<(Vec<Arc<str>>, String)>,
}

/// A key of an entry, with an example for error messages.
struct Key {
    name: &'static str,
    example: &'static str,
}

const NAME: Key = Key { name: "name", example: "  - name: shop\n    address: shop-db-read.example:3306" };
const SERVICE: Key = Key { name: "service", example: "  - service: mysql/mysql-read" };
const STATEFULSET: Key =
    Key { name: "statefulset", example: "  - {service: mysql/mysql-read, statefulset: mysql/mysql}" };
const ADDRESS: Key = Key { name: "address", example: "  - address: shop-db-read.example:3306" };
const DISCOVER: Key =
    Key { name: "discover", example: "  - discover: {namespaces: [team-a], selector: \"readscope.io/probe=true\"}" };
const TLS: Key = Key { name: "tls", example: "    tls: {mode: verify-identity, ca_file: ca.pem}" };
const EXPECT: Key = Key { name: "expect", example: "    expect: {mysql-0: 2, mysql-1: 1}" };
const PASSWORD_FILE: Key = Key { name: "password_file", example: "    password_file: /etc/readscope/password" };

impl Key {
    fn wrong(&self, line: u64, problem: impl Display) -> Wrong {
        Wrong { line, key: self.name.to_owned(), problem: problem.to_string(), example: self.example }
    }

    fn parse<T>(&self, text: &Spanned<String>) -> Result<T, Wrong>
    where
        T: FromStr<Err: Display>,
    {
        text.value.parse().map_err(|error| self.wrong(text.referenced.line(), error))
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(common: Common<'a>, defaults: Option<Spanned<raw::Entry>>) -> Result<Self, Wrong> {
        if let Some(defaults) = &defaults {
            let own = [("name", &defaults.value.name), ("service", &defaults.value.service)];
            let further = [("statefulset", &defaults.value.statefulset), ("address", &defaults.value.address)];
            let own = own.into_iter().chain(further);
            let own = own.filter_map(|(key, text)| Some((key, text.as_ref()?.referenced.line())));
            let discover = defaults.value.discover.iter().map(|discover| ("discover", discover.referenced.line()));
            if let Some((key, line)) = own.chain(discover).next() {
                let problem = "has no place among the defaults, since each target has its own".to_owned();
                let example = "  defaults: {user: readscope, interval: 1s}";
                return Err(Wrong { line, key: key.to_owned(), problem, example });
            }
        }
        let defaults = defaults.map(|defaults| defaults.value);
        let (names, reached, discovered) = (HashMap::new(), HashMap::new(), HashSet::new());
        let entries = Self { common, defaults, done: Vec::new(), names, reached, discovered };
        if entries.defaults.is_some() {
            // Invalid defaults are an error even if every target overrides them.
            entries.pattern(&raw::Entry::default())?;
        }
        Ok(entries)
    }

    pub(super) fn done(self) -> Vec<Entry> {
        self.done
    }

    pub(super) fn push(&mut self, entry: Spanned<raw::Entry>) -> Result<(), Wrong> {
        let (line, entry) = (entry.referenced.line(), entry.value);
        let pattern = self.pattern(&entry)?;
        let Some(discover) = &entry.discover else {
            let target = target(&entry, line, pattern)?;
            self.remember(&target, &entry, line)?;
            self.done.push(Entry::Target(Box::new(target)));
            return Ok(());
        };
        let own = [&entry.name, &entry.service, &entry.statefulset, &entry.address].into_iter().flatten().next();
        if let Some(own) = own {
            let problem = "takes name and address from each Service that it finds; leave name, service and address out";
            return Err(DISCOVER.wrong(own.referenced.line(), problem));
        }
        let discovery = discovery(discover, pattern)?;
        if !self.discovered.insert((discovery.namespaces.clone(), discovery.selector.to_string())) {
            return Err(DISCOVER.wrong(discover.referenced.line(), "the same is discovered by an entry before"));
        }
        self.done.push(Entry::Discover(Box::new(discovery)));
        Ok(())
    }

    /// Refuses a duplicate name, and a duplicate address and account.
    fn remember(&mut self, target: &Target, entry: &raw::Entry, line: u64) -> Result<(), Wrong> {
        let at = |text: &Text| text.as_ref().map(|text| text.referenced.line());
        let line = at(&entry.name).or(at(&entry.service)).or(at(&entry.address)).unwrap_or(line);
        if let Some(before) = self.names.insert(Arc::clone(&target.name), line) {
            let problem = format!("{:?} is the name of the target in line {before} already", &*target.name);
            return Err(NAME.wrong(line, problem));
        }
        let place = (target.address.to_string(), target.user.clone());
        if let Some(before) = self.reached.insert(place, line) {
            let problem = format!("{} is the address of the target in line {before} already", target.address);
            return Err(ADDRESS.wrong(line, problem));
        }
        Ok(())
    }

    /// Name, Service and address stay empty.
    fn pattern(&self, entry: &raw::Entry) -> Result<Target, Wrong> {
        macro_rules! said {
            ($key:ident) => {
                entry.$key.as_ref().or(self.defaults.as_ref().and_then(|defaults| defaults.$key.as_ref()))
            };
        }
        let interval = Key { name: "interval", example: "    interval: 1s" };
        let burst_interval = Key { name: "burst_interval", example: "    burst_interval: 20ms" };
        let pod_probe_interval = Key { name: "pod_probe_interval", example: "    pod_probe_interval: 10s" };
        let timeout = Key { name: "timeout", example: "    timeout: 3s" };
        Ok(Target {
            name: Arc::default(),
            service: None,
            statefulset: None,
            address: Address { host: String::new(), port: 0 },
            user: said!(user).map_or_else(|| USER.to_owned(), |user| user.value.clone()),
            password: self.password(said!(password_file))?,
            tls: self.tls(said!(tls))?,
            interval: said!(interval).map_or(Ok(self.common.unsaid.interval), |text| interval.parse(text))?,
            pacing: Pacing {
                burst_interval: said!(burst_interval)
                    .map_or(Ok(Pacing::default().burst_interval), |text| burst_interval.parse(text))?,
                burst_for: said!(burst_for).map_or(Ok(Pacing::default().burst_for), burst_for)?,
                pod_probe_interval: said!(pod_probe_interval)
                    .map_or(Ok(Pacing::default().pod_probe_interval), |text| pod_probe_interval.parse(text))?,
                max_lag: self.common.max_lag,
            },
            timeout: said!(timeout).map_or(Ok(Timeout::default()), |text| timeout.parse(text))?,
            max_in_flight: in_flight(said!(max_in_flight))?,
            expectation: expectation(said!(expect))?,
            forget_after: match said!(forget_after) {
                Some(text) => duration("forget_after", text, "    forget_after: 1h")?,
                None => FORGET_AFTER,
            },
        })
    }

    fn password(&self, file: Option<&Spanned<String>>) -> Result<PasswordSource, Wrong> {
        let Some(file) = file else { return Ok(self.common.unsaid.password.clone()) };
        let source = PasswordSource::File(path_in(self.common.folder, &file.value));
        // Checked here, because the error then names the line. The target's start does not know it.
        source.read().map_err(|error| PASSWORD_FILE.wrong(file.referenced.line(), error))?;
        Ok(source)
    }

    fn tls(&self, raw: Option<&Spanned<raw::Tls>>) -> Result<Tls, Wrong> {
        let line = raw.map_or(1, |raw| raw.referenced.line());
        let raw = raw.map(|raw| &raw.value);
        let mode = raw.and_then(|raw| raw.mode.as_ref()).map(|mode| TLS.parse::<TlsMode>(mode));
        let mode = mode.transpose()?.unwrap_or_default();
        let path = |text: fn(&raw::Tls) -> &Text| {
            Some(path_in(self.common.folder, &raw.and_then(|raw| text(raw).as_ref())?.value))
        };
        let files = (mode, path(|raw| &raw.ca_file), path(|raw| &raw.cert_file), path(|raw| &raw.key_file));
        if let Some(tls) = self.common.tls.borrow().get(&files) {
            return Ok(tls.clone());
        }
        let (_, authorities, certificate, key) = &files;
        let tls = Tls::load(mode, authorities.as_deref(), certificate.as_deref(), key.as_deref())
            .map_err(|error| TLS.wrong(line, error))?;
        self.common.tls.borrow_mut().insert(files, tls.clone());
        Ok(tls)
    }
}

fn target(entry: &raw::Entry, line: u64, pattern: Target) -> Result<Target, Wrong> {
    let service = entry.service.as_ref().map(|text| SERVICE.parse::<ObjectName>(text)).transpose()?;
    let statefulset = entry.statefulset.as_ref().map(|text| STATEFULSET.parse::<ObjectName>(text)).transpose()?;
    if let (Some(set), Some(written)) = (&statefulset, &entry.statefulset)
        && service.as_ref().is_none_or(|service| service.namespace != set.namespace)
    {
        let problem = "needs a service of the same namespace, since a Service selects pods of its own alone";
        return Err(STATEFULSET.wrong(written.referenced.line(), problem));
    }
    let address = match (&entry.address, &service) {
        (Some(address), _) => ADDRESS.parse::<Address>(address)?,
        (None, Some(service)) => Address::of_service(service).map_err(|error| SERVICE.wrong(line, error))?,
        (None, None) => {
            let problem = "the entry says nowhere what to probe; write service, address or discover";
            return Err(SERVICE.wrong(line, problem));
        }
    };
    let name = match &entry.name {
        Some(name) => label(&name.value).map_err(|problem| NAME.wrong(name.referenced.line(), problem))?,
        None => service.as_ref().map_or_else(|| address.to_string(), ToString::to_string).into(),
    };
    Ok(Target { name, service, statefulset, address, ..pattern })
}

fn discovery(raw: &Spanned<raw::Discover>, pattern: Target) -> Result<Discovery, Wrong> {
    let selector = DISCOVER.parse(&raw.value.selector)?;
    let mut namespaces = Vec::new();
    if let Some(written) = &raw.value.namespaces {
        if written.value.is_empty() {
            let problem = "the list of namespaces is empty; name some, or leave it out to look in all of them";
            return Err(DISCOVER.wrong(written.referenced.line(), problem));
        }
        for namespace in &written.value {
            let name = namespace.value.trim();
            let in_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name.len() > 63 || !name.chars().all(in_a_name) {
                let problem = format!("{name:?} is no name of a namespace");
                return Err(DISCOVER.wrong(namespace.referenced.line(), problem));
            }
            namespaces.push(Arc::from(name));
        }
        namespaces.sort_unstable();
        namespaces.dedup();
    }
    Ok(Discovery { namespaces, selector, pattern })
}

fn burst_for(text: &Spanned<String>) -> Result<Duration, Wrong> {
    let key = Key { name: "burst_for", example: "    burst_for: 30s" };
    parse_duration(&text.value).map_err(|error| key.wrong(text.referenced.line(), error))
}

fn in_flight(text: Option<&Spanned<String>>) -> Result<NonZeroUsize, Wrong> {
    let key = Key { name: "max_in_flight", example: "    max_in_flight: 8" };
    let Some(text) = text else { return Ok(MAX_IN_FLIGHT) };
    parse_in_flight(text.value.trim()).map_err(|problem| key.wrong(text.referenced.line(), problem))
}

fn expectation(
    raw: Option<&Spanned<std::collections::BTreeMap<String, Spanned<String>>>>,
) -> Result<Expectation, Wrong> {
    let Some(raw) = raw else { return Ok(Expectation::Seen) };
    let mut entries = Vec::new();
    for (name, weight) in &raw.value {
        let written = format!("{name}={}", weight.value);
        // A name with `=` would be parsed as a name and a weight.
        let expected = if name.contains('=') { Err("a name has no =".to_owned()) } else { Ok(()) };
        let expected = expected.and_then(|()| written.parse::<Expected>().map_err(|error| error.to_string()));
        entries.push(expected.map_err(|problem| EXPECT.wrong(weight.referenced.line(), problem))?);
    }
    Expectation::listed(entries).map_err(|error| EXPECT.wrong(raw.referenced.line(), error))
}
