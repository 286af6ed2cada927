//! The bounded test of a target's reads for `check`: when it ends, and its result.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{
    expectation::Expectation,
    fairness::{Deviation, Fairness},
    under_way::UnderWay,
    verdict::{AllAnswer, Undecided, Verdict},
};
use crate::model::{
    base::{Count, HumanDuration, Moment},
    probe::{Anomaly, Charge, FailureReason},
};

/// Part of failed probes above which the result is undecided. A failed probe has no replica, so failures of one replica
/// look like reads that it does not get.
const FAILURES_MAX: f64 = 0.01;

/// After this time, a check that still waits ends undecided.
const PATIENCE: Duration = Duration::from_secs(600);

/// A load balancer may need seconds to follow a change of the endpoints.
const SETTLES: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq)]
pub struct CheckRules {
    pub probes: u64,
    /// Waits for roll-outs and new replicas.
    pub waits: bool,
    /// Probability of a false `Unbalanced`; above 0, below 1.
    pub alpha: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Balanced,
    Unbalanced,
    Undecided,
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub decision: Decision,
    pub finding: CheckResult,
    /// Probes before the decision.
    pub probes: u64,
    /// Probability that chance alone ever looks this uneven.
    pub p_value: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CheckResult {
    AllAnswer(AllAnswer),
    Uneven {
        /// The replica that fits its share least.
        worst: Deviation,
        p_value: f64,
    },
    Missing {
        replicas: Vec<Arc<str>>,
        reads: u64,
    },
    Unexpected {
        replicas: BTreeMap<Arc<str>, u64>,
        reads: u64,
    },
    Anomaly(Anomaly),
    /// The Service pins a client to an endpoint for this time.
    Affinity(Duration),
    UnderWay(UnderWay),
    Failures {
        /// By reason, the most frequent first.
        failed: Vec<(FailureReason, u64)>,
        probes: u64,
        /// Why the check has stopped before the failures were too many.
        paused: Option<Charge>,
    },
}

#[derive(Debug)]
pub(crate) struct Check {
    rules: CheckRules,
    expectation: Expectation,
    fairness: Fairness,
    began: Option<Moment>,
    /// The last change of the expected replicas, or the end of the last wait.
    changed: Option<Moment>,
    under_way: Option<UnderWay>,
    /// `under_way` is news.
    waits: bool,
    reads: BTreeMap<Arc<str>, u64>,
    probes: u64,
    /// By `FailureReason as usize`.
    failed: [u64; FailureReason::ALL.len()],
    affinity: Option<Duration>,
    anomaly: Option<Anomaly>,
    result: Option<CheckResult>,
}

impl Check {
    /// `affinity` says how long the Service pins a client to an endpoint.
    pub(crate) fn new(rules: CheckRules, expectation: &Expectation, affinity: Option<Duration>) -> Self {
        Self {
            rules,
            fairness: Fairness::new(expectation),
            expectation: expectation.clone(),
            began: None,
            changed: None,
            under_way: None,
            waits: false,
            reads: BTreeMap::new(),
            probes: 0,
            failed: Default::default(),
            affinity,
            anomaly: None,
            result: None,
        }
    }

    /// The test starts again when the expected replicas change, and when the check has waited: earlier probes say nothing
    /// about the replicas of now.
    pub(crate) fn follow(&mut self, expectation: &Expectation, under_way: Option<UnderWay>, now: Moment) {
        if self.result.is_some() {
            return;
        }
        let began = *self.began.get_or_insert(now);
        let changed = (*expectation != self.expectation).then_some(UnderWay::Changed);
        let under_way = under_way.filter(|_| self.rules.waits);
        if changed.is_none() && under_way.is_none() && self.under_way.is_none() {
            return;
        }
        self.waits = under_way.is_some() && (self.waits || under_way != self.under_way);
        self.under_way = under_way;
        if now.since(began) >= PATIENCE {
            self.under_way = self.under_way.take().or(changed);
            self.result = self.under_way.clone().map(CheckResult::UnderWay);
        }
        self.fairness = self.fairness.again(expectation);
        self.expectation = expectation.clone();
        self.changed = Some(now);
        self.reads.clear();
        self.probes = 0;
        self.failed = Default::default();
        self.anomaly = None;
    }

