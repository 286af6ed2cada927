//! The table of `docs/verdict.md` with many runs, held against the reference implementation's figures, how far apart false
//! alarms are, and what one answer costs. It asserts nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that cannot go on has failed, and prints")]

#[path = "../../tests/simulation/delay.rs"]
mod delay;
#[allow(dead_code, reason = "it uses its own part of it")]
#[path = "../../tests/simulation/length.rs"]
mod length;
#[allow(dead_code, reason = "it uses its own part of it")]
#[path = "../../tests/support/random.rs"]
mod random;
#[path = "../../tests/simulation/reads.rs"]
mod reads;
#[path = "../../tests/simulation/table.rs"]
mod table;

use std::time::Instant;

use readscope::model::evidence::Detector;

use crate::{random::Random, reads::Law};

fn main() {
    // Of false alarms, in seconds.
    const PERIOD: f64 = 1e4;
    let rows = table::rows(|case| if case.weights.len() > 10 || case.reference > 4000.0 { 300 } else { 1000 });
    println!("{}", table::markdown(&rows));
    for row in &rows {
        let (name, mean, reference) = (row.case.name, row.mean, row.case.reference);
        let (ratio, least) = (mean.value / reference, mean.value / row.oracle.value);
        println!(
            "{name}: {:.1} +- {:.1}, {ratio:.3} of the reference, {least:.2} of the least",
            mean.value, mean.error
        );
    }
    for situation in length::situations() {
        let length = situation.length(PERIOD, 30.0, 200, &mut Random::seeded(2026));
        println!("{}: a false alarm after {:.2} +- {:.2} periods", situation.name, length.value, length.error);
    }
    for replicas in [3, 10, 50] {
        println!("{replicas} replicas: {:.0} ns an answer", nanoseconds(replicas));
    }
}

/// The best of several rounds: what else runs on the machine only ever adds.
fn nanoseconds(replicas: usize) -> f64 {
    const ANSWERS: u32 = 100_000;
    let (law, mut random) = (Law::even(replicas), Random::seeded(1));
    let answers: Vec<usize> = (0..ANSWERS).map(|_| law.draw(&mut random)).collect();
    let mut detector = Detector::new(delay::rules(delay::PERIOD, 0.02), &vec![1.0; replicas]);
    let round = |_| {
        let began = Instant::now();
        for x in &answers {
            detector.observe(*x, 0.1);
        }
        began.elapsed().as_secs_f64() / f64::from(ANSWERS) * 1e9
    };
    (0..10).map(round).fold(f64::INFINITY, f64::min)
}
