//! How to probe a target: options of the command line, keys of the configuration file.

use std::{num::NonZeroUsize, str::FromStr};

use clap::Args;
use serde::{Serialize, Serializer};

use super::{
    duration::{BurstInterval, BurstLength, ClientsInterval, ForgetAfter, Interval, MaxLag, PodProbeInterval, Timeout},
    secret::{PasswordError, PasswordSource},
    text::deserialize_from_str,
    tls::Tls,
};
use crate::model::{Burst, Expectation, ProbeIntervals};

const USER: &str = "readscope";

/// A field with an option has its help as comment. Fields without one are several options, or of the whole file.
#[derive(Clone, Debug, PartialEq, Args, Serialize)]
pub struct Settings {
    /// MySQL account; it needs no privileges
    #[arg(long, env = "READSCOPE_USER", value_name = "NAME", default_value = USER, value_parser = parse_user)]
    pub user: String,
    #[arg(skip)]
    #[serde(flatten, skip_serializing_if = "PasswordSource::is_empty")]
    pub password: PasswordSource,
    #[arg(skip)]
    pub tls: Tls,
    /// Time between probes, at least 2.5ms
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub interval: Interval,
    /// Time between probes while a new endpoint has not answered yet; 0 disables these bursts
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub burst_interval: BurstInterval,
    /// Maximum length of a burst for one endpoint; 0 disables bursts
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub burst_for: BurstLength,
    /// Time between pod probes of each replica; 0 disables them, and replication lag and stale reads with them
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub pod_probe_interval: PodProbeInterval,
    /// Time between readings of each replica's status counters, which show what its clients do; 0 disables them
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub clients_interval: ClientsInterval,
    /// Limit of one probe, from the DNS lookup to the answer
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub timeout: Timeout,
    /// Maximum number of probes in flight; further probes are skipped and counted
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    pub max_in_flight: MaxInFlight,
    /// Remove a replica that is not expected after this time without reads
    #[arg(long, value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    pub forget_after: ForgetAfter,
    #[arg(skip = Expectation::Seen)]
    #[serde(rename = "expect", serialize_with = "weights", skip_serializing_if = "is_not_listed")]
    pub expectation: Expectation,
    /// A read is stale if it lacks a transaction older than this
    #[arg(long = "freshness.max-lag", value_name = "DURATION", default_value_t, allow_hyphen_values = true)]
    #[serde(skip)]
    pub max_lag: MaxLag,
}

/// Probes of one target that may run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct MaxInFlight(NonZeroUsize);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a number from 1 to {}, such as 8", MaxInFlight::LIMIT)]
pub struct MaxInFlightError;

impl Default for Settings {
    fn default() -> Self {
        Self {
            user: USER.to_owned(),
            password: PasswordSource::default(),
            tls: Tls::default(),
            interval: Interval::default(),
            burst_interval: BurstInterval::default(),
            burst_for: BurstLength::default(),
            pod_probe_interval: PodProbeInterval::default(),
            clients_interval: ClientsInterval::default(),
            timeout: Timeout::default(),
            max_in_flight: MaxInFlight::default(),
            forget_after: ForgetAfter::default(),
            expectation: Expectation::Seen,
            max_lag: MaxLag::default(),
        }
    }
}

impl Settings {
    pub fn intervals(&self) -> ProbeIntervals {
        let burst = Burst { interval: self.burst_interval.get(), lasting: self.burst_for.get() };
        let (pods, clients) = (self.pod_probe_interval.get(), self.clients_interval.get());
        ProbeIntervals {
            interval: self.interval.get(),
            burst: (!burst.interval.is_zero() && !burst.lasting.is_zero()).then_some(burst),
            pod_interval: (!pods.is_zero()).then_some(pods),
            clients_interval: (!clients.is_zero()).then_some(clients),
            max_lag: self.max_lag.get(),
        }
    }
}

impl MaxInFlight {
    /// They may all fail, and `model::Budgets` counts on it.
    const LIMIT: usize = 32;

    pub fn get(self) -> NonZeroUsize {
        self.0
    }
}

impl Default for MaxInFlight {
    fn default() -> Self {
        Self(const { NonZeroUsize::new(8).expect("8 is not 0") })
    }
}

impl FromStr for MaxInFlight {
    type Err = MaxInFlightError;

    fn from_str(text: &str) -> Result<Self, MaxInFlightError> {
        let number = text.trim().parse::<NonZeroUsize>().ok().filter(|number| number.get() <= Self::LIMIT);
        number.map(Self).ok_or(MaxInFlightError)
    }
}

impl std::fmt::Display for MaxInFlight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

deserialize_from_str!(MaxInFlight);

/// The name often comes from a Secret, as the password does, and then has the line break that `echo` adds.
fn parse_user(text: &str) -> Result<String, PasswordError> {
    PasswordSource::given(text.as_bytes(), "the name")
        .and_then(|name| Ok(name.read()?.map_or_else(String::new, |name| name.expose().to_owned())))
}

fn is_not_listed(expectation: &Expectation) -> bool {
    expectation.entries().is_empty()
}

fn weights<S: Serializer>(expectation: &Expectation, serializer: S) -> Result<S::Ok, S::Error> {
    let mut entries: Vec<_> = expectation.entries().iter().map(|entry| (&*entry.name, entry.weight)).collect();
    entries.sort_unstable_by_key(|(name, _)| *name);
    serializer.collect_map(entries)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn zero_disables_bursts_and_pod_probes() {
        assert!(Settings::default().intervals().burst.is_some());
        let no_length = Settings { burst_for: Duration::ZERO.try_into().unwrap(), ..Settings::default() };
        assert_eq!(no_length.intervals().burst, None);
        let zero = Duration::ZERO;
        let no_interval = Settings {
            burst_interval: zero.try_into().unwrap(),
            pod_probe_interval: zero.try_into().unwrap(),
            ..Settings::default()
        };
        assert_eq!((no_interval.intervals().burst, no_interval.intervals().pod_interval), (None, None));
    }
}
