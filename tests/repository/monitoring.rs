//! The dashboard, the alerts and the runbook use existing metrics and follow common rules.

use std::collections::{BTreeMap, BTreeSet};

use readscope::view::metrics::definitions;
use serde_json::Value;

use crate::read;

/// Suffixes of the series of a histogram.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_count", "_sum"];

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/readscope.json")).unwrap()
}

/// Every panel that is not a row.
fn panels(dashboard: &Value) -> Vec<&Value> {
    let all = dashboard["panels"].as_array().unwrap();
    all.iter().filter(|panel| panel["type"] != "row").collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is missing in {value}"))
}

/// The expressions of a panel, variables as they are.
fn expressions(panel: &Value) -> impl Iterator<Item = &str> {
    panel["targets"].as_array().unwrap().iter().map(|target| text(target, "expr"))
}

/// Every word of an expression that looks like a metric of ours.
fn metrics_in(expression: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    expression.split(word).filter(|word| word.starts_with("readscope_") || word.starts_with("process_")).collect()
}

/// The kind of each family that `/metrics` has.
fn kinds() -> BTreeMap<&'static str, &'static str> {
    definitions().map(|metric| (metric.name, metric.kind.name())).collect()
}

/// The names of recorded series in an expression, and the rest of it.
fn split_recorded(expression: &str) -> (Vec<&str>, String) {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let recorded: Vec<&str> =
        expression.split(word).filter(|word| word.contains(":readscope_") || word.starts_with("readscope:")).collect();
    let others = recorded.iter().fold(expression.to_owned(), |rest, name| rest.replace(name, ""));
    (recorded, others)
}

/// The names of all recorded series.
fn records() -> BTreeSet<String> {
    rules().iter().filter_map(|(_, rule)| Some(rule["record"].as_str()?.to_owned())).collect()
}

/// The family that a series belongs to.
fn family<'a>(series: &'a str, kinds: &BTreeMap<&str, &str>) -> &'a str {
    let of_histogram = OF_HISTOGRAMS.iter().find_map(|ending| series.strip_suffix(ending));
    of_histogram.filter(|family| kinds.get(family) == Some(&"histogram")).unwrap_or(series)
}

#[track_caller]
fn assert_known(expression: &str, kinds: &BTreeMap<&str, &str>) {
    let (recorded, others) = split_recorded(expression);
    let records = records();
    assert!(recorded.iter().all(|name| records.contains(*name)), "{recorded:?} in {expression}");
    for series in metrics_in(&others) {
        let known = kinds.contains_key(family(series, kinds)) || series.starts_with("process_");
        assert!(known, "{series} in {expression} is not a metric of readscope");
    }
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

/// All rules, and the names of their groups.
fn rules() -> Vec<(String, Value)> {
    let rules = yaml("deploy/alerts/readscope.rules.yaml");
    let of_group = |group: &Value| {
        let name = text(group, "name").to_owned();
        group["rules"].as_array().unwrap().iter().map(move |rule| (name.clone(), rule.clone())).collect::<Vec<_>>()
    };
    rules["groups"].as_array().unwrap().iter().flat_map(of_group).collect()
}

/// The rules of the alerts by name.
fn alerts() -> BTreeMap<String, Value> {
    let alerts = rules().into_iter().filter(|(_, rule)| rule["alert"].is_string());
    alerts.map(|(_, rule)| (text(&rule, "alert").to_owned(), rule)).collect()
}

/// The sets of alerts that each alert's tests expect at a time.
fn expected_alerts() -> BTreeMap<String, Vec<Vec<Value>>> {
    let tests = yaml("deploy/alerts/readscope.test.yaml");
    let all = tests["tests"].as_array().unwrap().iter().filter_map(|test| test["alert_rule_test"].as_array()).flatten();
    let mut expected: BTreeMap<String, Vec<Vec<Value>>> = BTreeMap::new();
    for test in all {
        let alerts = test["exp_alerts"].as_array().unwrap().clone();
        expected.entry(text(test, "alertname").to_owned()).or_default().push(alerts);
    }
    expected
}

#[test]
fn every_panel_has_a_title_a_description_and_a_unit() {
    let dashboard = dashboard();
    let mut titles = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        assert!(!title.is_empty() && titles.insert(title), "{title}: titles are unique");
        assert!(text(panel, "description").ends_with('.'), "{title}: a description is a sentence");
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title}: a unit");
        assert!(panel["fieldConfig"]["defaults"]["noValue"].is_string(), "{title}: what an empty panel shows");
        assert!(!["graph", "singlestat", "table-old"].contains(&text(panel, "type")), "{title}: gone from Grafana");
    }
}