    /// What it waits for, once.
    pub(crate) fn waits(&mut self) -> Option<UnderWay> {
        std::mem::take(&mut self.waits).then(|| self.under_way.clone())?
    }

    /// Expects probes in start order. Probes after the decision do not count.
    pub(crate) fn observe(&mut self, started: Moment, answered_by: Result<&Arc<str>, FailureReason>) {
        let early = |changed: Moment| started < changed || started.since(changed) < SETTLES;
        if self.result.is_some() || self.under_way.is_some() || self.changed.is_some_and(early) {
            return;
        }
        self.probes += 1;
        match answered_by {
            Err(reason) => self.failed[reason as usize] += 1,
            Ok(replica) => {
                *self.reads.entry(Arc::clone(replica)).or_default() += 1;
                self.fairness.observe(replica);
            }
        }
        self.result = self.decide();
    }

    /// Further probes could do harm.
    pub(crate) fn give_up(&mut self, charge: Charge) {
        if self.result.is_none() {
            self.result = self.affinity.map(CheckResult::Affinity).or_else(|| Some(self.failures(Some(charge))));
        }
    }

    pub(crate) fn anomaly(&mut self, anomaly: &Anomaly) {
        self.anomaly.get_or_insert_with(|| anomaly.clone());
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let finding = self.result.clone()?;
        Some(Outcome { decision: finding.decision(), finding, probes: self.probes, p_value: self.fairness.p_value() })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    fn decide(&self) -> Option<CheckResult> {
        if let Some(stays) = self.affinity {
            Some(CheckResult::Affinity(stays))
        } else if self.failed.iter().sum::<u64>() as f64 > FAILURES_MAX * self.rules.probes as f64 {
            Some(self.failures(None))
        } else if self.fairness.p_value() <= self.rules.alpha {
            Some(self.fault())
        } else if self.probes < self.rules.probes {
            None
        } else if self.missing().next().is_some() || !self.unexpected().is_empty() || self.anomaly.is_some() {
            Some(self.fault())
        } else {
            let (replicas, listed) = (self.fairness.replicas(), matches!(self.expectation, Expectation::Listed(_)));
            Some(CheckResult::AllAnswer(AllAnswer { answering: replicas, replicas, listed }))
        }
    }

    fn failures(&self, paused: Option<Charge>) -> CheckResult {
        let mut failed: Vec<_> =
            FailureReason::ALL.into_iter().zip(self.failed).filter(|(_, count)| *count > 0).collect();
        failed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        CheckResult::Failures { failed, probes: self.probes, paused }
    }

    fn fault(&self) -> CheckResult {
        let reads = self.reads.values().sum();
        let p_value = self.fairness.p_value();
        let missing: Vec<_> = self.missing().collect();
        match self.fairness.worst() {
            _ if !missing.is_empty() => CheckResult::Missing { replicas: missing, reads },
            Some(worst) if p_value <= self.rules.alpha => CheckResult::Uneven { worst, p_value },
            _ => match &self.anomaly {
                Some(anomaly) if self.unexpected().is_empty() => CheckResult::Anomaly(anomaly.clone()),
                _ => CheckResult::Unexpected { replicas: self.unexpected(), reads },
            },
        }
    }

    fn missing(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        let expected = self.expectation.entries().iter().map(|entry| &entry.name);
        expected.filter(|name| !self.reads.contains_key(*name)).cloned()
    }

    fn unexpected(&self) -> BTreeMap<Arc<str>, u64> {
        self.reads
            .iter()
            .filter(|(name, _)| !self.expectation.includes(name))
            .map(|(n, c)| (Arc::clone(n), *c))
            .collect()
    }
}

impl CheckResult {
    fn decision(&self) -> Decision {
        match self {
            Self::AllAnswer(_) => Decision::Balanced,
            Self::Affinity(_) | Self::UnderWay(_) | Self::Failures { .. } => Decision::Undecided,
            Self::Uneven { .. } | Self::Missing { .. } | Self::Unexpected { .. } | Self::Anomaly(_) => {
                Decision::Unbalanced
            }
        }
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllAnswer(AllAnswer { replicas: 1, listed: false, .. }) => {
                f.write_str("Balanced: 1 replica answers; a comparison needs two")
            }
            Self::AllAnswer(all) => Verdict::Balanced(*all).fmt(f),
            Self::Anomaly(anomaly) => write!(f, "Anomaly: {anomaly}"),
            Self::Affinity(stays) => Verdict::Undecided(Undecided::Affinity { stays: *stays }).fmt(f),
            Self::UnderWay(under_way) => write!(
                f,
                "Undecided: after {} {under_way}; check the pods and their Events, or check without waiting (--no-wait)",
                HumanDuration(PATIENCE)
            ),
            Self::Uneven { worst: Deviation { replica, share, expected }, p_value } => write!(
                f,
                "Unbalanced: {replica} gets {:.0} % of the reads where {:.0} % is expected; reads this \
                 uneven occur by chance in {} checks",
                share * 100.0,
                expected * 100.0,
                OneIn(*p_value)
            ),
            Self::Missing { replicas, reads } => write!(
                f,
                "Missing: {} gave none of {}; check that it runs, is ready, and that the Service selects it",
                replicas.join(", "),
                Count(*reads, "read")
            ),
            Self::Unexpected { replicas, reads } => {
                let gave: Vec<_> = replicas.iter().map(|(name, count)| format!("{name} gave {count}")).collect();
                write!(
                    f,
                    "Unexpected: {} of {} but is not expected; check the Service's selector or the expected replicas",
                    gave.join(", "),
                    Count(*reads, "read")
                )
            }
            Self::Failures { failed, paused: Some(charge), .. } if failed.is_empty() => {
                write!(
                    f,
                    "Undecided: probes are paused while the check waits, because more failed ones {}",
                    charge.harm()
                )
            }
            Self::Failures { failed, probes, paused } => {
                let all: u64 = failed.iter().map(|(_, count)| count).sum();
                let by_reason: Vec<_> = failed.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
                write!(f, "Undecided: {all} of {} failed ({})", Count(*probes, "probe"), by_reason.join(", "))?;
                if let Some(charge) = paused {
                    write!(f, ", and further ones {}", charge.harm())?;
                }
                failed.first().map_or(Ok(()), |(reason, _)| write!(f, "; {}", reason.advice()))
            }
        }
    }
}

struct OneIn(f64);

impl fmt::Display for OneIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match 1.0 / self.0 {
            times if times < 1e6 => write!(f, "1 of {times:.0}"),
            _ => f.write_str("fewer than 1 of a million"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[&str]) -> Expectation {
        Expectation::listed(names.iter().map(|n| n.parse().unwrap()).collect()).unwrap()
    }

