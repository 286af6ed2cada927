//! Property tests: on any input, detector and counts do not panic, alarm without cause, or return NaN.

use proptest::prelude::*;

use super::{Detector, DetectorRules, ShareStats, Suspect, share_interval};

fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.1..10.0_f64,
        1 => prop::sample::select(vec![0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e-310, 1e308, f64::MAX]),
    ]
}

fn weights() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(weight(), 0..12)
}

fn seconds() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => 0.0..5.0_f64,
        1 => prop::sample::select(vec![-1.0, -1e300, 1e300, f64::NAN, f64::INFINITY, 86_400.0 * 9.0]),
    ]
}

/// A read, or a change of the replicas that keeps or drops the former ones.
#[derive(Clone, Debug)]
enum Step {
    Answer(usize, f64),
    Change(Vec<f64>),
    Restart(Vec<f64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..14_usize, seconds()).prop_map(|(x, seconds)| Step::Answer(x, seconds)),
        1 => weights().prop_map(Step::Change),
        1 => weights().prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 0..400)
}

fn assert_sound(detector: &Detector, tally: &ShareStats) -> Result<(), TestCaseError> {
    let rules = detector.rules();
    let evidence = detector.evidence_seconds();
    prop_assert!(evidence >= 0.0 && evidence <= rules.threshold_seconds * rules.cap_ratio, "{evidence}");
    for Suspect { odds, part, .. } in detector.culprits() {
        prop_assert!((0.0..=16.0).contains(&odds) && (0.0..=1.0 + 1e-9).contains(&part), "{odds} {part}");
    }
    for index in 0..detector.shares().len() {
        let interval = tally.interval(index);
        prop_assert!(0.0 <= interval.lower && interval.lower <= interval.upper && interval.upper <= 1.0);
    }
    if let Some(indices) = tally.indices() {
        let numbers = [indices.misrouted, indices.misrouted_noise, indices.effective_replicas, indices.dispersion];
        for number in numbers.into_iter().chain([indices.ratio_max]) {
            prop_assert!(number.is_finite() && number >= 0.0, "{number}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_input_gives_numbers(first in weights(), tolerance in 0.0..0.9_f64, steps in steps()) {
        let rules = DetectorRules { tolerance, ..DetectorRules::default() };
        let (mut detector, mut tally) = (Detector::new(rules, &first), ShareStats::new(&first));
        let mut replicas = first.len();
        for step in steps {
            match step {
                Step::Answer(x, seconds) => {
                    detector.observe(x, seconds);
                    tally.observe(x);
                }
                Step::Change(weights) => {
                    let before: Vec<_> = (0..weights.len()).map(|index| (index < replicas).then_some(index)).collect();
                    detector.change(&weights, &before);
                    tally.change(&weights, &before);
                    replicas = weights.len();
                }
                Step::Restart(weights) => {
                    detector.restart(&weights);
                    tally.change(&weights, &vec![None; weights.len()]);
                    replicas = weights.len();
                }
            }
            assert_sound(&detector, &tally)?;
        }
    }

    #[test]
    fn fewer_than_two_comparable_replicas_never_alarm(
        spoilt in prop::collection::vec(prop::sample::select(vec![0.0, -2.0, f64::NAN, f64::NEG_INFINITY]), 0..4),
        at in 0..5_usize,
        reads in prop::collection::vec((0..6_usize, seconds()), 0..300),
    ) {
        let mut weights = spoilt;
        weights.insert(at.min(weights.len()), 1.0);
        let mut detector = Detector::new(DetectorRules::default(), &weights);
        for (x, seconds) in reads {
            detector.observe(x, seconds);
        }
        prop_assert_eq!((detector.evidence_seconds(), detector.alarms()), (0.0, 0));
    }

    #[test]
    fn turns_never_alarm(replicas in 2..20_usize, seconds in 0.001..60.0_f64) {
        let mut detector = Detector::new(DetectorRules { tolerance: 0.0, ..DetectorRules::default() }, &vec![1.0; replicas]);
        for n in 0..2000 {
            detector.observe(n % replicas, seconds);
        }
        prop_assert_eq!(detector.alarms(), 0);
        prop_assert!(detector.evidence_seconds() < 500.0 * seconds, "{}", detector.evidence_seconds());
    }

    #[test]
    fn time_without_progress_brings_no_evidence(x in prop::collection::vec(0..3_usize, 0..300)) {
        let mut detector = Detector::new(DetectorRules::default(), &[1.0; 3]);
        for x in x {
            detector.observe(x, -1.0);
            detector.observe(x, 0.0);
        }
        prop_assert_eq!(detector.evidence_seconds(), 0.0);
    }

    #[test]
    fn intervals_hold_their_share(hits in any::<u64>(), more in any::<u64>(), alpha in 1e-9..0.5_f64) {
        let reads = hits.saturating_add(more);
        let interval = share_interval(hits, reads, alpha);
        #[expect(clippy::cast_precision_loss, reason = "an approximate share is enough")]
        let share = if reads == 0 { 0.5 } else { hits as f64 / reads as f64 };
        prop_assert!(interval.lower <= share && share <= interval.upper, "{interval:?} {share}");
    }
}

#[test]
fn a_replica_without_reads_alarms_as_dead() {
    for (weights, within) in [(&[1.0, 1.0, 1.0][..], 70), (&[5.0, 2.0, 1.0], 200)] {
        let mut detector = Detector::new(DetectorRules::default(), weights);
        let silent = weights.len() - 1;
        let mut random = Turns::new(&weights[..silent]);
        let reads = (1..1000).find(|_| {
            detector.observe(random.next(), 1.0);
            detector.alarm()
        });
        assert!(reads.is_some_and(|reads| reads < within), "{reads:?}");
        let culprits = detector.culprits();
        assert_eq!((culprits.len(), culprits[0].index, culprits[0].odds), (1, silent, 0.0), "{culprits:?}");
    }
}

#[test]
fn remaining_replicas_keep_their_capital() {
    let mut detector = Detector::new(DetectorRules::default(), &[1.0; 3]);
    (0..30).for_each(|n| detector.observe(n % 2, 1.0));
    let before = detector.evidence_seconds();
    detector.change(&[1.0; 4], &[Some(0), Some(1), Some(2), None]);
    let kept = detector.evidence_seconds();
    assert!(kept > before * 0.3 && kept <= before, "{before} {kept}");
    assert_eq!(detector.culprit().unwrap().index, 2);
    detector.change(&[1.0; 3], &[Some(0), Some(1), Some(3)]);
    assert!(detector.evidence_seconds() < before * 0.01, "the leaver's is dropped");
    detector.restart(&[1.0; 3]);
    assert_eq!(detector.evidence_seconds(), 0.0);
}

/// Takes turns by weight: the replica furthest behind is next.
struct Turns {
    weights: Vec<f64>,
    given: Vec<f64>,
}

impl Turns {
    fn new(weights: &[f64]) -> Self {
        Self { weights: weights.to_vec(), given: vec![0.0; weights.len()] }
    }

    fn next(&mut self) -> usize {
        let behind = |index: &usize| (self.given[*index] + 0.5) / self.weights[*index];
        let next = (0..self.given.len()).min_by(|a, b| behind(a).total_cmp(&behind(b))).unwrap();
        self.given[next] += 1.0;
        next
    }
}
