//! Verdicts of a whole target on scripted probes.

use std::time::Duration;

use crate::model::{
    base::Moment,
    probe::{Answer, Failure, FailureReason, Identity, Probe, Timings},
    target::{spec::TargetSpec, target::Target},
    verdict::{CulpritKind, Expectation, Undecided, Verdict, VerdictKind},
};

struct Story {
    target: Target,
    sequence: u64,
    second: f64,
    notices: Vec<String>,
}

impl Story {
    fn new(expected: &[&str]) -> Self {
        let expected = expected.iter().map(|entry| entry.parse().unwrap()).collect();
        let spec = TargetSpec::regular("mysql/mysql-read", Expectation::listed(expected).unwrap());
        Self { target: Target::new(spec), sequence: 0, second: 0.0, notices: Vec::new() }
    }

    fn answer(&mut self, ordinal: u32) {
        self.answer_as(ordinal, 100 + ordinal);
    }

    fn answer_as(&mut self, ordinal: u32, server_id: u32) {
        self.probe(Ok(answer(ordinal, server_id)));
    }

    fn fail(&mut self) {
        let text = "cannot connect".to_owned();
        self.probe(Err(Failure { reason: FailureReason::Refused, text, address: None, charge: None, advice: None }));
    }

    fn probe(&mut self, outcome: Result<Answer, Failure>) {
        self.second += 1.0;
        let at = Moment::at(self.second);
        let probe = Probe { sequence: self.sequence, started: at, finished: at, outcome };
        self.sequence += 1;
        let mut notices = Vec::new();
        self.target.probed(probe, None, at, &mut notices);
        self.target.tick(at, &mut notices);
        self.notices.extend(notices.iter().map(ToString::to_string));
    }

    /// Random reads among `ordinals`; the generator is the same on every platform.
    fn reads(&mut self, ordinals: &[u32], count: usize) {
        for _ in 0..count {
            self.answer(drawn(self.sequence, ordinals));
        }
    }

    /// `count` balanced probes, one a second, applied in order of arrival: replica k answers after `seconds[k]`.
    fn overlapping(&mut self, seconds: [f64; 3], count: u64) {
        let probe = |sequence: u64| {
            let ordinal = drawn(sequence, &[0, 1, 2]);
            let started = self.second + f64::from(u32::try_from(sequence).unwrap());
            let finished = started + seconds[ordinal as usize];
            let outcome = Ok(answer(ordinal, 100 + ordinal));
            (finished, Probe { sequence, started: Moment::at(started), finished: Moment::at(finished), outcome })
        };
        let mut probes: Vec<_> = (0..count).map(probe).collect();
        probes.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        for (finished, probe) in probes {
            self.target.probed(probe, None, Moment::at(finished), &mut Vec::new());
        }
    }

    fn verdict(&self) -> Verdict {
        self.target.snapshot().verdict
    }
}

fn answer(ordinal: u32, server_id: u32) -> Answer {
    let identity = Identity {
        server_id,
        server_uuid: Some(format!("uuid-{ordinal}")),
        host_name: format!("mysql-{ordinal}"),
        read_only: ordinal > 0,
        version: "9.7.0".to_owned(),
        server_time: None,
        gtid_executed: None,
    };
    Answer { identity, timings: Timings::default(), address: ([127, 0, 0, 1], 3306).into(), status: None }
}

