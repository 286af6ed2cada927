//! Prometheus metrics. A scrape reads only the snapshot, so the series of a removed replica or target disappear.

mod clients;
mod cluster;
mod counts;
mod family;
mod process;
mod program;
mod targets;
mod verdict;

use std::io::Write;

use prometheus::{Encoder, TextEncoder, proto::MetricType};

pub use self::{counts::Counts, program::RUSTC};
use self::{family::Family, process::Process};
use crate::model::{ReplicaSnapshot, Snapshot, TargetSnapshot};

pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

#[derive(Clone, Copy, Debug)]
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    /// Bounded by configured targets, by [`REPLICAS_MAX`](crate::model::REPLICAS_MAX), or by a closed set.
    pub labels: &'static [&'static str],
    pub help: &'static str,
    read: fn(&Snapshot, &mut Family),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug)]
pub struct Exposition {
    process: Process,
    pub(super) counts: Counts,
}

/// Every readscope metric, in the order of the output.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    of_snapshot().chain(counts::METRICS)
}

fn of_snapshot() -> impl Iterator<Item = &'static Definition> {
    [targets::METRICS, clients::METRICS, verdict::METRICS, cluster::METRICS, program::METRICS].into_iter().flatten()
}

impl Exposition {
    #[must_use]
    pub fn new() -> Self {
        Self { process: Process::this(), counts: Counts::new() }
    }

    /// Writes one family at a time: all at once would take several times the memory. The writes are many and small.
    ///
    /// # Errors
    /// Errors of `to`.
    pub fn write(&self, snapshot: &Snapshot, to: &mut impl Write) -> prometheus::Result<()> {
        let encoder = TextEncoder::new();
        let own = of_snapshot().map(|definition| {
            let mut family = Family::new(definition.name, definition.kind, definition.labels, definition.help);
            (definition.read)(snapshot, &mut family);
            family
        });
        // The encoder refuses a family without series.
        let families = own.chain(self.process.families()).filter_map(Family::with_series);
        families.chain(self.counts.families()).try_for_each(|family| encoder.encode(&[family], to))
    }
}

impl Default for Exposition {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl From<Kind> for MetricType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::COUNTER,
            Kind::Gauge => Self::GAUGE,
            Kind::Histogram => Self::HISTOGRAM,
        }
    }
}

fn seconds(wall: jiff::Timestamp) -> f64 {
    wall.as_duration().as_secs_f64()
}

/// Of the Service, and so of the database: alerts about it belong to its team. Empty outside Kubernetes.
fn namespace(target: &TargetSnapshot) -> &str {
    target.service.as_ref().map_or("", |service| &service.namespace)
}

fn each<V: Into<family::Value>>(
    snapshot: &Snapshot,
    family: &mut Family,
    value: impl Fn(&TargetSnapshot) -> Option<V>,
) {
    for target in &snapshot.targets {
        if let Some(value) = value(target) {
            family.series(&[namespace(target), &target.name], value);
        }
    }
}

fn each_replica<V: Into<family::Value>>(
    snapshot: &Snapshot,
    family: &mut Family,
    value: impl Fn(&ReplicaSnapshot) -> Option<V>,
) {
    for target in &snapshot.targets {
        for replica in &target.replicas {
            if let Some(value) = value(replica) {
                family.series(&[namespace(target), &target.name, &replica.name], value);
            }
        }
    }
}
