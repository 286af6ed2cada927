//! How many answers it takes from the beginning of an imbalance to the alarm: the detector's, and the least possible.

use readscope::model::evidence::{Detector, DetectorRules};

use crate::{
    random::Random,
    reads::{Law, Mean},
};

/// Thirty days at ten answers a second, in answers.
pub(crate) const PERIOD: f64 = 2.592e7;

/// Answers before reads become unbalanced.
const HEALTHY: usize = 2000;

/// One answer a second.
pub(crate) fn rules(threshold: f64, tolerance: f64) -> DetectorRules {
    DetectorRules { threshold_seconds: threshold, tolerance, ..DetectorRules::default() }
}

/// The detector's delays, each from a fresh start and [`HEALTHY`] even answers.
pub(crate) fn of_detector(unbalanced: &Law, tolerance: f64, runs: usize, random: &mut Random) -> Vec<f64> {
    let replicas = unbalanced.chances.len();
    let even = Law::even(replicas);
    let one = |random: &mut Random| {
        let mut detector = Detector::new(rules(PERIOD, tolerance), &vec![1.0; replicas]);
        for _ in 0..HEALTHY {
            detector.observe(even.draw(random), 1.0);
        }
        let mut answers = 0.0;
        while !detector.alarm() {
            detector.observe(unbalanced.draw(random), 1.0);
            answers += 1.0;
        }
        answers
    };
    (0..runs).map(|_| one(random)).collect()
}

/// The delay of Page's CUSUM that knows the unbalanced law beforehand, with the same time between false alarms: no test
/// can be much quicker (Lorden, 1971; Moustakides, 1986).
///
/// The CUSUM is a row of sequential tests that begin at 0. With p the chance that one of them ends at the threshold h
/// while reads are even, false alarms are (the mean length of a test) / p apart. p is tiny, and is found under the
/// unbalanced law instead, as the mean of exp(-S) over the tests that end at h; it falls with exp(-h).
pub(crate) fn of_oracle(unbalanced: &Law, runs: usize, random: &mut Random) -> Mean {
    let even = Law::even(unbalanced.chances.len());
    let ratio = |x: usize| (unbalanced.chances[x] / even.chances[x]).ln();
    let sprt = |law: &Law, threshold: f64, random: &mut Random| {
        let (mut sum, mut length) = (0.0, 0.0);
        loop {
            sum += ratio(law.draw(random));
            length += 1.0;
            if sum <= 0.0 || sum >= threshold {
                return (sum, length);
            }
        }
    };
    let near = PERIOD.ln();
    let tests: Vec<f64> = (0..runs * 20)
        .map(|_| {
            let (sum, _) = sprt(unbalanced, near, random);
            if sum >= near { (-(sum - near)).exp() } else { 0.0 }
        })
        .collect();
    let lengths: Vec<f64> = (0..runs * 20).map(|_| sprt(&even, near, random).1).collect();
    // exp(-h) times the mean of the tests is the mean length over the period.
    let threshold = (PERIOD * Mean::of(&tests).value / Mean::of(&lengths).value).ln();
    let delay = |random: &mut Random| {
        let (mut sum, mut answers) = (0.0_f64, 0.0);
        while sum < threshold {
            sum = sum.max(0.0) + ratio(unbalanced.draw(random));
            answers += 1.0;
        }
        answers
    };
    Mean::of(&(0..runs).map(|_| delay(random)).collect::<Vec<_>>())
}
