//! `docs/api.md`: every field of the JSON documents, with examples that `tests/program/http/documents.rs` keeps true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use serde_json::{Value, json};

use crate::support::{fixtures, golden};

const HEAD: &str = "\
# JSON API

All documents are read with GET, need no parameters, and are `Cache-Control: no-store`. `tests/repository/reference` compares this page
with the documents of the program.

- Times are RFC 3339 in UTC with milliseconds. Durations are numbers of seconds, and their names end in `_seconds`. Shares are
  fractions from 0 to 1.
- An unknown value is `null`, never 0. A field that can be `null` says when.
- **Stability**: fields may be added. From version 1.0.0 on, a field is not renamed or removed, and its type and unit do not
  change, before the next major version. Sentences (`headline`, `reason`, `text`, `why`, `notices`, `advice`,
  `error`, `evidence`, `share_basis`) are for people and may change at any time.

`readscope check --output json` prints an entry of `targets` with `exit_code` and `p_value`.
";

struct Document {
    title: &'static str,
    about: &'static str,
    /// In `tests/fixtures/api`.
    example: &'static str,
    /// Path, type, when it is null, and meaning.
    fields: &'static [(&'static str, &'static str, &'static str, &'static str)],
}

const DOCUMENTS: [Document; 5] = [
    Document { title: "`/api/v1/targets`", about: "Every target in full.", example: "targets", fields: TARGETS },
    Document {
        title: "`/api/v1/scale-events`",
        about: "The latest scale events, newest first. [Milestones](metrics.md#milestones) and [phases](metrics.md#phases) \
                have their own tables.",
        example: "scale-events",
        fields: SCALE_EVENTS,
    },
    Document {
        title: "`/api/v1/events`: `snapshot`",
        about: "Server-sent events. `?target=NAME` selects a target; without it, the stream follows the only target, or \
                sends an `overview` of several. The event `snapshot` is `/api/v1/targets` with one target. After the first \
                one, it has no `last_reads`: `answers` has them. The event `scale-events` is the document above. A stream \
                sends something at least every 3 s, and ends after 200 s with the event `end`; reconnect then.",
        example: "first-snapshot",
        fields: SNAPSHOT,
    },
    Document {
        title: "`/api/v1/events`: `answers`",
        about: "The reads since the previous event.",
        example: "answers",
        fields: ANSWERS,
    },
    Document {
        title: "`/api/v1/events`: `overview`",
        about: "A summary of every target, or only of those that changed.",
        example: "overview",
        fields: OVERVIEW,
    },
];

