//! The snapshot as Prometheus metrics. A scrape reads everything from the snapshot, so the series of a replica or target
//! end with it.

mod cluster;
mod family;
mod process;
mod program;
mod targets;
mod verdict;

use std::io::Write;

use prometheus::{Encoder, TextEncoder, proto::MetricType};

use self::{family::Family, process::Process};
use crate::model::{ReplicaSnapshot, Snapshot, TargetSnapshot};

/// The content type of [`Exposition::write`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// A metric as it is documented, and where its series come from.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its whole name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels, all of them bounded: by configured targets, by [`REPLICAS_MAX`](crate::model::REPLICAS_MAX), by
    /// closed sets.
    pub labels: &'static [&'static str],
    /// What it says, for a person on call.
    pub help: &'static str,
    /// Reads its series from a snapshot.
    read: fn(&Snapshot, &mut Family),
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up.
    Counter,
    /// Goes both ways.
    Gauge,
    /// Counts by duration.
    Histogram,
}

/// Renders snapshots for scrapes.
#[derive(Debug)]
pub struct Exposition {
    process: Process,
}

/// Every metric of readscope's own, in the order in which they are exposed.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    [targets::METRICS, verdict::METRICS, cluster::METRICS, program::METRICS].into_iter().flatten()
}

impl Exposition {
    /// An exposition of this process.
    #[must_use]
    pub fn new() -> Self {
        Self { process: Process::this() }
    }

    /// Writes the text form, 0.0.4, of everything. One family after the other is read, written and dropped: all at once
    /// would take several times the memory of the text. The writes are many and small.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, snapshot: &Snapshot, to: &mut impl Write) -> prometheus::Result<()> {
        let encoder = TextEncoder::new();
        let own = definitions().map(|definition| {
            let mut family = Family::new(definition.name, definition.kind, definition.labels, definition.help);
            (definition.read)(snapshot, &mut family);
            family
        });
        for family in own.chain(self.process.families()) {
            // The encoder refuses a family without series.
            if let Some(family) = family.with_series() {
                encoder.encode(&[family], to)?;
            }
        }
        Ok(())
    }
}

impl Default for Exposition {
    fn default() -> Self {
        Self::new()
    }
}

impl Kind {
    /// As Prometheus writes it.
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

/// A time as Prometheus has it: seconds since the epoch.
fn seconds(wall: jiff::Timestamp) -> f64 {
    wall.as_duration().as_secs_f64()
}

/// Adds a series of each target that has a value.
fn each<V: Into<family::Value>>(
    snapshot: &Snapshot,
    family: &mut Family,
    value: impl Fn(&TargetSnapshot) -> Option<V>,
) {
    for target in &snapshot.targets {
        if let Some(value) = value(target) {
            family.series(&[&target.name], value);
        }
    }
}

/// Adds a series of each replica that has a value.
fn each_replica<V: Into<family::Value>>(
    snapshot: &Snapshot,
    family: &mut Family,
    value: impl Fn(&ReplicaSnapshot) -> Option<V>,
) {
    for target in &snapshot.targets {
        for replica in &target.replicas {
            if let Some(value) = value(replica) {
                family.series(&[&target.name, &replica.name], value);
            }
        }
    }
}
