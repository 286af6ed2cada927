//! The delays as a table of `docs/verdict.md`, and as its picture.

use std::{fmt::Write as _, thread};

use crate::{
    delay::{of_detector, of_oracle},
    random::Random,
    reads::{Law, Mean},
};

/// An imbalance that people meet, and how soon the specification's reference implementation alarms, in answers.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) weights: Vec<f64>,
    pub(crate) reference: f64,
}

pub(crate) struct Row {
    pub(crate) case: Case,
    pub(crate) mean: Mean,
    /// 19 of 20 alarms come within so many answers.
    pub(crate) late: f64,
    pub(crate) oracle: Mean,
}

/// `replicas` of weight 1 but for those named first.
fn but(first: &[f64], replicas: usize) -> Vec<f64> {
    let mut weights = vec![1.0; replicas];
    weights[..first.len()].copy_from_slice(first);
    weights
}

pub(crate) fn cases() -> Vec<Case> {
    let case = |name, weights, reference| Case { name, weights, reference };
    vec![
        case("3 replicas, all reads to one", but(&[0.0, 0.0], 3), 21.0),
        case("3 replicas, one gets none", but(&[0.0], 3), 49.0),
        case("6 replicas, two get none", but(&[0.0, 0.0], 6), 69.0),
        case("4 replicas, 4:3:2:1", vec![4.0, 3.0, 2.0, 1.0], 189.0),
        case("3 replicas, 2:1:1", but(&[2.0], 3), 287.0),
        case("10 replicas, one gets double", but(&[2.0], 10), 594.0),
        case("2 replicas, 60:40", vec![6.0, 4.0], 831.0),
        case("3 replicas, 1.5:1:1", but(&[1.5], 3), 891.0),
        case("50 replicas, one gets none", but(&[0.0], 50), 963.0),
        case("10 replicas, half get 1.5 times", but(&[1.5; 5], 10), 1286.0),
        case("3 replicas, 1.2:1:1", but(&[1.2], 3), 5133.0),
    ]
}

/// Every case, at the default tolerance of 2 %. Each has random numbers of its own, so the cases are simulated in parallel.
pub(crate) fn rows(runs: impl Fn(&Case) -> usize + Sync) -> Vec<Row> {
    let row = |case: Case| {
        let mut random = Random::seeded(2026);
        let (law, runs) = (Law::of(&case.weights), runs(&case));
        let mut delays = of_detector(&law, 0.02, runs, &mut random);
        delays.sort_by(f64::total_cmp);
        let late = delays[runs * 19 / 20];
        Row { mean: Mean::of(&delays), late, oracle: of_oracle(&law, runs, &mut random), case }
    };
    thread::scope(|scope| {
        let rows: Vec<_> = cases().into_iter().map(|case| scope.spawn(|| row(case))).collect();
        rows.into_iter().map(|row| row.join().unwrap()).collect()
    })
}

/// The rows as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut page =
        "| imbalance | reads to the alarm: mean (19 of 20 within) | the least possible | at 1 a second | at \
                    10 a second |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for Row { case, mean, late, oracle } in rows {
        let answers = mean.value;
        let name = case.name;
        let (one, ten) = (time(answers), time(answers / 10.0));
        writeln!(page, "| {name} | {answers:.0} ({late:.0}) | {:.0} | {one} | {ten} |", oracle.value).unwrap();
    }
    page
}

fn time(seconds: f64) -> String {
    match seconds {
        long if long >= 7200.0 => format!("{:.1} h", long / 3600.0),
        middle if middle >= 120.0 => format!("{:.0} min", middle / 60.0),
        short => format!("{short:.0} s"),
    }
}
