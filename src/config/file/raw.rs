//! The file as YAML: the known keys, each value with its place for error messages.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

/// The raw text of a value; the code that knows the key parses it.
pub(super) type Text = Option<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) defaults: Option<Spanned<Entry>>,
    pub(super) targets: Spanned<Vec<Spanned<Entry>>>,
    pub(super) imbalance: Option<Imbalance>,
    pub(super) freshness: Option<Freshness>,
}

/// A target, a discovery or the defaults. All have the same keys except the first five.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: Text,
    pub(super) service: Text,
    pub(super) statefulset: Text,
    pub(super) address: Text,
    pub(super) discover: Option<Spanned<Discover>>,
    pub(super) user: Text,
    pub(super) password_file: Text,
    pub(super) tls: Option<Spanned<Tls>>,
    pub(super) interval: Text,
    pub(super) burst_interval: Text,
    pub(super) burst_for: Text,
    pub(super) pod_probe_interval: Text,
    pub(super) timeout: Text,
    pub(super) max_in_flight: Text,
    pub(super) forget_after: Text,
    pub(super) expect: Option<Spanned<BTreeMap<String, Spanned<String>>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Discover {
    pub(super) namespaces: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) selector: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) mode: Text,
    pub(super) ca_file: Text,
    pub(super) cert_file: Text,
    pub(super) key_file: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Imbalance {
    pub(super) false_alarm_period: Text,
    pub(super) tolerance: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Freshness {
    pub(super) max_lag: Text,
}