    fn run(expectation: &Expectation, probes: u64, reads: &[Option<&str>]) -> Outcome {
        let mut trial = Check::new(CheckRules { probes, waits: true, alpha: 0.001 }, expectation, None);
        for answer in reads.iter().cycle().take(usize::try_from(probes).unwrap()) {
            trial.observe(Moment::START, answer.map(Arc::from).as_ref().ok_or(FailureReason::Refused));
        }
        trial.outcome().unwrap()
    }

    #[test]
    fn balanced_answers_of_all_expected_replicas_are_balanced() {
        let outcome = run(&listed(&["a", "b"]), 600, &[Some("a"), Some("b")]);
        assert_eq!(outcome.decision, Decision::Balanced);
        assert_eq!(outcome.probes, 600);
        assert_eq!(
            outcome.finding.to_string(),
            "Balanced: 2 of 2 replicas answer, chance alone explains the differences"
        );
    }

    #[test]
    fn a_missing_replica_ends_the_check_early_and_is_named() {
        let outcome = run(&listed(&["a", "b", "c"]), 600, &[Some("a"), Some("b")]);
        assert_eq!(outcome.decision, Decision::Unbalanced);
        assert!(outcome.probes < 60);
        assert!(matches!(outcome.finding, CheckResult::Missing { replicas, .. } if replicas == ["c".into()]));
    }