fn drawn(sequence: u64, ordinals: &[u32]) -> u32 {
    let random = (sequence + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let random = ((random ^ (random >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)) >> 33;
    ordinals[usize::try_from(random).unwrap() % ordinals.len()]
}

const THREE: [&str; 3] = ["mysql-0", "mysql-1", "mysql-2"];

#[test]
fn a_replica_without_reads_is_named_and_cleared_when_it_has_them_again() {
    let mut story = Story::new(&THREE);
    assert!(matches!(story.verdict(), Verdict::Undecided(Undecided::FewReads { .. })));
    story.reads(&[0, 1, 2], 500);
    assert_eq!(story.verdict().to_string(), "Balanced: 3 of 3 replicas answer, chance alone explains the differences");
    story.reads(&[0, 1], 60);
    let snapshot = story.target.snapshot();
    let [culprit] = snapshot.verdict.culprits() else { panic!("{:?}", snapshot.verdict) };
    assert_eq!((&*culprit.replica, culprit.kind), ("mysql-2", CulpritKind::Dead));
    assert_eq!((snapshot.alarms, snapshot.restarts), (1, 0));
    // Sentence, share and interval rest on the same reads, and none of them is from before.
    let dead = &snapshot.replicas[2];
    assert_eq!((culprit.share, dead.share), (0.0, Some(0.0)));
    assert!(dead.share_interval.is_some_and(|interval| interval.upper < dead.expected_share), "{dead:?}");
    let basis = snapshot.share_basis.to_string();
    assert_eq!(basis, "Shares and intervals rest on 60 reads since the imbalance began");
    let misrouted = snapshot.indices.unwrap().misrouted;
    assert!((misrouted - 1.0 / 3.0).abs() < 1e-9, "{misrouted}");
    story.reads(&[0, 1, 2], 30);
    let verdict = story.verdict();
    assert!(matches!(verdict, Verdict::Undecided(Undecided::FewReads { needed: 54, .. })), "{verdict}");
    story.reads(&[0, 1, 2], 54);
    assert_eq!(story.verdict().name(), "balanced");
    let count = |start: &str| story.notices.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!(
        (count("Unbalanced: mysql-2 gets none of the reads where 33 % is expected"), count("Balanced: ")),
        (1, 2)
    );
}

/// In order of arrival, a slow replica is always missing from the newest reads. 50 s at one probe a second are as many
/// reads as it takes to find a dead replica.
#[test]
fn overlapping_probes_count_in_start_order() {
    let mut slow = Story::new(&THREE);
    slow.overlapping([0.001, 0.001, 60.0], 3000);
    let mut quick = Story::new(&THREE);
    quick.overlapping([0.001; 3], 3000);
    let (slow, quick) = (slow.target.snapshot(), quick.target.snapshot());
    assert_eq!((slow.alarms, slow.probes), (0, 3000));
    assert_eq!(slow.evidence_seconds.to_bits(), quick.evidence_seconds.to_bits());
    assert_eq!(slow.verdict.name(), "balanced");
}

/// One probe a second. The reads from before a short outage count; after a long one, it takes as many as at the start.
#[test]
fn an_outage_is_over_in_the_verdict_when_reads_come_back() {
    for (seconds, reads_needed) in [(10, 1), (90, 54)] {
        let mut story = Story::new(&THREE);
        story.reads(&[0, 1, 2], 300);
        (0..seconds).for_each(|_| story.fail());
        assert!(matches!(story.verdict(), Verdict::Undecided(Undecided::Failures { .. })), "{}", story.verdict());
        assert!(story.target.snapshot().notices.iter().any(|notice| {
            notice.to_string().starts_with(&format!("{seconds} of the last 200 probes failed (refused): "))
        }));
        let reads = (1..100).find(|_| {
            story.reads(&[0, 1, 2], 1);
            story.verdict().name() == "balanced"
        });
        assert_eq!(reads, Some(reads_needed), "{seconds}");
        let snapshot = story.target.snapshot();
        assert_eq!(snapshot.failing.0, 0, "the failures of the outage left the window");
        let notices: Vec<_> = snapshot.notices.iter().map(ToString::to_string).collect();
        let earlier = format!("{seconds} probes failed (refused), the last one less than a minute ago: ");
        assert!(notices.iter().any(|notice| notice.starts_with(&earlier)), "{notices:?}");
        story.fail();
        assert_eq!(story.verdict().name(), "balanced", "one failure is within the tolerance");
    }
}

/// A second replica loses its reads while the alarm about the first lasts.
#[test]
fn no_culprit_without_reads_has_a_share() {
    let mut story = Story::new(&["mysql-0", "mysql-1", "mysql-2", "mysql-3"]);
    story.reads(&[0, 1, 2, 3], 400);
    for (ordinals, count) in [(&[0, 1, 2][..], 120), (&[0, 1], 200), (&[0, 1, 2], 100), (&[0, 2], 200)] {
        for _ in 0..count {
            story.reads(ordinals, 1);
            let snapshot = story.target.snapshot();
            for culprit in snapshot.verdict.culprits() {
                let replica = snapshot.replicas.iter().find(|replica| replica.name == culprit.replica).unwrap();
                assert_eq!(replica.share, Some(culprit.share));
                assert!(culprit.kind != CulpritKind::Dead || culprit.share <= 0.0, "{}", snapshot.verdict);
            }
        }
    }
}

#[test]
fn a_killed_server_leaves_the_verdict_undecided_without_culprits() {
    let mut story = Story::new(&THREE);
    story.reads(&[0, 1, 2], 300);
    for n in 0..600 {
        if n % 3 == 0 {
            story.fail();
        } else {
            story.reads(&[0, 1], 1);
        }
        assert!(!story.verdict().is_unbalanced());
    }
    assert!(matches!(story.verdict(), Verdict::Undecided(Undecided::Failures { .. })));
    assert!(story.verdict().to_string().contains("probes failed (refused)"));
    story.reads(&[0, 1, 2], 400);
    assert_eq!((story.verdict().name(), story.target.snapshot().alarms), ("balanced", 0));
}

/// The failures are few enough for three replicas, but they may all belong to one.
#[test]
fn one_killed_server_of_fifty_is_undecided_and_a_replica_without_reads_is_still_named() {
    const KILLED: u32 = 7;
    let all: Vec<u32> = (0..50).collect();
    let names: Vec<String> = all.iter().map(|ordinal| format!("mysql-{ordinal}")).collect();
    let mut story = Story::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    story.reads(&all, 1000);
    for _ in 0..5000 {
        match drawn(story.sequence, &all) {
            KILLED => story.fail(),
            other => story.answer(other),
        }
        assert_ne!(story.target.evaluator.kind(), VerdictKind::Unbalanced);
    }
    assert_eq!(story.target.evaluator.alarms(), 0);
    let verdict = story.verdict();
    assert!(matches!(verdict, Verdict::Undecided(Undecided::Failures { .. })), "{verdict}");
    let sentence = "and a verdict allows 3 of 1000: the failures of one replica look like reads that it does not get";
    assert!(verdict.to_string().contains(sentence), "{verdict}");

    let others: Vec<u32> = all.into_iter().filter(|ordinal| *ordinal != KILLED).collect();
    story.reads(&others, 2000);
    let verdict = story.verdict();
    let [culprit] = verdict.culprits() else { panic!("{verdict}") };
    assert_eq!((&*culprit.replica, culprit.kind), ("mysql-7", CulpritKind::Dead));
}

#[test]
fn without_a_list_a_new_replica_is_expected_from_its_first_read() {
    let mut story = Story::new(&[]);
    story.reads(&[0, 1, 2], 300);
    assert!(story.verdict().to_string().starts_with("Balanced: 3 of the 3 replicas seen answer"));
    story.reads(&[0, 1, 2, 3], 400);
    let snapshot = story.target.snapshot();
    assert_eq!((snapshot.verdict.name(), snapshot.alarms, snapshot.restarts), ("balanced", 0, 3));
}

#[test]
fn anomalies_are_counted_by_kind_and_name_both_sides() {
    let mut story = Story::new(&["mysql-1", "mysql-2"]);
    for _ in 0..40 {
        story.answer_as(1, 101);
        story.answer_as(2, 101);
    }
    story.answer_as(1, 111);
    story.answer(0);
    story.answer(3);
    let seen = story.target.snapshot().anomalies;
    let of = |kind: &str| seen.iter().find(|seen| seen.kind == kind).unwrap();
    assert!(of("shared_server_id").reads > 0);
    let both = of("shared_server_id").latest.as_ref().unwrap();
    assert!(both.contains("mysql-1") && both.contains("mysql-2") && both.contains("101"), "{both}");
    assert_eq!(of("changed_server_id").reads, 1);
    assert!(
        of("changed_server_id").latest.as_ref().unwrap().starts_with("mysql-1 changed its server_id from 101 to 111")
    );
    assert_eq!((of("primary").reads, of("unexpected").reads), (1, 1));
}

#[test]
fn too_few_probes_for_the_period_are_reported_with_numbers() {
    let mut story = Story::new(&THREE);
    assert!(story.target.evaluator.few_probes().is_none());
    story.target.evaluator.set_threshold(Duration::from_secs(3600));
    let notice = story.target.evaluator.few_probes().unwrap().to_string();
    assert!(
        notice.starts_with("the false-alarm period times the number of targets is 60 minutes and holds 3600 probes"),
        "{notice}"
    );
    assert!(notice.contains("3 replicas need 200000") && notice.contains("lower the interval to 18 ms"), "{notice}");
}
