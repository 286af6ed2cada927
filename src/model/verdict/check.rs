//! The bounded test of a target's reads for `check`: when it ends, and its result.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::{
    expectation::Expectation,
    fairness::Fairness,
    verdict::{AllAnswer, Undecided, Verdict},
};
use crate::model::probe::{Anomaly, Charge, FailureReason};

/// Part of failed probes above which the result is undecided. A failed probe has no replica, so failures of one replica
/// look like reads that it does not get.
const FAILURES_MAX: f64 = 0.01;

#[derive(Clone, Debug, PartialEq)]
pub struct CheckRules {
    pub probes: u64,
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
    AllAnswer {
        replicas: usize,
        /// False: the replicas were seen, not configured.
        listed: bool,
    },
    Uneven {
        /// The replica that fits its share least.
        replica: Arc<str>,
        /// 0 to 1.
        share: f64,
        /// 0 to 1.
        expected: f64,
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
    listed: bool,
    fairness: Fairness,
    reads: BTreeMap<Arc<str>, u64>,
    expected: Vec<Arc<str>>,
    probes: u64,
    /// By `FailureReason as usize`.
    failed: [u64; FailureReason::ALL.len()],
    affinity: Option<Duration>,
    anomaly: Option<Anomaly>,
    paused: Option<Charge>,
    decision: Option<Decision>,
}

impl Check {
    /// `affinity` says how long the Service pins a client to an endpoint.
    pub(crate) fn new(rules: CheckRules, expectation: &Expectation, affinity: Option<Duration>) -> Self {
        Self {
            rules,
            listed: matches!(expectation, Expectation::Listed(_)),
            fairness: Fairness::new(expectation),
            reads: BTreeMap::new(),
            expected: expectation.entries().iter().map(|entry| Arc::clone(&entry.name)).collect(),
            probes: 0,
            failed: Default::default(),
            affinity,
            anomaly: None,
            paused: None,
            decision: None,
        }
    }

    /// Expects probes in start order. Probes after the decision do not count.
    pub(crate) fn observe(&mut self, answered_by: Result<&Arc<str>, FailureReason>) {
        if self.decision.is_some() {
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
        self.decision = self.decide();
    }

    /// Further probes could do harm.
    pub(crate) fn give_up(&mut self, charge: Charge) {
        if self.decision.is_none() {
            (self.paused, self.decision) = (Some(charge), Some(Decision::Undecided));
        }
    }

    pub(crate) fn anomaly(&mut self, anomaly: &Anomaly) {
        self.anomaly.get_or_insert_with(|| anomaly.clone());
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let decision = self.decision?;
        let finding = match decision {
            Decision::Balanced => CheckResult::AllAnswer { replicas: self.fairness.replicas(), listed: self.listed },
            Decision::Undecided if self.affinity.is_some() => CheckResult::Affinity(self.affinity.unwrap_or_default()),
            Decision::Undecided => {
                let mut failed: Vec<_> =
                    FailureReason::ALL.into_iter().zip(self.failed).filter(|(_, count)| *count > 0).collect();
                failed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
                CheckResult::Failures { failed, probes: self.probes, paused: self.paused }
            }
            Decision::Unbalanced => self.fault(),
        };
        Some(Outcome { decision, finding, probes: self.probes, p_value: self.fairness.p_value() })
    }

    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    fn decide(&self) -> Option<Decision> {
        if self.affinity.is_some() || self.failed.iter().sum::<u64>() as f64 > FAILURES_MAX * self.rules.probes as f64 {
            Some(Decision::Undecided)
        } else if self.fairness.p_value() <= self.rules.alpha {
            Some(Decision::Unbalanced)
        } else if self.probes < self.rules.probes {
            None
        } else if self.missing().next().is_some() || !self.unexpected().is_empty() || self.anomaly.is_some() {
            Some(Decision::Unbalanced)
        } else {
            Some(Decision::Balanced)
        }
    }

    fn fault(&self) -> CheckResult {
        let reads = self.reads.values().sum();
        let p_value = self.fairness.p_value();
        let missing: Vec<_> = self.missing().collect();
        match self.fairness.worst() {
            _ if !missing.is_empty() => CheckResult::Missing { replicas: missing, reads },
            Some(worst) if p_value <= self.rules.alpha => {
                CheckResult::Uneven { replica: worst.replica, share: worst.share, expected: worst.expected, p_value }
            }
            _ => match &self.anomaly {
                Some(anomaly) if self.unexpected().is_empty() => CheckResult::Anomaly(anomaly.clone()),
                _ => CheckResult::Unexpected { replicas: self.unexpected(), reads },
            },
        }
    }

    fn missing(&self) -> impl Iterator<Item = Arc<str>> + '_ {
        self.expected.iter().filter(|name| !self.reads.contains_key(*name)).cloned()
    }

    fn unexpected(&self) -> BTreeMap<Arc<str>, u64> {
        let outside = |name: &Arc<str>| self.listed && !self.expected.contains(name);
        self.reads.iter().filter(|(name, _)| outside(name)).map(|(n, c)| (Arc::clone(n), *c)).collect()
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllAnswer { replicas: 1, listed: false } => {
                f.write_str("Balanced: 1 replica answers; a comparison needs two")
            }
            Self::AllAnswer { replicas, listed } => {
                let all = AllAnswer { answering: *replicas, replicas: *replicas, listed: *listed };
                write!(f, "{}", Verdict::Balanced(all))
            }
            Self::Anomaly(anomaly) => write!(f, "Anomaly: {anomaly}"),
            Self::Affinity(stays) => write!(f, "{}", Verdict::Undecided(Undecided::Affinity { stays: *stays })),
            Self::Uneven { replica, share, expected, p_value } => write!(
                f,
                "Unbalanced: {replica} gets {:.0} % of the reads where {:.0} % is expected; reads this \
                 uneven occur by chance in {} checks",
                share * 100.0,
                expected * 100.0,
                OneIn(*p_value)
            ),
            Self::Missing { replicas, reads } => write!(
                f,
                "Missing: {} gave none of {reads} reads; check that it runs, is ready, and that the Service \
                 selects it",
                replicas.join(", ")
            ),
            Self::Unexpected { replicas, reads } => {
                f.write_str("Unexpected: ")?;
                for (index, (name, count)) in replicas.iter().enumerate() {
                    write!(f, "{}{name} gave {count}", if index > 0 { ", " } else { "" })?;
                }
                write!(
                    f,
                    " of {reads} reads but is not expected; check the Service's selector or the expected replicas"
                )
            }
            Self::Failures { failed, probes, paused } => {
                let all: u64 = failed.iter().map(|(_, count)| count).sum();
                write!(f, "Undecided: {all} of {probes} probes failed (")?;
                for (index, (reason, count)) in failed.iter().enumerate() {
                    write!(f, "{}{reason}: {count}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(match paused {
                    None => ")",
                    Some(Charge::Handshake) => "), and further ones could make the servers block this host",
                    Some(Charge::Login) => "), and further ones could lock the account",
                })?;
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
        let mut trial = Check::new(CheckRules { probes, alpha: 0.001 }, expectation, None);
        for answer in reads.iter().cycle().take(usize::try_from(probes).unwrap()) {
            trial.observe(answer.map(Arc::from).as_ref().ok_or(FailureReason::Refused));
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
}
