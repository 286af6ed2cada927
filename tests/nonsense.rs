//! Property tests: after any results of probes, in any order, every view shows finite numbers.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use proptest::{
    collection::{hash_map, vec},
    option,
    prelude::*,
    sample::select,
};
use readscope::{
    api::Targets,
    model::{
        Answer, CheckRules, Event, Expectation, Expected, Failure, FailureReason, Identity, Moment, Probe,
        ProbeIntervals, Snapshot, State, TargetId, TargetSpec, Timings, VerdictRules,
    },
    view::metrics::Exposition,
};

const TARGET: TargetId = TargetId(1);

/// Usual, longest and strange host names.
fn name() -> impl Strategy<Value = String> {
    let strange = ["", "other", "a\"b\\c\nd", "server-1", "\u{202e}\u{0}", "名前"].map(str::to_owned);
    prop_oneof![
        6 => (0..4_u8).prop_map(|ordinal| format!("mysql-{ordinal}")),
        1 => select(strange.to_vec()),
        1 => Just("n".repeat(253)),
        1 => "[a-z]{1,6}",
    ]
}

fn weight() -> impl Strategy<Value = f64> {
    prop_oneof![3 => Just(1.0), 2 => 0.01..100.0_f64, 1 => select(vec![f64::MIN_POSITIVE, 1e-300, 1e300, f64::MAX])]
}

/// A time on the program's clock, which jumps by up to years in both directions.
fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..600_u64, 1 => select(vec![0, 86_400 * 9, 86_400 * 4000])]
}

fn identity() -> impl Strategy<Value = Identity> {
    let id = prop_oneof![4 => 100..104_u32, 1 => any::<u32>()];
    let gtids = select(vec![None, Some(String::new()), Some("nonsense".to_owned())]);
    (id, option::of(0..6_u8), name(), any::<bool>(), gtids).prop_map(
        |(server_id, uuid, host_name, read_only, gtids)| Identity {
            server_id,
            server_uuid: uuid.map(|uuid| format!("5e12e120-0000-4000-8000-00000000000{uuid}")),
            host_name,
            read_only,
            version: "9.7.0".to_owned(),
            server_time: None,
            gtid_executed: gtids,
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Answer(Box<Identity>, u64),
    Failure(FailureReason),
    Skipped(u64),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (identity(), prop_oneof![5 => 0..5_000_u64, 1 => any::<u64>()])
            .prop_map(|(identity, milliseconds)| Step::Answer(Box::new(identity), milliseconds)),
        2 => select(FailureReason::ALL.to_vec()).prop_map(Step::Failure),
        1 => any::<u32>().prop_map(|count| Step::Skipped(count.into())),
        3 => Just(Step::Tick),
    ]
}

fn at(seconds: u64) -> Moment {
    let wall = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::try_from(seconds).unwrap());
    Moment { elapsed: Duration::from_secs(seconds), wall }
}

fn spec(expected: Vec<Expected>, check: bool) -> TargetSpec {
    let second = Duration::from_secs(1);
    TargetSpec {
        name: "a \"target\"\\".into(),
        expectation: Expectation::listed(expected).unwrap(),
        service: None,
        statefulset: None,
        port: None,
        pace: ProbeIntervals {
            interval: second,
            burst: None,
            pod_interval: None,
            clients_interval: None,
            max_lag: second,
        },
        forget_after: Duration::from_secs(60),
        verdict: VerdictRules { interval: second, ..VerdictRules::default() },
        check: check.then_some(CheckRules { probes: 300, waits: true, alpha: 0.001 }),
    }
}