const TARGETS: &[(&str, &str, &str, &str)] = &[
    ("announcement", "text", "left out", "the current step of the demo"),
    ("targets[].target", "text", "", "name of the target, as the label `target`"),
    ("targets[].up", "boolean", "", "whether at least one of the latest 10 probes was answered"),
    ("targets[].status", "text", "", "`ok`, `degraded`, `down` or `unknown` ([http.md](http.md#json))"),
    ("targets[].headline", "sentence", "", "the worse of status and verdict"),
    ("targets[].verdict", "text", "", "`balanced`, `unbalanced` or `undecided`"),
    ("targets[].reason", "sentence", "", "why"),
    ("targets[].probes", "count", "", "probes since the start"),
    ("targets[].failures", "count", "", "failed probes"),
    (
        "targets[].failures_by_reason.*",
        "count",
        "left out",
        "failed probes by [reason](probing.md), without reasons that have none",
    ),
    (
        "targets[].recent_failures",
        "count",
        "",
        "failed ones of the latest probes, without those of an outage that is over",
    ),
    ("targets[].recent_probes", "count", "", "these latest probes, at most 200"),
    ("targets[].skipped", "count", "", "probes that were due and not started"),
    ("targets[].primary_reads", "count", "", "reads that the primary answered"),
    ("targets[].evidence_seconds", "seconds", "", "reads as uneven as these occur by chance once in this time"),
    ("targets[].threshold_seconds", "seconds", "", "evidence from which on reads count as unbalanced"),
    ("targets[].evidence", "sentence", "", "the same as a sentence"),
    ("targets[].replicas_expected", "count", "", "expected replicas"),
    ("targets[].replicas_answering", "count", "", "expected replicas that answer"),
    ("targets[].share_basis", "sentence", "", "the reads on which shares and intervals rest"),
    ("targets[].replicas[].replica", "text", "", "name of the pod, or the host name, or `server-SERVER_ID`"),
    ("targets[].replicas[].server_id", "number", "before the first read", "`server_id` of the server"),
    (
        "targets[].replicas[].server_uuid",
        "text",
        "before the first read, and for MariaDB",
        "`server_uuid` of the server",
    ),
    ("targets[].replicas[].host_name", "text", "before the first read", "`hostname` of the server"),
    ("targets[].replicas[].role", "text", "before the first read", "`primary` or `replica`"),
    ("targets[].replicas[].version", "text", "before the first read", "version of the server"),
    ("targets[].replicas[].reads", "count", "", "reads that it answered"),
    ("targets[].replicas[].share", "share", "without reads", "its part of the recent reads"),
    ("targets[].replicas[].expected_share", "share", "", "the part that it should get"),
    ("targets[].replicas[].why", "sentence", "", "why it should get this part"),
    ("targets[].replicas[].share_lower", "share", "without enough reads", "lower end of the interval of its share"),
    ("targets[].replicas[].share_upper", "share", "without enough reads", "upper end"),
    (
        "targets[].replicas[].lag_seconds",
        "seconds",
        "without GTIDs, Kubernetes or exactly one primary",
        "replication lag",
    ),
    ("targets[].replicas[].lag_resolution_seconds", "seconds", "as `lag_seconds`", "the lag is known to this time"),
    (
        "targets[].replicas[].stale_reads",
        "count",
        "as `lag_seconds`",
        "reads that lacked transactions older than `freshness.max_lag`",
    ),
    ("targets[].replicas[].pod_probe_up", "boolean", "without pod probes", "whether its latest pod probe was answered"),
    (
        "targets[].replicas[].clients",
        "object",
        "while unknown",
        "`connections`, `connection_share`, `reads_per_second` and `read_share` of the [clients](clients.md)",
    ),
    ("targets[].replicas[].gtid_executed", "text", "without GTIDs", "`gtid_executed` at its latest read"),
    ("targets[].replicas[].last_answer", "time", "before the first read", "its latest read"),
    (
        "targets[].replicas[].conditions[].kind",
        "text",
        "",
        "[what keeps the replica from serving](http.md#json); the worst first",
    ),
    ("targets[].replicas[].conditions[].since", "time", "", "since when"),
    ("targets[].replicas[].conditions[].text", "sentence", "", "the same with the name of the replica, and what to do"),
    (
        "targets[].replicas[].conditions[].planned",
        "boolean",
        "",
        "whether it is a step of a roll-out, a scale event or a restart, within its usual time",
    ),
    ("targets[].clients.state", "text", "", "`even`, `uneven` or `unknown`"),
    ("targets[].clients.reason", "sentence", "", "why"),
    ("targets[].culprits[].replica", "text", "", "a replica that contributes to the alarm"),
    ("targets[].culprits[].kind", "text", "", "`dead` (no reads), `starved` (too few) or `hot` (too many)"),
    ("targets[].culprits[].part", "share", "", "its part of the evidence"),
    ("targets[].culprits[].share", "share", "", "its share"),
    ("targets[].culprits[].expected_share", "share", "", "its expected share"),
    ("targets[].culprits[].reason", "sentence", "", "the same as a sentence"),
    ("targets[].anomalies[].kind", "text", "", "kind of problem, as the label `kind` of `readscope_anomalies_total`"),
    ("targets[].anomalies[].answers", "count", "", "reads that show it"),
    ("targets[].anomalies[].reason", "sentence", "if unknown", "the latest one"),
    (
        "targets[].imbalance",
        "object",
        "before the first read, and with fewer than two replicas",
        "distance of the recent reads from the expected shares",
    ),
    ("targets[].imbalance.misrouted_share", "share", "", "reads that another replica should have got"),
    ("targets[].imbalance.misrouted_share_noise", "share", "", "the same for balanced reads, on average"),
    (
        "targets[].imbalance.effective_replicas",
        "number",
        "",
        "replicas with equal shares that would spread the reads as far",
    ),
    (
        "targets[].imbalance.share_dispersion",
        "number",
        "",
        "unevenness relative to chance: about 1 for random routing, near 0 for round robin",
    ),
    ("targets[].imbalance.share_ratio_max", "number", "", "largest ratio of share and expected share"),
    (
        "targets[].imbalance.missing_replicas",
        "count",
        "",
        "expected replicas without a read for longer than chance explains",
    ),
    ("targets[].notices[]", "sentence", "", "what is wrong and what to do"),
    ("targets[].routing", "object", "without Kubernetes", "how the Service routes"),
    ("targets[].routing.why", "sentence", "", "how, and why"),
    ("targets[].routing.affinity_seconds", "seconds", "without session affinity", "timeout of the session affinity"),
    ("targets[].routing.endpoints[].replica", "text", "", "name of the endpoint's pod"),
    ("targets[].routing.endpoints[].addresses[]", "text", "", "its addresses"),
    ("targets[].routing.endpoints[].serving", "boolean", "", "condition `serving` of the endpoint"),
    ("targets[].routing.endpoints[].routed", "boolean", "", "whether the Service routes to it"),
    ("targets[].routing.endpoints[].standing", "sentence", "", "why, or why not"),
    ("targets[].pvcs", "list", "without Kubernetes", "PVCs of the StatefulSets in the target's namespace"),
    ("targets[].pvcs[].statefulset", "text", "", "`NAMESPACE/NAME`"),
    ("targets[].pvcs[].pvc", "text", "", "its name"),
    ("targets[].pvcs[].phase", "text", "", "`Pending`, `Bound` or `Lost`"),
    ("targets[].pvcs[].storage_class", "text", "without one", "its StorageClass"),
    ("targets[].pvcs[].volume", "text", "until it is bound", "its PersistentVolume"),
    ("targets[].pvcs[].requested", "text", "if not set", "requested size, as Kubernetes writes it"),
    ("targets[].pvcs[].capacity", "text", "until it is bound", "size"),
    ("targets[].pvcs[].access_modes", "text", "until it is bound", "access modes, as `kubectl get` abbreviates them"),
    ("targets[].pvcs[].resizing", "boolean", "", "whether it is being resized"),
    ("targets[].pvcs[].pending_seconds", "seconds", "unless it is pending", "for how long"),
    ("targets[].pvcs[].reason", "text", "without an event", "reason of its latest event while it is pending"),
    ("targets[].pvcs[].message", "text", "without an event", "message of this event"),
    ("targets[].pvcs[].advice", "sentence", "without an event", "what to do"),
    ("targets[].pvcs[].created", "time", "if unknown", "when it was created"),
    ("targets[].pvcs[].bound", "time", "until it is bound, or if unknown", "when it was bound"),
    (
        "targets[].mean_duration_seconds.*",
        "seconds",
        "without reads",
        "mean duration of the phases of a probe: `resolve`, `login`, `query`; and `total`",
    ),
    (
        "targets[].duration_quantiles_seconds.*.*",
        "seconds",
        "without reads",
        "quantiles `0.5`, `0.9` and `0.99` of these durations",
    ),
    ("targets[].last_reads[].time", "time", "", "start of the probe; newest first"),
    ("targets[].last_reads[].replica", "text", "", "replica that answered"),
    ("targets[].last_reads[].server_id", "number", "", "its `server_id`"),
    ("targets[].last_reads[].server_time", "time", "if unknown", "clock of the server"),
    ("targets[].last_reads[].duration_seconds", "seconds", "", "duration of the probe"),
    ("targets[].last_failures[].time", "time", "", "start of the probe; newest first"),
    ("targets[].last_failures[].reason", "text", "", "[reason](probing.md), as the label `reason`"),
    ("targets[].last_failures[].error", "sentence", "", "the error"),
    ("targets[].last_failures[].advice", "sentence", "", "what to do"),
    ("targets[].last_failures[].address", "text", "before a connection", "address of the connection"),
    ("targets[].last_failures[].duration_seconds", "seconds", "", "duration of the probe"),
];