    #[test]
    fn a_replica_missing_from_few_reads_is_reported_at_the_end() {
        let outcome = run(&listed(&["a", "b", "c"]), 6, &[Some("a"), Some("b")]);
        assert!(matches!(outcome.finding, CheckResult::Missing { reads: 6, .. }));
    }

    #[test]
    fn an_uneven_weight_is_found_and_named() {
        let outcome = run(&listed(&["a", "b", "c"]), 600, &["a", "a", "b", "c"].map(Some));
        assert_eq!(outcome.decision, Decision::Unbalanced);
        let sentence = outcome.finding.to_string();
        assert!(sentence.starts_with("Unbalanced: a gets 5"), "{sentence}");
        assert!(
            sentence.contains("% of the reads where 33 % is expected; reads this uneven occur by chance in"),
            "{sentence}"
        );
    }

    #[test]
    fn a_read_from_an_unexpected_replica_is_reported_at_the_end() {
        let outcome = run(&listed(&["a", "b"]), 90, &["a", "b", "c"].map(Some));
        assert_eq!(outcome.decision, Decision::Unbalanced);
        let sentence = outcome.finding.to_string();
        assert!(sentence.starts_with("Unexpected: c gave 30 of 90 reads"), "{sentence}");
    }

    #[test]
    fn more_than_one_failure_in_a_hundred_leaves_it_undecided() {
        let outcome = run(&Expectation::Seen, 100, &[Some("a"), None]);
        assert_eq!((outcome.decision, outcome.probes), (Decision::Undecided, 4));
        assert!(outcome.finding.to_string().starts_with("Undecided: 2 of 4 probes failed (refused: 2); "));
    }

    #[test]
    fn without_a_list_the_sentence_counts_the_replicas_seen() {
        let outcome = run(&Expectation::Seen, 100, &[Some("a"), Some("b"), Some("c")]);
        assert!(outcome.finding.to_string().starts_with("Balanced: 3 of the 3 replicas seen answer"));
    }

    fn fed(check: &mut Check, from: u32, reads: &[&str], probes: usize) {
        for (second, replica) in (from..).zip(reads.iter().cycle().take(probes)) {
            check.observe(Moment::at(f64::from(second)), Ok(&Arc::from(*replica)));
        }
    }

    fn checking(probes: u64, waits: bool, names: &[&str]) -> Check {
        let mut check = Check::new(CheckRules { probes, waits, alpha: 0.001 }, &listed(names), None);
        check.follow(&listed(names), None, Moment::START);
        check
    }

    #[test]
    fn a_check_waits_for_a_rollout_and_counts_what_comes_five_seconds_later() {
        let mut check = checking(30, true, &["a", "b", "c"]);
        fed(&mut check, 0, &["a", "b", "c"], 20);
        let not_ready = Some(UnderWay::NotReady("c".into()));
        check.follow(&listed(&["a", "b"]), not_ready.clone(), Moment::at(20.0));
        check.follow(&listed(&["a", "b"]), not_ready.clone(), Moment::at(21.0));
        assert_eq!((check.waits(), check.waits()), (not_ready, None), "it says so once");
        for second in 20..60 {
            check.observe(Moment::at(f64::from(second)), Err(FailureReason::Refused));
        }
        check.follow(&listed(&["a", "b", "c"]), None, Moment::at(60.0));
        fed(&mut check, 60, &["a"], 5);
        assert!(check.outcome().is_none());
        fed(&mut check, 65, &["a", "b", "c"], 30);
        let outcome = check.outcome().unwrap();
        assert_eq!((outcome.decision, outcome.probes), (Decision::Balanced, 30), "{}", outcome.finding);
    }

