//! What the detector promises about false alarms, and that it is not slower than the table says.

use readscope::model::evidence::Detector;

use crate::{
    delay::{of_detector, rules},
    length::{Situation, situations},
    random::Random,
    reads::{Law, Mean},
    table::cases,
};

/// The evidence less the time that has passed, at a fixed time or at the alarm: without a tolerance its mean is 0,
/// whatever the shares. No run length shows a wrong factor as sharply.
fn excess(weights: &[f64], random: &mut Random) -> Mean {
    let law = Law::of(weights);
    let one = |random: &mut Random| {
        let mut detector = Detector::new(rules(100.0, 0.0), weights);
        let mut passed = 0.0;
        for _ in 0..60 {
            detector.observe(law.draw(random), 1.0);
            passed += 1.0;
            if detector.alarm() {
                break;
            }
        }
        detector.evidence_seconds() - passed
    };
    Mean::of(&(0..2000).map(|_| one(random)).collect::<Vec<_>>())
}

#[test]
fn without_a_tolerance_evidence_grows_by_the_time_that_passes() {
    let mut random = Random::seeded(1);
    for weights in [&[1.0; 2][..], &[1.0; 3], &[1.0; 10], &[5.0, 2.0, 1.0]] {
        let excess = excess(weights, &mut random);
        assert!(excess.value.abs() <= 3.0 * excess.error, "{weights:?}: {excess:?}");
    }
}

#[test]
fn endpoints_that_come_and_go_bring_no_evidence() {
    let mut random = Random::seeded(2);
    for situation in [Situation::flapping(), Situation::joining()] {
        let done = |detector: &Detector, passed: f64| detector.alarm() || passed >= 300.0;
        let one = |_| {
            let (detector, passed) = situation.play(1000.0, &mut random, done);
            detector.evidence_seconds() - passed
        };
        let excess = Mean::of(&(0..800).map(one).collect::<Vec<_>>());
        assert!(excess.value <= 3.0 * excess.error, "{}: {excess:?}", situation.name);
    }
}

#[test]
fn false_alarms_are_a_period_apart_on_average() {
    let mut random = Random::seeded(3);
    for situation in situations() {
        let runs = if situation.weights.len() > 10 { 50 } else { 150 };
        let length = situation.length(500.0, 5.0, runs, &mut random);
        assert!(length.value + 3.0 * length.error >= 1.0, "{}: {length:?}", situation.name);
    }
}

#[test]
fn delays_are_those_of_the_table() {
    let mut random = Random::seeded(4);
    for case in cases().into_iter().filter(|case| case.reference < 300.0) {
        let runs = if case.reference < 100.0 { 60 } else { 200 };
        let delay = Mean::of(&of_detector(&Law::of(&case.weights), 0.02, runs, &mut random));
        // The simulation's own error is added to what is allowed.
        let most = case.reference * 1.05 + 3.0 * delay.error;
        assert!(delay.value <= most, "{}: {delay:?}, at most {most}", case.name);
    }
}

#[test]
fn a_dead_replica_is_found_although_another_one_flaps() {
    let mut random = Random::seeded(5);
    let mut answers = Vec::new();
    for _ in 0..20 {
        let mut detector = Detector::new(rules(30.0 * 86_400.0, 0.02), &[1.0; 3]);
        let laws = [Law::of(&[1.0, 1.0, 0.0]), Law::of(&[1.0, 0.0])];
        let found = (0..3000).find(|second| {
            match second % 30 {
                20 => detector.change(&[1.0; 2], &[Some(0), Some(2)]),
                0 if *second > 0 => detector.change(&[1.0; 3], &[Some(0), None, Some(1)]),
                _ => {}
            }
            detector.observe(laws[usize::from(second % 30 >= 20)].draw(&mut random), 1.0);
            detector.alarm()
        });
        answers.push(f64::from(found.expect("it is found")) + 1.0);
    }
    let mean = Mean::of(&answers);
    assert!(mean.value < 2.0 * 49.0, "{mean:?}");
}