const SCALE_EVENTS: &[(&str, &str, &str, &str)] = &[
    ("scale_events[].statefulset", "text", "", "`NAMESPACE/NAME`"),
    ("scale_events[].from", "count", "", "replicas before"),
    ("scale_events[].to", "count", "", "replicas after"),
    ("scale_events[].started", "time", "", "change of `spec.replicas`"),
    ("scale_events[].finished", "time", "while it lasts", "its end"),
    ("scale_events[].replicas[].replica", "text", "", "name of the pod"),
    ("scale_events[].replicas[].direction", "text", "", "`up` or `down`"),
    (
        "scale_events[].replicas[].pvc_reused",
        "boolean",
        "without PVCs, for a removed replica, and while unknown",
        "whether all its PVCs existed before",
    ),
    (
        "scale_events[].replicas[].taken_over",
        "boolean",
        "",
        "whether a later scale event of the same replica replaced this one",
    ),
    ("scale_events[].replicas[].milestones.*", "time", "left out until reached", "milestones"),
    ("scale_events[].replicas[].phases.*", "seconds", "left out if unknown", "phases"),
    (
        "scale_events[].replicas[].first_read_uncertainty_seconds",
        "seconds",
        "if it was not seen",
        "how much earlier the first read may have been possible, at the 99th percentile",
    ),
    ("statefulsets[].statefulset", "text", "", "`NAMESPACE/NAME`"),
    ("statefulsets[].replicas[].replica", "text", "", "name of the pod"),
    (
        "statefulsets[].replicas[].milestones[]",
        "text",
        "",
        "milestones that it has reached, with or without a scale event",
    ),
];