/// Every number is finite, also in the sentences.
fn assert_sound(snapshot: &Snapshot, exposition: &Exposition) -> Result<(), TestCaseError> {
    let mut metrics = Vec::new();
    exposition.write(snapshot, &mut metrics).unwrap();
    let metrics = String::from_utf8(metrics).unwrap();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let value: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
        prop_assert!(value.is_finite(), "{line}");
    }
    // JSON writes NaN as `null`. Every target has these numbers from the start.
    let shown = serde_json::to_value(Targets::of(snapshot)).unwrap();
    let target = &shown["targets"][0];
    for name in ["evidence_seconds", "threshold_seconds"] {
        prop_assert!(target[name].is_number(), "{name} in {target}");
    }
    for replica in target["replicas"].as_array().unwrap() {
        let both = |one: &str, other: &str| replica[one].is_null() == replica[other].is_null();
        prop_assert!(both("share_lower", "share_upper") && replica["expected_share"].is_number(), "{replica}");
    }
    let imbalance = target["imbalance"].as_object();
    prop_assert!(imbalance.is_none_or(|numbers| numbers.values().all(serde_json::Value::is_number)), "{imbalance:?}");
    let sentences = snapshot.targets[0].notices.iter().map(ToString::to_string);
    let outcome = snapshot.targets[0].check.iter().map(|outcome| outcome.finding.to_string());
    for sentence in sentences.chain(outcome).chain([snapshot.targets[0].verdict.to_string()]) {
        let words = sentence.split(|c: char| !c.is_alphanumeric());
        prop_assert!(words.into_iter().all(|word| word != "NaN" && word != "inf"), "{sentence}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn every_view_shows_finite_numbers(
        expected in hash_map("[a-z]{1,3}|mysql-[0-3]|n{253}", weight(), 0..6),
        check in any::<bool>(),
        steps in vec((step(), seconds()), 0..200),
    ) {
        let expected = expected.into_iter().map(|(name, weight)| Expected { name: Arc::from(name), weight }).collect();
        let mut state = State::new([(TARGET, spec(expected, check))], Vec::new());
        let exposition = Exposition::default();
        let mut sequence = 0;
        for (step, second) in steps {
            let now = at(second);
            let mut probed = |outcome, lasted| {
                sequence += 1;
                let started = Moment { elapsed: now.elapsed.saturating_sub(lasted), ..now };
                let probe = Probe { sequence: sequence - 1, started, finished: now, outcome };
                Event::Probed { target: TARGET, probe: Box::new(probe), late: Duration::ZERO }
            };
            let event = match step {
                Step::Answer(identity, milliseconds) => {
                    let total = Duration::from_millis(milliseconds);
                    let timings = Timings { total, query: total, ..Timings::default() };
                    let address = ([127, 0, 0, 1], 3306).into();
                    probed(Ok(Answer { identity: *identity, timings, address, status: None }), total)
                }
                Step::Failure(reason) => {
                    probed(Err(Failure { reason, text: "it failed".to_owned(), address: None, charge: None, advice: None }), Duration::ZERO)
                }
                Step::Skipped(count) => Event::Skipped { target: TARGET, count },
                Step::Tick => Event::Tick,
            };
            state.apply(event, now);
            // A snapshot takes far longer than an event.
            if sequence % 16 == 0 {
                assert_sound(&state.snapshot(now), &exposition)?;
            }
        }
        assert_sound(&state.snapshot(at(601)), &exposition)?;
    }

    #[test]
    fn one_replica_alone_never_alarms(identity in identity(), times in vec(seconds(), 0..400)) {
        let mut state = State::new([(TARGET, spec(Vec::new(), false))], Vec::new());
        for (sequence, second) in (0..).zip(times) {
            let now = at(second);
            let address = ([127, 0, 0, 1], 3306).into();
            let outcome = Ok(Answer { identity: identity.clone(), timings: Timings::default(), address, status: None });
            let probe = Box::new(Probe { sequence, started: now, finished: now, outcome });
            state.apply(Event::Probed { target: TARGET, probe, late: Duration::ZERO }, now);
        }
        let snapshot = state.snapshot(at(1));
        let target = &snapshot.targets[0];
        prop_assert_eq!((target.alarms, target.evidence_seconds, target.verdict.undecided().is_some()), (0, 0.0, true));
    }
}
