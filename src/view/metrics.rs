//! Prometheus metrics. A scrape reads only the snapshot, so the series of a removed replica or target disappear.

mod clients;
mod cluster;
mod counts;
mod family;
mod process;
mod program;
mod targets;
mod verdict;

use std::{collections::BTreeMap, io::Write};

use prometheus::{Encoder, TextEncoder, proto::MetricType};

pub use self::{counts::Counts, program::RUSTC};
use self::{
    family::{Family, Value},
    process::Process,
};
use crate::model::{
    ReplicaSnapshot, Snapshot, TargetSnapshot,
    cluster::{StatefulSetSnapshot, Watch},
};

pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

#[derive(Clone, Copy, Debug)]
pub struct Definition {
    pub name: &'static str,
    pub kind: Kind,
    /// Bounded by configured targets, by [`REPLICAS_MAX`](crate::model::REPLICAS_MAX), or by a closed set.
    pub labels: &'static [&'static str],
    pub help: &'static str,
    series: Series,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Where the series come from, and with it their labels. Without a value, there is no series.
#[derive(Clone, Copy, Debug)]
enum Series {
    Once(fn(&Snapshot) -> Option<Value>),
    /// One per target.
    Targets(fn(&TargetSnapshot) -> Option<Value>),
    /// One per replica of a target.
    Replicas(fn(&ReplicaSnapshot) -> Option<Value>),
    /// One per `StatefulSet`.
    Sets(fn(&StatefulSetSnapshot) -> Option<Value>),
    /// One per kind of Kubernetes objects.
    Watches(fn(&[&Watch]) -> Option<Value>),
    Other(&'static [&'static str], fn(&Snapshot, &mut Family)),
    /// From [`Counts`] and not from a snapshot.
    Counted(&'static [&'static str]),
}

#[derive(Debug, Default)]
pub struct Exposition {
    process: Process,
    pub(super) counts: Counts,
}

const fn counter(name: &'static str, help: &'static str, series: Series) -> Definition {
    Definition { name, kind: Kind::Counter, labels: series.labels(), help, series }
}

const fn gauge(name: &'static str, help: &'static str, series: Series) -> Definition {
    Definition { name, kind: Kind::Gauge, labels: series.labels(), help, series }
}

const fn histogram(name: &'static str, help: &'static str, series: Series) -> Definition {
    Definition { name, kind: Kind::Histogram, labels: series.labels(), help, series }
}

/// Every readscope metric, in the order of the output.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    of_snapshot().chain(counts::METRICS)
}

fn of_snapshot() -> impl Iterator<Item = &'static Definition> {
    [targets::METRICS, clients::METRICS, verdict::METRICS, cluster::METRICS, program::METRICS].into_iter().flatten()
}

impl Exposition {
    /// Writes one family at a time: all at once would take several times the memory. The writes are many and small.
    pub fn write(&self, snapshot: &Snapshot, to: &mut impl Write) -> prometheus::Result<()> {
        let encoder = TextEncoder::new();
        let own = of_snapshot().map(|definition| {
            let mut family = Family::new(definition.name, definition.kind, definition.labels, definition.help);
            definition.series.read(snapshot, &mut family);
            family
        });
        // The encoder refuses a family without series.
        let families = own.chain(self.process.families()).filter_map(Family::with_series);
        families.chain(self.counts.families()).try_for_each(|family| encoder.encode(&[family], to))
    }
}

impl Series {
    const fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Once(_) => &[],
            Self::Targets(_) => &["namespace", "target"],
            Self::Replicas(_) => &["namespace", "target", "replica"],
            Self::Sets(_) => &["namespace", "statefulset"],
            Self::Watches(_) => &["kind"],
            Self::Other(labels, _) | Self::Counted(labels) => labels,
        }
    }

    fn read(self, snapshot: &Snapshot, family: &mut Family) {
        let mut add = |labels: &[&str], value: Option<Value>| {
            if let Some(value) = value {
                family.series(labels, value);
            }
        };
        match self {
            Self::Once(value) => add(&[], value(snapshot)),
            Self::Targets(value) => {
                for target in &snapshot.targets {
                    add(&[namespace(target), &target.name], value(target));
                }
            }
            Self::Replicas(value) => {
                for target in &snapshot.targets {
                    for replica in &target.replicas {
                        add(&[namespace(target), &target.name, &replica.name], value(replica));
                    }
                }
            }
            Self::Sets(value) => {
                for set in snapshot.cluster.iter().flat_map(|cluster| &cluster.statefulsets) {
                    add(&[&set.name.namespace, &set.name.name], value(set));
                }
            }
            Self::Watches(value) => {
                let mut kinds: BTreeMap<&str, Vec<&Watch>> = BTreeMap::new();
                for (name, watch) in snapshot.cluster.iter().flat_map(|cluster| &cluster.watches) {
                    kinds.entry(name.kind.resource()).or_default().push(watch);
                }
                for (kind, watches) in kinds {
                    add(&[kind], value(&watches));
                }
            }
            Self::Other(_, write) => write(snapshot, family),
            Self::Counted(_) => {}
        }
    }
}

impl Kind {
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
