//! How long until a false alarm, as a multiple of the period, in situations that the promise covers.

use readscope::model::evidence::Detector;

use crate::{
    delay::rules,
    random::Random,
    reads::{Law, Mean},
};

/// Reads that no alarm is to be about.
pub(crate) struct Situation {
    pub(crate) name: &'static str,
    pub(crate) weights: Vec<f64>,
    tolerance: f64,
    laws: Vec<Law>,
    /// Which law answers in this second.
    law: fn(second: usize) -> usize,
    /// What changes before the answer of this second.
    change: fn(&mut Detector, second: usize),
}

impl Situation {
    /// One law all the time.
    fn steady(name: &'static str, weights: &[f64], chances: &[f64], tolerance: f64) -> Self {
        let laws = vec![Law::of(chances)];
        Self { name, weights: weights.to_vec(), tolerance, laws, law: |_| 0, change: |_, _| {} }
    }

    fn even(name: &'static str, replicas: usize) -> Self {
        Self::steady(name, &vec![1.0; replicas], &vec![1.0; replicas], 0.0)
    }

    /// One of three endpoints is none for 10 s of every 30.
    pub(crate) fn flapping() -> Self {
        Self {
            laws: vec![Law::even(3), Law::even(2)],
            law: |second| usize::from(second % 30 >= 20),
            change: |detector, second| match second % 30 {
                20 => detector.change(&[1.0; 2], &[Some(0), Some(1)]),
                0 if second > 0 => detector.change(&[1.0; 3], &[Some(0), Some(1), None]),
                _ => {}
            },
            ..Self::even("3 replicas, one endpoint flaps", 3)
        }
    }

    /// A fourth replica joins after half a minute, and a first one leaves after another.
    pub(crate) fn joining() -> Self {
        Self {
            laws: vec![Law::even(3), Law::even(4)],
            law: |second| usize::from(second % 60 >= 30),
            change: |detector, second| match second % 60 {
                30 => detector.change(&[1.0; 4], &[Some(0), Some(1), Some(2), None]),
                0 if second > 0 => detector.change(&[1.0; 3], &[Some(1), Some(2), Some(3)]),
                _ => {}
            },
            ..Self::even("3 replicas, one joins and one leaves in turn", 3)
        }
    }

    /// The evidence when `done` says so of it and the seconds that have passed, and those seconds.
    pub(crate) fn play(
        &self,
        period: f64,
        random: &mut Random,
        done: impl Fn(&Detector, f64) -> bool,
    ) -> (Detector, f64) {
        let mut detector = Detector::new(rules(period, self.tolerance), &self.weights);
        let mut passed = 0.0;
        for second in 0.. {
            (self.change)(&mut detector, second);
            detector.observe(self.laws[(self.law)(second)].draw(random), 1.0);
            passed += 1.0;
            if done(&detector, passed) {
                break;
            }
        }
        (detector, passed)
    }

    /// How long until a false alarm, as a multiple of the period; what takes longer than `most` counts as that.
    pub(crate) fn length(&self, period: f64, most: f64, runs: usize, random: &mut Random) -> Mean {
        let done = |detector: &Detector, passed: f64| detector.alarm() || passed >= most * period;
        Mean::of(&(0..runs).map(|_| self.play(period, random, done).1 / period).collect::<Vec<_>>())
    }
}

pub(crate) fn situations() -> Vec<Situation> {
    let even = [1.0; 3];
    let steady = Situation::steady;
    vec![
        Situation::even("2 replicas", 2),
        Situation::even("3 replicas", 3),
        Situation::even("10 replicas", 10),
        Situation::even("50 replicas", 50),
        steady("weights 5:2:1", &[5.0, 2.0, 1.0], &[5.0, 2.0, 1.0], 0.0),
        steady("the edge of 2 %: one above", &even, &[1.02, 0.99, 0.99], 0.02),
        steady("the edge of 2 %: one above, one below", &even, &[1.02, 0.98, 1.0], 0.02),
        steady("the edge of 5 %: one below", &even, &[0.95, 1.025, 1.025], 0.05),
        // Half of the probes that may fail, all of them of one replica.
        steady("failures below the tolerance", &even, &[0.9704, 1.0, 1.0], 0.02),
        Situation {
            laws: vec![Law::of(&[1.05, 0.95, 1.0]), Law::of(&[0.95, 1.05, 1.0])],
            law: |second| second / 100 % 2,
            ..steady("shares that swing by 5 %", &even, &even, 0.05)
        },
        Situation::flapping(),
        Situation::joining(),
    ]
}
