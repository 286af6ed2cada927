//! One read Service to probe, and how.

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use serde::Serialize;

use super::{
    address::Address,
    duration::{Interval, Timeout},
    pacing::Pacing,
    secret::PasswordSource,
    tls::Tls,
};
use crate::model::{Expectation, cluster::ObjectName};

/// One target with everything that sampling it needs.
#[derive(Clone, Debug)]
pub struct Target {
    /// The `target` label.
    pub name: Arc<str>,
    /// The Service that it is, if Kubernetes is to be asked about it.
    pub service: Option<ObjectName>,
    /// Where to connect.
    pub address: Address,
    /// The account; it needs no privilege but to log in.
    pub user: String,
    /// Where its password comes from.
    pub password: PasswordSource,
    /// How connections are encrypted.
    pub tls: Tls,
    /// Between samples.
    pub interval: Interval,
    /// How it is asked beyond its regular samples.
    pub pacing: Pacing,
    /// For one whole sample.
    pub timeout: Timeout,
    /// How many samples may be under way at once.
    pub max_in_flight: NonZeroUsize,
    /// Which replicas should answer.
    pub expectation: Expectation,
    /// After this time without an answer an unexpected replica is forgotten.
    pub forget_after: Duration,
}

/// A target as `/config` and `--config.check` show it, in the words of the configuration file.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    address: String,
    user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<String>,
    tls: ShownTls,
    interval: String,
    burst_interval: String,
    burst_for: String,
    direct_interval: String,
    max_lag: String,
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
struct ShownTargets<'a> {
    targets: Vec<Shown<'a>>,
}

impl Target {
    /// The configuration of `targets` as YAML, passwords shown as `<secret>`.
    ///
    /// # Errors
    /// When a value has no YAML form, which none of these has.
    pub fn show(targets: &[Target]) -> Result<String, serde_saphyr::ser::Error> {
        serde_saphyr::to_string(&ShownTargets { targets: targets.iter().map(Shown::of).collect() })
    }
}

impl<'a> Shown<'a> {
    fn of(target: &'a Target) -> Self {
        let (password, password_file) = match &target.password {
            PasswordSource::Empty => (None, None),
            PasswordSource::Given(_) => (Some("<secret>"), None),
            PasswordSource::File(path) => (None, Some(path.display().to_string())),
        };
        Self {
            name: &target.name,
            service: target.service.as_ref().map(ToString::to_string),
            address: target.address.to_string(),
            user: &target.user,
            password,
            password_file,
            tls: ShownTls::of(&target.tls),
            interval: target.interval.to_string(),
            burst_interval: target.pacing.burst_interval.to_string(),
            burst_for: format!("{:?}", target.pacing.burst_for),
            direct_interval: target.pacing.direct_interval.to_string(),
            max_lag: target.pacing.max_lag.to_string(),
            timeout: target.timeout.to_string(),
            max_in_flight: target.max_in_flight.get(),
            forget_after: format!("{:?}", target.forget_after),
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
        let path = |file: &super::tls::PemFile| file.path.display().to_string();
        Self {
            mode: tls.mode().to_string(),
            ca_file: authorities.map(path),
            cert_file: client.map(|client| path(&client.certificate)),
            key_file: client.map(|client| path(&client.key)),
        }
    }
}