const SNAPSHOT: &[(&str, &str, &str, &str)] = &[
    ("taken", "time", "", "when the snapshot was taken"),
    ("targets[]", "object", "", "as in `/api/v1/targets`"),
    ("trend[].time", "time", "", "the last minutes, oldest first; only in the first event of a stream"),
    ("trend[].evidence_seconds", "seconds", "", "evidence at that time"),
    ("trend[].failing_share", "share", "without probes", "failed probes since the previous point"),
];

const ANSWERS: &[(&str, &str, &str, &str)] = &[
    ("target", "text", "", "name of the target"),
    ("answers[]", "object", "", "as `last_reads` in `/api/v1/targets`, newest first"),
];

const OVERVIEW: &[(&str, &str, &str, &str)] = &[
    ("taken", "time", "", "when the snapshot was taken"),
    ("whole", "boolean", "", "whether the list is complete, so that other targets are gone"),
    ("targets[].target", "text", "", "name of the target"),
    ("targets[].up", "boolean", "", ""),
    ("targets[].status", "text", "", ""),
    ("targets[].headline", "sentence", "", ""),
    ("targets[].verdict", "text", "", ""),
    ("targets[].reason", "sentence", "", ""),
    ("targets[].probes", "count", "", ""),
    ("targets[].failures", "count", "", ""),
    ("targets[].recent_failures", "count", "", ""),
    ("targets[].recent_probes", "count", "", ""),
    ("targets[].evidence_seconds", "seconds", "", ""),
    ("targets[].threshold_seconds", "seconds", "", ""),
    ("targets[].replicas_expected", "count", "", ""),
    ("targets[].replicas_answering", "count", "", ""),
    ("targets[].notices", "count", "", "number of notices"),
    (
        "targets[].failing_shares[]",
        "share",
        "without probes",
        "failed probes in each of the last steps of 5 s, oldest first; only in the first event of a stream",
    ),
];

/// Mappings whose keys are data.
const MAPPINGS: [&str; 5] =
    ["failures_by_reason", "milestones", "phases", "mean_duration_seconds", "duration_quantiles_seconds"];

impl Document {
    fn example(&self) -> Value {
        let file = fixtures::fixture(&format!("api/{}.json", self.example));
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    }

    fn is_whole(&self, path: &str) -> bool {
        self.fields.iter().any(|(known, kind, ..)| *known == path && *kind == "object" && path.ends_with("[]"))
    }

