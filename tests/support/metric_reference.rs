//! What `docs/metrics.md` says of a metric besides its labels and help: unit, stability, and how many series it has.

use readscope::{
    model::{
        ConditionKind, FailureReason, Phase, ProbePurpose, Status, UndecidedReason,
        cluster::{Milestone, ScalePhase},
    },
    view::metrics::{Definition, Kind},
};

/// Their names, labels or meaning may still change in a minor release.
const EXPERIMENTAL: [&str; 9] = [
    "readscope_clients_uneven",
    "readscope_effective_replicas",
    "readscope_first_read_uncertainty_seconds",
    "readscope_imbalance_culprit",
    "readscope_imbalance_restarts_total",
    "readscope_misrouted_share_noise",
    "readscope_probing_paused",
    "readscope_replica_condition",
    "readscope_share_dispersion",
];

/// Kinds of anomalies, and of watched objects.
const ANOMALIES: usize = 10;
const WATCHES: usize = 8;

/// Paths of HTTP requests, verbs of requests to the API server, and status codes that either may have.
const HANDLERS: usize = 11;
const VERBS: usize = 5;
const CODES: usize = 10;

pub(crate) fn stability(metric: &Definition) -> &'static str {
    if EXPERIMENTAL.contains(&metric.name) { "experimental" } else { "stable" }
}

pub(crate) fn unit(metric: &Definition) -> &'static str {
    let is = |part: &str| metric.name.contains(part);
    match metric.kind {
        _ if metric.name.ends_with("_timestamp_seconds") => "seconds since 1970",
        _ if metric.name.ends_with("_seconds") => "seconds",
        Kind::Counter if is("_reads") || is("anomalies") => "reads",
        Kind::Counter if is("probe") => "probes",
        Kind::Counter if is("requests") || is("logins") => "requests",
        Kind::Counter => "events",
        _ if is("share_dispersion") => "ratio",
        _ if is("share") || is("culprit") => "0 to 1",
        _ if is("connections") => "connections",
        _ if is("streams") => "streams",
        _ if is("effective_replicas") || is("missing_replicas") || is("statefulset_replicas") => "replicas",
        _ => "0 or 1",
    }
}

/// Series of one target, StatefulSet or readscope: at most so many, and so many for each replica.
pub(crate) fn series(metric: &Definition) -> (usize, usize) {
    let values = |label: &&str| match (*label, metric.name) {
        ("reason", "readscope_undecided") => UndecidedReason::ALL.len(),
        ("reason", _) => FailureReason::ALL.len(),
        ("phase", "readscope_scale_phase_seconds") => ScalePhase::ALL.len(),
        ("phase", _) => Phase::ALL.len(),
        ("status", _) => Status::ALL.len(),
        ("kind", "readscope_replica_condition") => ConditionKind::ALL.len(),
        ("kind", "readscope_anomalies_total") => ANOMALIES,
        ("kind", name) if name.starts_with("readscope_kube") => WATCHES,
        ("purpose", _) => ProbePurpose::ALL.len(),
        ("milestone", _) => Milestone::ALL.len(),
        ("direction", _) => 2,
        ("handler", _) => HANDLERS,
        ("verb", _) => VERBS,
        ("code", _) => CODES,
        _ => 1,
    };
    // Buckets with the infinite one, sum and count.
    let of_histogram = match metric.name {
        "readscope_probe_duration_seconds" => 18,
        "readscope_replica_read_duration_seconds" => 9,
        "readscope_probe_delay_seconds" => 13,
        "readscope_http_scrape_duration_seconds" => 11,
        _ if metric.kind == Kind::Histogram => 17,
        _ => 1,
    };
    let each = metric.labels.iter().map(values).product::<usize>() * of_histogram;
    let of_replica = ["replica", "persistentvolumeclaim"].iter().any(|label| metric.labels.contains(label));
    if of_replica { (0, each) } else { (each, 0) }
}

/// The number of series, as the table has it.
pub(crate) fn cardinality(metric: &Definition) -> String {
    match series(metric) {
        (0, 1) => "n".to_owned(),
        (0, each) => format!("{each} n"),
        (all, _) => all.to_string(),
    }
}

/// The series of all metrics with this label.
pub(crate) fn series_with<'a>(label: &str, metrics: impl Iterator<Item = &'a Definition>) -> (usize, usize) {
    let with_label = metrics.filter(|metric| metric.labels.contains(&label)).map(series);
    with_label.fold((0, 0), |(all, each), (more, more_each)| (all + more, each + more_each))
}
