//! The verdict's mathematics against vectors of an independent implementation. `READSCOPE_GOLDEN` names another file.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its vectors has failed")]

use std::{fs, path::Path};

use readscope::model::{
    dirichlet_ln_evidence,
    evidence::{
        Detector, DetectorRules, GRID_PART, INTERVAL_ALPHA, Indices, ODDS, ShareStats, WINDOWS, share_interval,
    },
};
use serde_json::Value;

/// Another file of the same form.
const VARIABLE: &str = "READSCOPE_GOLDEN";

/// A checkpoint has the intervals of so many replicas.
const INTERVALS_MAX: usize = 10;

fn vectors() -> Value {
    let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/imbalance.json");
    let file = std::env::var_os(VARIABLE).map_or_else(usual, Into::into);
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is no number in {value}"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// An unknown key would be left out of the comparison.
#[track_caller]
fn assert_keys(value: &Value, known: &[&str]) {
    let unknown: Vec<_> = value.as_object().unwrap().keys().filter(|key| !known.contains(&key.as_str())).collect();
    assert!(unknown.is_empty(), "what are {unknown:?} in {value}?");
}

fn indices_of(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|number| usize::try_from(number.as_u64().unwrap()).unwrap()).collect()
}

/// Absolute on values of order 1, relative above.
#[track_caller]
fn assert_near(found: f64, wanted: &Value, within: f64, what: &str) {
    let wanted = wanted.as_f64().unwrap_or(f64::NEG_INFINITY);
    let near = found.total_cmp(&wanted).is_eq() || (found - wanted).abs() <= within * wanted.abs().max(1.0);
    assert!(near, "{what}: {found}, not {wanted}");
}

struct Case<'a> {
    value: &'a Value,
    tolerances: &'a Value,
    detector: Detector,
    tally: ShareStats,
    recent: Recent,
}

/// Reads of each replica, with half the weight after a half-life: the vectors have the indices of these.
struct Recent {
    reads: Vec<f64>,
    /// Sum of the squared weights of single reads.
    squares: f64,
}

impl Recent {
    fn of(replicas: usize) -> Self {
        Self { reads: vec![0.0; replicas], squares: 0.0 }
    }

    /// `age` is the time since the previous read, in half-lives.
    fn observe(&mut self, x: usize, age: f64) {
        let decay = (-age).exp2();
        self.reads.iter_mut().for_each(|reads| *reads *= decay);
        self.reads[x] += 1.0;
        self.squares = self.squares * decay * decay + 1.0;
    }
}

impl<'a> Case<'a> {
    fn new(case: &'a Value, file: &'a Value) -> Self {
        let params = &case["params"];
        assert_keys(
            params,
            &["target_s", "tolerance", "clear_ratio", "cap_ratio", "half_life_s", "dt_max_s", "missing_eps"],
        );
        let rules = DetectorRules {
            threshold_seconds: number(params, "target_s"),
            tolerance: number(params, "tolerance"),
            clear_ratio: number(params, "clear_ratio"),
            cap_ratio: number(params, "cap_ratio"),
            gap_seconds_max: number(params, "dt_max_s"),
        };
        assert_near(1e-9, &params["missing_eps"], 1e-24, "missing_eps");
        let weights = numbers(&case["weights"]);
        Self {
            value: case,
            tolerances: &file["tolerances"],
            detector: Detector::new(rules, &weights),
            tally: ShareStats::new(&weights),
            recent: Recent::of(weights.len()),
        }
    }

    /// Plays the case, and returns how many checkpoints held.
    fn play(mut self) -> usize {
        let (dt, name) = (&self.value["dt"], self.value["name"].as_str().unwrap());
        let (gap_max, half_life) =
            (self.detector.rules().gap_seconds_max, number(&self.value["params"], "half_life_s"));
        let (checkpoints, events) =
            (self.value["checkpoints"].as_array().unwrap(), self.value["events"].as_array().unwrap());
        let (mut checked, mut changed) = (0, self.change(events, 0));
        let mut first_alarm = None;
        for (index, x) in indices_of(&self.value["x"]).into_iter().enumerate() {
            let seconds = match dt.as_array() {
                Some(list) => list[index].as_f64().unwrap(),
                None => number(dt, if index == 0 { "first" } else { "rest" }),
            };
            let alarm = self.detector.alarm();
            self.detector.observe(x, seconds);
            self.tally.observe(x);
            self.recent.observe(x, seconds.clamp(0.0, gap_max) / half_life);
            if self.detector.alarm() != alarm {
                // The counts begin again, the silences continue.
                let stay: Vec<_> = (0..self.detector.shares().len()).map(Some).collect();
                self.tally.change(self.detector.shares(), &stay);
            }
            let n = index + 1;
            if self.detector.alarm() && first_alarm.is_none() {
                first_alarm = Some(n as u64);
            }
            for checkpoint in checkpoints.iter().filter(|checkpoint| checkpoint["n"] == n) {
                self.check(checkpoint, &format!("{name} at {n}"));
                checked += 1;
            }
            changed += self.change(events, n);
        }
        assert_eq!((checked, changed), (checkpoints.len(), events.len()), "{name}");
        assert_eq!(first_alarm, self.value["first_alarm"].as_u64(), "{name}");
        checked
    }

