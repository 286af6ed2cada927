//! The effective configuration as `/config` and `--config.check` print it, in the format of the file.

use std::time::Duration;

use serde::Serialize;

use super::{Configuration, Entry};
use crate::config::{Discovery, PasswordSource, PemFile, Target, Tls};

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statefulset: Option<String>,
    address: String,
    #[serde(flatten)]
    settings: ShownSettings<'a>,
}

#[derive(Serialize)]
struct ShownSettings<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<String>,
    tls: ShownTls,
    interval: String,
    burst_interval: String,
    burst_for: String,
    pod_probe_interval: String,
    timeout: String,
    max_in_flight: usize,
    forget_after: String,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    expect: std::collections::BTreeMap<&'a str, f64>,
}

#[derive(Serialize)]
struct ShownTls {
    mode: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cert_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<String>,
}

#[derive(Serialize)]
struct ShownDiscovery<'a> {
    discover: ShownDiscover<'a>,
    #[serde(flatten)]
    settings: ShownSettings<'a>,
}

#[derive(Serialize)]
struct ShownDiscover<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    namespaces: Vec<&'a str>,
    selector: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ShownEntry<'a> {
    Target(Box<Shown<'a>>),
    Discovery(Box<ShownDiscovery<'a>>),
}

#[derive(Serialize)]
struct ShownConfiguration<'a> {
    targets: Vec<ShownEntry<'a>>,
    imbalance: ShownImbalance,
    freshness: ShownFreshness,
}

#[derive(Serialize)]
struct ShownImbalance {
    false_alarm_period: String,
    tolerance: f64,
}

#[derive(Serialize)]
struct ShownFreshness {
    max_lag: String,
}

impl Configuration {
    /// Passwords are printed as `<secret>`.
    ///
    /// # Errors
    /// When a value cannot be written as YAML; none of these values causes this.
    pub fn show(&self) -> Result<String, serde_saphyr::ser::Error> {
        serde_saphyr::to_string(&ShownConfiguration {
            targets: self.entries.iter().map(ShownEntry::of).collect(),
            imbalance: ShownImbalance {
                false_alarm_period: span(self.imbalance.false_alarm_period),
                tolerance: self.imbalance.tolerance.get(),
            },
            freshness: ShownFreshness { max_lag: self.freshness.max_lag.to_string() },
        })
    }
}

impl<'a> ShownEntry<'a> {
    fn of(entry: &'a Entry) -> Self {
        match entry {
            Entry::Target(target) => Self::Target(Box::new(Shown::of(target))),
            Entry::Discover(discovery) => Self::Discovery(Box::new(ShownDiscovery::of(discovery))),
        }
    }
}

impl<'a> ShownDiscovery<'a> {
    fn of(discovery: &'a Discovery) -> Self {
        let namespaces = discovery.namespaces.iter().map(|namespace| &**namespace).collect();
        let discover = ShownDiscover { namespaces, selector: discovery.selector.as_str() };
        Self { discover, settings: ShownSettings::of(&discovery.pattern) }
    }
}

/// Formats a duration so that the file accepts it.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    for (unit, name) in [(86_400, "d"), (3600, "h"), (60, "m")] {
        if duration.subsec_nanos() == 0 && seconds > 0 && seconds.is_multiple_of(unit) {
            return format!("{}{name}", seconds / unit);
        }
    }
    format!("{duration:?}")
}

impl<'a> Shown<'a> {
    fn of(target: &'a Target) -> Self {
        Self {
            name: &target.name,
            service: target.service.as_ref().map(ToString::to_string),
            statefulset: target.statefulset.as_ref().map(ToString::to_string),
            address: target.address.to_string(),
            settings: ShownSettings::of(target),
        }
    }
}

impl<'a> ShownSettings<'a> {
    fn of(target: &'a Target) -> Self {
        let (password, password_file) = match &target.password {
            PasswordSource::Empty => (None, None),
            PasswordSource::Given(_) => (Some("<secret>"), None),
            PasswordSource::File(path) => (None, Some(path.display().to_string())),
        };
        Self {
            user: &target.user,
            password,
            password_file,
            tls: ShownTls::of(&target.tls),
            interval: target.interval.to_string(),
            burst_interval: target.pacing.burst_interval.to_string(),
            burst_for: span(target.pacing.burst_for),
            pod_probe_interval: target.pacing.pod_probe_interval.to_string(),
            timeout: target.timeout.to_string(),
            max_in_flight: target.max_in_flight.get(),
            forget_after: span(target.forget_after),
            expect: target.expectation.entries().iter().map(|e| (&*e.name, e.weight)).collect(),
        }
    }
}

impl ShownTls {
    fn of(tls: &Tls) -> Self {
        let (authorities, client) = match tls {
            Tls::Disabled => (None, None),
            Tls::Required { client } => (None, client.as_ref()),
            Tls::VerifyIdentity { authorities, client } => (authorities.as_ref(), client.as_ref()),
        };
        let path = |file: &PemFile| file.path.display().to_string();
        Self {
            mode: tls.mode().to_string(),
            ca_file: authorities.map(path),
            cert_file: client.map(|client| path(&client.certificate)),
            key_file: client.map(|client| path(&client.key)),
        }
    }
}
