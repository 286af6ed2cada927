//! Metrics of readscope itself that it counts outside the model: HTTP requests and requests to the Kubernetes API.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, core::Collector, proto::MetricFamily,
};

use super::{Definition, Series::Counted, counter, gauge, histogram};

/// Of a scrape: below a millisecond for one target, up to seconds for a thousand.
const SCRAPE_BOUNDS: [f64; 8] = [0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5];

const REQUESTS: Definition = counter(
    "readscope_http_requests_total",
    "HTTP requests to readscope, by status code and path; other paths than readscope's are `other`.",
    Counted(&["code", "handler"]),
);
const REFUSED_LOGINS: Definition = counter(
    "readscope_http_refused_logins_total",
    "HTTP requests to readscope with a wrong user name or password.",
    Counted(&[]),
);
const SCRAPES: Definition = histogram(
    "readscope_http_scrape_duration_seconds",
    "Time to render /metrics, with the wait for other scrapes.",
    Counted(&[]),
);
const EVENT_STREAMS: Definition = gauge(
    "readscope_http_event_streams",
    "Open event streams; each open live page or attached terminal view has one.",
    Counted(&[]),
);
const API_REQUESTS: Definition = counter(
    "readscope_kube_requests_total",
    "Requests to the Kubernetes API server, by verb and status code; the code is `error` without a response.",
    Counted(&["verb", "code"]),
);

pub(super) const METRICS: &[Definition] = &[REQUESTS, REFUSED_LOGINS, SCRAPES, EVENT_STREAMS, API_REQUESTS];

/// Clones count together.
#[derive(Clone, Debug)]
pub struct Counts {
    requests: IntCounterVec,
    refused_logins: IntCounter,
    scrapes: Histogram,
    event_streams: IntGauge,
    api_requests: IntCounterVec,
}

impl Default for Counts {
    fn default() -> Self {
        const VALID: &str = "the definitions have valid names";
        let options = |definition: &Definition| Opts::new(definition.name, definition.help);
        let counters =
            |definition: &Definition| IntCounterVec::new(options(definition), definition.labels).expect(VALID);
        let scrapes = HistogramOpts::from(options(&SCRAPES)).buckets(SCRAPE_BOUNDS.to_vec());
        Self {
            requests: counters(&REQUESTS),
            refused_logins: IntCounter::with_opts(options(&REFUSED_LOGINS)).expect(VALID),
            scrapes: Histogram::with_opts(scrapes).expect(VALID),
            event_streams: IntGauge::with_opts(options(&EVENT_STREAMS)).expect(VALID),
            api_requests: counters(&API_REQUESTS),
        }
    }
}

impl Counts {
    pub fn api_request(&self, verb: &str, code: &str) {
        self.api_requests.with_label_values(&[verb, code]).inc();
    }

    pub(in crate::view) fn request(&self, code: &str, handler: &str) {
        self.requests.with_label_values(&[code, handler]).inc();
    }

    pub(in crate::view) fn refused_login(&self) {
        self.refused_logins.inc();
    }

    pub(in crate::view) fn scrape(&self, duration: Duration) {
        self.scrapes.observe(duration.as_secs_f64());
    }

    pub(in crate::view) fn set_event_streams(&self, open: usize) {
        self.event_streams.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    pub(super) fn families(&self) -> impl Iterator<Item = MetricFamily> {
        let counts: [&dyn Collector; 5] =
            [&self.requests, &self.refused_logins, &self.scrapes, &self.event_streams, &self.api_requests];
        counts.into_iter().flat_map(Collector::collect).filter(|family| !family.get_metric().is_empty())
    }
}