    /// Sets other weights after so many answers, and returns how often.
    fn change(&mut self, events: &[Value], after: usize) -> usize {
        let mut changed = 0;
        for event in events.iter().filter(|event| event["after"] == after) {
            assert_keys(event, &["after", "weights"]);
            let weights = numbers(&event["weights"]);
            self.detector.restart(&weights);
            self.tally.change(&weights, &vec![None; weights.len()]);
            self.recent = Recent::of(weights.len());
            changed += 1;
        }
        changed
    }

    fn check(&self, wanted: &Value, place: &str) {
        let within = |name| number(self.tolerances, name);
        let ln_m = self.detector.evidence_seconds().ln();
        assert_near(ln_m, &wanted["ln_m"], within("ln_m"), &format!("{place}: ln_m"));
        let index = ln_m - self.detector.rules().threshold_seconds.ln();
        assert_near(index, &wanted["alarm_index"], within("ln_m"), &format!("{place}: alarm_index"));
        assert_eq!(Some(self.detector.alarm()), wanted["alarm"].as_bool(), "{place}");
        assert_eq!(Some(self.detector.alarms()), wanted["alarms"].as_u64(), "{place}");
        if let Some(culprit) = wanted["culprit"].as_object() {
            let found = self.detector.culprit().unwrap();
            assert_eq!(Some(found.index as u64), culprit["replica"].as_u64(), "{place}: culprit");
            assert_near(found.odds, &culprit["theta"], 1e-12, &format!("{place}: theta"));
            assert_near(found.part, &culprit["evidence_share"], within("ln_m"), &format!("{place}: evidence_share"));
        }
        self.check_indices(wanted, within("indices"), place);
        let since: Vec<u64> = wanted["since"].as_array().unwrap().iter().map(|since| since.as_u64().unwrap()).collect();
        assert_eq!(self.tally.since(), since, "{place}");
        let intervals = wanted["intervals"].as_array().unwrap();
        assert_eq!(intervals.len(), since.len().min(INTERVALS_MAX), "{place}: intervals");
        for (replica, interval) in intervals.iter().enumerate() {
            let found = self.tally.interval(replica);
            assert_near(found.lower, &interval[0], within("intervals"), &format!("{place}: lower of {replica}"));
            assert_near(found.upper, &interval[1], within("intervals"), &format!("{place}: upper of {replica}"));
        }
    }

    fn check_indices(&self, wanted: &Value, within: f64, place: &str) {
        let wanted = &wanted["indices"];
        let sum: f64 = self.recent.reads.iter().sum();
        let parts: Vec<f64> = self.recent.reads.iter().map(|reads| reads / sum).collect();
        let reads = sum * sum / self.recent.squares;
        let Some(found) = Indices::new(self.detector.shares(), &parts, reads, self.tally.missing()) else {
            assert!(wanted.is_null(), "{place}: no indices");
            return;
        };
        let of = |name: &str, found: f64| assert_near(found, &wanted[name], within, &format!("{place}: {name}"));
        of("n_eff", reads);
        of("tvd", found.misrouted);
        of("tvd_noise", found.misrouted_noise);
        of("max_ratio", found.ratio_max);
        of("effective_replicas", found.effective_replicas);
        of("dispersion", found.dispersion);
        assert_eq!(Some(found.missing as u64), wanted["missing"].as_u64(), "{place}: missing");
    }
}

#[test]
fn golden_constants_are_those_of_the_code() {
    let file = vectors();
    assert_eq!(file["format"], 1);
    assert_eq!((numbers(&file["windows"]), number(&file, "grid_weight")), (WINDOWS.to_vec(), GRID_PART));
    assert_near(INTERVAL_ALPHA, &file["interval_alpha"], 1e-12, "interval_alpha");
    let odds = file["thetas"].as_array().unwrap();
    assert_eq!(odds.len(), ODDS.len());
    for (found, wanted) in ODDS.into_iter().zip(odds) {
        assert_near(found, wanted, 1e-12, "thetas");
    }
}

#[test]
fn golden_cases_of_the_detector() {
    let file = vectors();
    let checked: usize = file["cases"].as_array().unwrap().iter().map(|case| Case::new(case, &file).play()).sum();
    assert!(checked > 0, "the file has no checkpoints");
}

#[test]
fn golden_evidence_of_bounded_runs() {
    let file = vectors();
    let runs = file["dirichlet_multinomial"].as_array().unwrap();
    assert!(!runs.is_empty());
    for run in runs {
        let counts: Vec<u64> = run["counts"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect();
        let found = dirichlet_ln_evidence(&numbers(&run["weights"]), &counts);
        assert_near(found, &run["ln_e"], number(&file["tolerances"], "ln_e"), &run.to_string());
    }
}

#[test]
fn golden_intervals_of_shares() {
    let file = vectors();
    let intervals = file["beta_intervals"].as_array().unwrap();
    assert!(!intervals.is_empty());
    for wanted in intervals {
        let (hits, answers) = (wanted["s"].as_u64().unwrap(), wanted["n"].as_u64().unwrap());
        let found = share_interval(hits, answers, number(wanted, "alpha"));
        let within = number(&file["tolerances"], "intervals");
        assert_near(found.lower, &wanted["lo"], within, &wanted.to_string());
        assert_near(found.upper, &wanted["hi"], within, &wanted.to_string());
    }
}
