//! Metric families from definitions and values.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::{Definition, Kind};
use crate::model;

pub(super) fn family(definition: Definition, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(definition.name.to_owned());
    family.set_help(definition.help.to_owned());
    family.set_field_type(match definition.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    family.set_metric(metrics);
    family
}

fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    pairs.iter().map(pair).collect()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles")]
pub(super) fn counter(pairs: &[(&str, &str)], value: u64) -> Metric {
    counter_of(pairs, value as f64)
}

/// Of a duration and without labels.
pub(super) fn seconds_counter(seconds: f64) -> Metric {
    counter_of(&[], seconds)
}

fn counter_of(pairs: &[(&str, &str)], value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(labels(pairs));
    metric.set_counter(counter);
    metric
}

pub(super) fn gauge(pairs: &[(&str, &str)], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels(pairs));
    metric.set_gauge(gauge);
    metric
}

pub(super) fn histogram(pairs: &[(&str, &str)], recorded: &model::Histogram) -> Metric {
    let buckets = recorded.cumulative().map(|(bound, count)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(recorded.count());
    histogram.set_sample_sum(recorded.sum());
    let mut metric = Metric::from_label(labels(pairs));
    metric.set_histogram(histogram);
    metric
}

/// A time as Prometheus has it: seconds since the epoch.
pub(super) fn seconds(wall: jiff::Timestamp) -> f64 {
    wall.as_duration().as_secs_f64()
}