#[test]
fn every_query_uses_the_variables_of_the_dashboard() {
    let dashboard = dashboard();
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        for target in panel["targets"].as_array().unwrap().iter().chain([panel]) {
            assert_eq!(text(&target["datasource"], "uid"), "${datasource}", "{title}");
        }
        for expression in expressions(panel) {
            assert_selects(title, expression);
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(text(&variables[0], "type"), "datasource");
    assert_eq!(text(&variables[0], "label"), "Data source");
    let names: Vec<&str> = variables.iter().map(|variable| text(variable, "name")).collect();
    assert_eq!(names, ["datasource", "cluster", "job", "instance", "namespace", "target", "replica", "page"]);
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        let name = text(variable, "name");
        assert_eq!(variable["refresh"], 2, "{name}: follows the time range");
        // Series may be without a cluster, and those of targets outside of Kubernetes without a namespace.
        let all = if ["cluster", "namespace"].contains(&name) { ".*" } else { ".+" };
        assert!(variable["multi"] == true && variable["includeAll"] == true && variable["allValue"] == all, "{name}");
        let query = text(&variable["query"], "query");
        assert!(text(variable, "definition") == query && query.starts_with("label_values(readscope_"), "{name}");
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap().iter().skip(1) {
        assert_selects(text(annotation, "name"), text(annotation, "expr"));
    }
}

/// Asserts that each selector is of the chosen readscopes, and of the chosen namespaces where the series have one.
#[track_caller]
fn assert_selects(title: &str, expression: &str) {
    let kinds = kinds();
    let mut selectors = 0;
    for (before, selector) in expression.split('{').zip(expression.split('{').skip(1)) {
        let name = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap();
        let family = family(name, &kinds);
        // Recorded series have the labels of what they are made from.
        let is_recorded = before.ends_with(&format!(":{name}"));
        let has_namespace =
            is_recorded || definitions().any(|metric| metric.name == family && metric.labels.contains(&"namespace"));
        let namespace = if has_namespace { "namespace=~\"$namespace\", " } else { "" };
        let start = format!("cluster=~\"$cluster\", {namespace}job=~\"$job\", instance=~\"$instance\"");
        assert!(selector.starts_with(&start), "{title}: {name} in {expression}");
        selectors += 1;
    }
    assert!(selectors > 0, "{title}: {expression}");
    // Series of two clusters may have the same labels otherwise.
    for operator in ["by (target", "by (namespace", "by (statefulset", "on (job", "on (target"] {
        assert!(!expression.contains(operator), "{title}: {operator} without the cluster in {expression}");
    }
}

#[test]
fn the_fleet_leads_to_the_detail_and_the_live_page_of_a_target() {
    let dashboard = dashboard();
    let fleet = &dashboard["panels"][1];
    assert_eq!((text(&dashboard["panels"][0], "title"), text(fleet, "title")), ("Fleet", "All targets"));
    assert!(expressions(fleet).all(|expression| !expression.contains("$target")), "all of them, whichever is chosen");
    let organize = &fleet["transformations"][1]["options"];
    let renamed: BTreeSet<&str> =
        organize["renameByName"].as_object().unwrap().values().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(renamed, BTreeSet::from(["verdict", "status", "clients", "failing", "lag"]));
    let columns: Vec<_> = fleet["fieldConfig"]["overrides"].as_array().unwrap().iter().collect();
    for column in &columns {
        let name = text(&column["matcher"], "options");
        assert!(name == "target" || renamed.contains(name), "{name}");
    }
    let links = columns[0]["properties"][0]["value"].as_array().unwrap();
    let urls: Vec<&str> = links.iter().map(|link| text(link, "url")).collect();
    let detail = format!("/d/{}?", text(&dashboard, "uid"));
    assert!(urls[0].starts_with(&detail) && urls[0].contains("&${__url_time_range}"), "{urls:?}");
    for variable in ["cluster", "namespace", "target"] {
        let chosen = format!("&var-{variable}=${{__data.fields.{variable}:percentencode}}");
        assert!(urls[0].contains(&chosen), "{chosen} is not in {urls:?}");
    }
    assert_eq!(urls[1], "${page}/#/target/${__data.fields.target:percentencode}");
    let titles: Vec<&str> = dashboard["links"].as_array().unwrap().iter().map(|link| text(link, "title")).collect();
    assert_eq!(titles, ["Runbook", "Live page"]);
}

#[test]
fn rates_are_of_counters_over_the_interval_of_grafana() {
    let (dashboard, kinds) = (dashboard(), kinds());
    for panel in panels(&dashboard) {
        for expression in expressions(panel) {
            assert_known(expression, &kinds);
            for window in expression.split('[').skip(1).map(|rest| rest.split(']').next().unwrap()) {
                // The panel "Replicas with reads" counts over five minutes.
                let is_described = text(panel, "description").contains("five minutes") && window == "5m";
                assert!(
                    is_described || ["$__rate_interval", "$__range", "$__range:$__rate_interval"].contains(&window),
                    "{expression}"
                );
            }
            let (recorded, others) = split_recorded(expression);
            let records = records();
            assert!(recorded.iter().all(|name| records.contains(*name)), "{recorded:?} in {expression}");
            for series in metrics_in(&others) {
                let counts = series.ends_with("_total") || series.ends_with("_bucket");
                // The increase of a rare event is empty, because its series begins with it.
                let rare = expression.contains("offset $__range") && expression.contains("[$__range]");
                let functions = if rare { &["max_over_time("][..] } else { &["rate(", "increase("] };
                let rated = functions.iter().any(|function| expression.contains(&format!("{function}{series}")));
                assert_eq!(counts, rated, "{series} in {expression}");
                assert!(!expression.contains("increase(") || !expression.contains("[$__range]"), "{expression}");
            }
        }
    }
}

#[test]
fn the_dashboard_can_be_provisioned_repeatedly() {
    let dashboard = dashboard();
    assert!(dashboard["id"].is_null() && dashboard["editable"] == false);
    assert!((1..=40).contains(&text(&dashboard, "uid").len()));
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    let ids: BTreeSet<_> =
        dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), dashboard["panels"].as_array().unwrap().len(), "ids differ");
    for annotation in dashboard["annotations"]["list"].as_array().unwrap().iter().skip(1) {
        assert_known(text(annotation, "expr"), &kinds());
    }
}

