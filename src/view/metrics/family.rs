//! The series of one metric, in the types of the Prometheus encoder.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily};

use super::Kind;
use crate::model;

pub(super) struct Family {
    proto: MetricFamily,
    kind: Kind,
    labels: &'static [&'static str],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Value(f64);

impl Family {
    pub(super) fn new(name: &str, kind: Kind, labels: &'static [&'static str], help: &str) -> Self {
        let mut proto = MetricFamily::default();
        proto.set_name(name.to_owned());
        proto.set_help(help.to_owned());
        proto.set_field_type(kind.into());
        Self { proto, kind, labels }
    }

    pub(super) fn series(&mut self, labels: &[&str], value: impl Into<Value>) {
        let Value(value) = value.into();
        let mut metric = self.labelled(labels);
        if self.kind == Kind::Counter {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.proto.mut_metric().push(metric);
    }

    /// Adds a series to a histogram. The encoder adds the `+Inf` bucket.
    pub(super) fn histogram(&mut self, labels: &[&str], recorded: &model::Histogram) {
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(recorded.cumulative().map(bucket).collect());
        histogram.set_sample_sum(recorded.sum());
        histogram.set_sample_count(recorded.count());
        let mut metric = self.labelled(labels);
        metric.set_histogram(histogram);
        self.proto.mut_metric().push(metric);
    }

    /// `None` without any series: the encoder refuses an empty family.
    pub(super) fn with_series(self) -> Option<MetricFamily> {
        (!self.proto.get_metric().is_empty()).then_some(self.proto)
    }

    fn labelled(&self, values: &[&str]) -> Metric {
        debug_assert_eq!(values.len(), self.labels.len(), "{}", self.proto.name());
        // Without a namespace of its own, a series has the namespace that the scrape adds.
        let is_written = |(name, value): &(&&str, &&str)| **name != "namespace" || !value.is_empty();
        let label = |(name, value): (&&str, &&str)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value((*value).to_owned());
            label
        };
        Metric::from_label(self.labels.iter().zip(values).filter(is_written).map(label).collect())
    }
}

impl From<u64> for Value {
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles")]
    fn from(count: u64) -> Self {
        Self(count as f64)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self(number)
    }
}

impl From<bool> for Value {
    fn from(holds: bool) -> Self {
        Self(holds.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::TextEncoder;

    use super::*;

    fn text(family: Family) -> String {
        TextEncoder::new().encode_to_string(&[family.with_series().unwrap()]).unwrap()
    }

    #[test]
    fn series_have_the_format_of_prometheus() {
        let mut some = Family::new("some", Kind::Gauge, &["b", "a"], "Of \\ and\nlines.");
        some.series(&["x", "\"quoted\", \\ and\nbroken ä"], 0.25);
        some.series(&["", "y"], f64::NAN);
        some.series(&["", "z"], true);
        let expected = concat!(
            "# HELP some Of \\\\ and\\nlines.\n# TYPE some gauge\n",
            "some{b=\"x\",a=\"\\\"quoted\\\", \\\\ and\\nbroken ä\"} 0.25\n",
            "some{b=\"\",a=\"y\"} NaN\nsome{b=\"\",a=\"z\"} 1\n",
        );
        assert_eq!(text(some), expected);
        let mut plain = Family::new("plain_total", Kind::Counter, &[], "Alone.");
        plain.series(&[], 1_u64 << 53);
        assert_eq!(
            text(plain),
            "# HELP plain_total Alone.\n# TYPE plain_total counter\nplain_total 9007199254740992\n"
        );
    }

    #[test]
    fn histograms_end_with_the_infinite_bucket() {
        let mut recorded = model::Histogram::new(&[0.5, 1.0]);
        for milliseconds in [250, 750, 5000] {
            recorded.record(Duration::from_millis(milliseconds));
        }
        let mut labelled = Family::new("a", Kind::Histogram, &["x"], "A.");
        labelled.histogram(&["y"], &recorded);
        let expected = concat!(
            "# HELP a A.\n# TYPE a histogram\na_bucket{x=\"y\",le=\"0.5\"} 1\na_bucket{x=\"y\",le=\"1\"} 2\n",
            "a_bucket{x=\"y\",le=\"+Inf\"} 3\na_sum{x=\"y\"} 6\na_count{x=\"y\"} 3\n",
        );
        assert_eq!(text(labelled), expected);
        let mut alone = Family::new("b", Kind::Histogram, &[], "B.");
        alone.histogram(&[], &recorded);
        let expected = concat!(
            "# HELP b B.\n# TYPE b histogram\nb_bucket{le=\"0.5\"} 1\nb_bucket{le=\"1\"} 2\n",
            "b_bucket{le=\"+Inf\"} 3\nb_sum 6\nb_count 3\n",
        );
        assert_eq!(text(alone), expected);
    }

    #[test]
    fn only_an_empty_namespace_is_left_out() {
        let mut some = Family::new("some", Kind::Gauge, &["namespace", "pod"], "Of both.");
        some.series(&["", ""], true);
        some.series(&["shop", ""], true);
        assert_eq!(
            text(some).lines().skip(2).collect::<Vec<_>>(),
            [r#"some{pod=""} 1"#, r#"some{namespace="shop",pod=""} 1"#]
        );
    }

    #[test]
    fn a_family_without_series_is_left_out() {
        assert!(Family::new("nothing", Kind::Gauge, &[], "Never there.").with_series().is_none());
    }
}