    /// The values of each field; an empty list has none.
    fn values(&self) -> BTreeMap<String, Vec<Value>> {
        let mut found = BTreeMap::new();
        self.collect(&self.example(), "", false, &mut found);
        found
    }

    fn collect(&self, value: &Value, path: &str, is_mapping: bool, into: &mut BTreeMap<String, Vec<Value>>) {
        match value {
            Value::Object(map) if !self.is_whole(path) => {
                if !path.is_empty() && !path.ends_with("[]") {
                    into.entry(path.to_owned()).or_default().push(value.clone());
                }
                for (key, value) in map {
                    let key_of = if is_mapping { "*" } else { key };
                    let path = if path.is_empty() { key_of.to_owned() } else { format!("{path}.{key_of}") };
                    // The milestones of `statefulsets` are a list.
                    let is_mapping = (is_mapping || MAPPINGS.contains(&&**key)) && value.is_object();
                    self.collect(value, &path, is_mapping, into);
                }
            }
            Value::Array(list) => {
                into.entry(path.to_owned()).or_default().push(value.clone());
                for value in list {
                    self.collect(value, &format!("{path}[]"), false, into);
                }
            }
            _ => into.entry(path.to_owned()).or_default().push(value.clone()),
        }
    }

    fn page(&self) -> String {
        let mut text = format!(
            "\n## {}\n\n{}\n\n| field | type | null | meaning |\n| --- | --- | --- | --- |\n",
            self.title, self.about
        );
        for (path, kind, null, meaning) in self.fields {
            let meaning = if meaning.is_empty() { "as in `/api/v1/targets`" } else { meaning };
            writeln!(text, "| `{path}` | {kind} | {null} | {meaning} |").unwrap();
        }
        let example = serde_json::to_string_pretty(&self.example()).unwrap();
        write!(text, "\n<details><summary>Example</summary>\n\n```json\n{example}\n```\n\n</details>\n").unwrap();
        text
    }
}

#[test]
fn the_page_of_the_api_has_every_field_and_real_examples() {
    let documents: String = DOCUMENTS.iter().map(Document::page).collect();
    golden::assert_is("docs/api.md", &format!("{HEAD}{documents}"));
}

#[test]
fn fields_have_the_documented_types() {
    for document in &DOCUMENTS {
        let values = document.values();
        let fields: BTreeSet<&str> = document.fields.iter().map(|(path, ..)| *path).collect();
        for (path, values) in &values {
            // Lists and objects are described by what they hold, unless they can be null.
            if values.iter().all(|value| value.is_array() || value.is_object()) {
                continue;
            }
            assert!(
                fields.contains(&**path),
                "{}: describe {path} in tests/repository/reference/api.rs",
                document.title
            );
        }
        for (path, kind, null, _) in document.fields {
            let Some(values) = values.get(*path) else {
                let around = path.strip_suffix(".*").or_else(|| Some(&path[..path.rfind("[]")?])).unwrap_or("");
                let is_empty = |value: &Value| [json!([]), json!({})].contains(value);
                let is_unseen = values.get(around).is_some_and(|all| all.iter().all(is_empty));
                assert!(is_unseen, "{}: there is no {path}", document.title);
                continue;
            };
            for value in values {
                let fits = match *kind {
                    "text" | "sentence" => value.is_string(),
                    "time" => value.as_str().is_some_and(|time| time.ends_with('Z') && time.len() == 24),
                    "count" => value.is_u64(),
                    "number" | "seconds" | "share" => value.is_number(),
                    "boolean" => value.is_boolean(),
                    "list" => value.is_array(),
                    "object" => value.is_object(),
                    _ => panic!("{path}: unknown type {kind}"),
                };
                let is_null = value.is_null() && !null.is_empty() && !null.starts_with("left out");
                assert!(fits || is_null, "{}: {path} is {value}, not {kind}", document.title);
                assert_eq!(
                    *kind == "seconds" && !path.contains('*'),
                    path.ends_with("_seconds") && !path.contains('*'),
                    "{path}"
                );
            }
        }
    }
}