    #[test]
    fn a_replica_that_joins_or_leaves_while_the_check_runs_is_no_finding() {
        for (before, after) in [(&["a", "b"][..], &["a", "b", "c"][..]), (&["a", "b", "c"], &["a", "b"])] {
            for waits in [true, false] {
                let mut check = checking(60, waits, before);
                fed(&mut check, 0, before, 50);
                check.follow(&listed(after), None, Moment::at(50.0));
                fed(&mut check, 50, after, 65);
                let outcome = check.outcome().unwrap();
                assert_eq!(outcome.decision, Decision::Balanced, "{}", outcome.finding);
            }
        }
    }

    #[test]
    fn a_dead_replica_is_found_after_a_rollout() {
        let mut check = checking(600, true, &["a", "b", "c"]);
        fed(&mut check, 0, &["a", "b", "c"], 300);
        check.follow(&listed(&["a", "b", "c"]), Some(UnderWay::Terminating("c".into())), Moment::at(300.0));
        check.follow(&listed(&["a", "b", "c"]), None, Moment::at(330.0));
        fed(&mut check, 335, &["a", "b"], 100);
        let outcome = check.outcome().unwrap();
        assert!(
            matches!(&outcome.finding, CheckResult::Missing { replicas, .. } if *replicas == ["c".into()]),
            "{}",
            outcome.finding
        );
    }

    #[test]
    fn after_ten_minutes_of_waiting_it_is_undecided_and_says_why() {
        let mut check = checking(600, true, &["a", "b"]);
        for second in 0..=600 {
            assert!(check.outcome().is_none());
            check.follow(&listed(&["a", "b"]), Some(UnderWay::NotReady("b".into())), Moment::at(f64::from(second)));
        }
        let outcome = check.outcome().unwrap();
        assert_eq!(outcome.decision, Decision::Undecided);
        assert_eq!(
            outcome.finding.to_string(),
            "Undecided: after 10 min b is not ready; check the pods and their Events, or check without waiting (--no-wait)"
        );
        let mut hasty = checking(30, false, &["a", "b"]);
        hasty.follow(&listed(&["a", "b"]), Some(UnderWay::NotReady("b".into())), Moment::START);
        fed(&mut hasty, 0, &["a", "b"], 30);
        assert_eq!(hasty.outcome().unwrap().decision, Decision::Balanced);
    }

    #[test]
    fn a_check_that_is_paused_while_it_waits_says_so_and_no_time() {
        let mut check = checking(600, true, &["a", "b"]);
        check.follow(&listed(&["a", "b"]), Some(UnderWay::NotReady("b".into())), Moment::at(1.0));
        check.give_up(Charge::Login);
        assert_eq!(
            check.outcome().unwrap().finding.to_string(),
            "Undecided: probes are paused while the check waits, because more failed ones could lock the account"
        );
    }

    #[test]
    fn restarts_keep_the_probability_of_a_false_alarm() {
        use rand::{RngExt, SeedableRng, rngs::StdRng};
        let mut random = StdRng::seed_from_u64(11);
        let names = ["a", "b", "c"].map(Arc::<str>::from);
        let found = (0..2000)
            .filter(|_| {
                let mut check =
                    Check::new(CheckRules { probes: 600, waits: true, alpha: 0.05 }, &listed(&["a", "b"]), None);
                for round in 0..6_u32 {
                    let replicas = if round % 2 == 0 { &names[..2] } else { &names[..] };
                    let expected = listed(if round % 2 == 0 { &["a", "b"] } else { &["a", "b", "c"] });
                    check.follow(&expected, None, Moment::at(f64::from(round * 100)));
                    for second in 5..95 {
                        let read = &replicas[random.random_range(0..replicas.len())];
                        check.observe(Moment::at(f64::from(round * 100 + second)), Ok(read));
                    }
                }
                check.outcome().is_some_and(|outcome| outcome.decision == Decision::Unbalanced)
            })
            .count();
        assert!(found <= 130, "{found} of 2000 where at most 100 are to be expected");
        assert!(found >= 1, "a test that never alarms is no test");
    }
}