#[test]
fn every_alert_uses_existing_metrics() {
    let (all, kinds) = (rules(), kinds());
    assert!(alerts().len() >= 19, "{:?}", alerts().keys());
    let mut used = BTreeSet::new();
    for (group, rule) in &all {
        let expression = text(rule, "expr");
        assert_known(expression, &kinds);
        used.extend(split_recorded(expression).0.into_iter().map(str::to_owned));
        assert!(group.starts_with("readscope-"), "{group}");
    }
    assert_eq!(used, records(), "every recorded series is used");
}

/// The chart and the component alert-settings replace the first quoted texts.
#[test]
fn every_rule_starts_with_the_selector() {
    let of_readscope = ["ReadscopeDown", "ReadscopeWatchBroken", "ReadscopeConfigReloadFailed"];
    for (_, rule) in rules().into_iter().filter(|(group, _)| group != "readscope-objective") {
        let (selector, count) = match rule["alert"].as_str() {
            Some("ReadscopeDown") => ("{job=~\"readscope\"", 2),
            Some(alert) if of_readscope.contains(&alert) => ("{job=~\".+\"", 1),
            Some("ReadscopeReadsUnbalanced") => ("{job=~\".+\",namespace=~\".*\"", 2),
            _ => ("{job=~\".+\",namespace=~\".*\"", 1),
        };
        let expression = text(&rule, "expr");
        let first = expression.split('"').take(selector.split('"').count() - 1).collect::<Vec<_>>().join("\"") + "\"";
        assert!(first.ends_with(selector), "{rule}");
        assert_eq!(
            (expression.matches(selector).count(), expression.matches("job=~").count()),
            (count, count),
            "{rule}"
        );
    }
}

/// An alert that asks over a longer time, or holds on, ends late.
#[test]
fn an_alert_ends_within_two_minutes_of_its_cause() {
    // Zero over a quarter of an hour ends with the first read; the slow alert has a test of its end.
    let ends_otherwise = ["ReadscopeReplicaNotReceivingReads", "ReadscopeReadsFailingSlowly"];
    for (group, rule) in rules() {
        let interval = yaml("deploy/alerts/readscope.rules.yaml");
        let interval =
            interval["groups"].as_array().unwrap().iter().find(|each| each["name"] == *group).unwrap()["interval"]
                .clone();
        assert!(interval == "15s" || group == "readscope-recording-long", "{group}: {interval}");
        assert!(rule["keep_firing_for"].is_null(), "{rule}");
        if rule["alert"].is_string() && !ends_otherwise.contains(&text(&rule, "alert")) {
            let windows = text(&rule, "expr").split('[').skip(1).map(|rest| rest.split(']').next().unwrap());
            assert!(windows.into_iter().all(|window| window == "90s"), "{rule}");
        }
    }
}

#[test]
fn every_alert_has_a_section_in_the_runbook_and_tests() {
    let runbook = read("docs/runbook.md");
    let sections: BTreeMap<&str, &str> =
        runbook.split("\n## ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    let (alerts, expected) = (alerts(), expected_alerts());
    assert_eq!(alerts.keys().map(String::as_str).collect::<BTreeSet<_>>(), sections.keys().copied().collect());
    for (name, rule) in &alerts {
        let link = text(&rule["annotations"], "runbook_url");
        assert!(link.ends_with(&format!("docs/runbook.md#{}", name.to_lowercase())), "{name}: {link}");
        for part in ["**Meaning.**", "**Impact.**", "**Diagnosis.**", "**Remedy.**"] {
            assert!(sections[name.as_str()].contains(part), "{name}: {part}");
        }
        let (silent, firing): (Vec<_>, Vec<_>) = expected[name].iter().partition(|alerts| alerts.is_empty());
        assert!(!silent.is_empty() && !firing.is_empty(), "{name}: is tested firing and silent");
    }
}
