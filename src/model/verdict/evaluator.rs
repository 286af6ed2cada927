//! Evaluates a target's reads: feeds the detector, and turns its evidence into a verdict.
//!
//! The evaluator feeds a read under three conditions: its probe started after the expectation last changed, no affinity
//! pins the client, and the failures among the latest probes are within the tolerance. A failed probe has no replica:
//! if the probes of one replica fail, the reads of the others alone look unbalanced. No condition depends on the
//! replica that answered, and the evidence stands still while reads are left out, so the detector's false-alarm rate
//! still holds.

use std::{sync::Arc, time::Duration};

use super::{
    evidence::{Detector, DetectorRules, Indices, ShareInterval, ShareStats, Suspect},
    failure_window::FailureWindow,
    verdict::{AllAnswer, Culprit, CulpritKind, FewProbes, Undecided, Verdict, VerdictKind},
};
use crate::model::{
    base::{Moment, SHARE_HALF_LIFE},
    probe::FailureReason,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerdictRules {
    /// Minimum average time between false alarms of the whole process.
    pub false_alarm_period: Duration,
    /// Tolerated relative deviation from the expected share, and tolerated part of failed probes: 0 to below 1.
    pub tolerance: f64,
    pub interval: Duration,
}

#[derive(Debug)]
pub(crate) struct Evaluator {
    names: Vec<Arc<str>>,
    weights: Vec<f64>,
    /// False: the replicas were seen, not configured.
    listed: bool,
    changed: Option<Moment>,
    affinity: Option<Duration>,
    detector: Detector,
    tally: ShareStats,
    /// Reads fed since the evidence was zero.
    reads: u64,
    fed: Option<Moment>,
    failures: FailureWindow,
    restarts: u64,
    interval: Duration,
}

impl Default for VerdictRules {
    fn default() -> Self {
        let detector = DetectorRules::default();
        Self {
            false_alarm_period: Duration::from_secs_f64(detector.threshold_seconds),
            tolerance: detector.tolerance,
            interval: Duration::from_secs(1),
        }
    }
}

impl Evaluator {
    pub(crate) fn new(rules: &VerdictRules) -> Self {
        let detector = DetectorRules {
            threshold_seconds: rules.false_alarm_period.as_secs_f64(),
            tolerance: rules.tolerance,
            ..DetectorRules::default()
        };
        Self {
            names: Vec::new(),
            weights: Vec::new(),
            listed: false,
            changed: None,
            affinity: None,
            detector: Detector::new(detector, &[]),
            tally: ShareStats::new(&[], SHARE_HALF_LIFE.as_secs_f64()),
            reads: 0,
            fed: None,
            failures: FailureWindow::new(rules.tolerance),
            restarts: 0,
            interval: rules.interval,
        }
    }

    pub(crate) fn set_threshold(&mut self, threshold: Duration) {
        self.detector.set_threshold(threshold.as_secs_f64());
    }

    /// Replicas that stay keep their evidence, unless a weight changed: then the evidence restarts.
    pub(crate) fn expect<'a>(
        &mut self,
        expected: impl Iterator<Item = (&'a Arc<str>, f64)> + Clone,
        listed: bool,
        now: Moment,
    ) {
        self.listed = listed;
        let known = || self.names.iter().zip(self.weights.iter().copied());
        #[expect(clippy::float_cmp, reason = "an unchanged weight is the same number")]
        let same = |(a, b): (&Arc<str>, f64), (c, d): (&Arc<str>, f64)| a == c && b == d;
        if expected.clone().count() == self.names.len() && expected.clone().zip(known()).all(|(a, b)| same(a, b)) {
            return;
        }
        let place = |name: &Arc<str>| self.names.iter().position(|known| known == name);
        let before: Vec<Option<usize>> = expected.clone().map(|(name, _)| place(name)).collect();
        let weights: Vec<f64> = expected.clone().map(|(_, weight)| weight).collect();
        #[expect(clippy::float_cmp, reason = "an unchanged weight is the same number")]
        let reweighted =
            before.iter().zip(&weights).any(|(before, weight)| before.is_some_and(|at| self.weights[at] != *weight));
        if reweighted {
            self.detector.restart(&weights);
            self.tally.change(&weights, &vec![None; weights.len()]);
            self.reads = 0;
        } else {
            self.detector.change(&weights, &before);
            self.tally.change(&weights, &before);
        }
        self.failures.expect(self.detector.shares());
        if !self.names.is_empty() {
            self.restarts += 1;
        }
        self.names = expected.map(|(name, _)| Arc::clone(name)).collect();
        self.weights = weights;
        self.changed = Some(now);
    }

    pub(crate) fn pin(&mut self, affinity: Option<Duration>) {
        self.affinity = affinity;
    }

    /// Expects probes in start order.
    pub(crate) fn observe(&mut self, started: Moment, answered_by: Result<&Arc<str>, FailureReason>) {
        self.failures.observe(answered_by.err());
        let Ok(name) = answered_by else { return };
        if self.affinity.is_some() || self.failures.too_many() || self.changed.is_some_and(|changed| started < changed)
        {
            return;
        }
        let Some(index) = self.names.iter().position(|known| known == name) else { return };
        let seconds = self.fed.map_or(0.0, |fed| started.since(fed).as_secs_f64());
        self.fed = Some(started);
        self.reads += 1;
        let alarm = self.detector.alarm();
        self.detector.observe(index, seconds);
        self.tally.observe(index, seconds);
        if self.detector.alarm() != alarm {
            self.tally.begin_epoch();
        }
    }

    pub(crate) fn kind(&self) -> VerdictKind {
        if self.names.len() < 2 {
            VerdictKind::FewReplicas
        } else if self.affinity.is_some() {
            VerdictKind::Affinity
        } else if self.failures.too_many() {
            VerdictKind::Failures
        } else if self.detector.alarm() {
            VerdictKind::Unbalanced
        } else if self.reads < self.tally.reads_to_miss_one() {
            VerdictKind::FewReads
        } else if self.detector.evidence_seconds() >= self.detector.clear_seconds() {
            VerdictKind::Suspicion
        } else {
            VerdictKind::Balanced
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        let replicas = self.names.len();
        let evidence_seconds = self.detector.evidence_seconds();
        Verdict::Undecided(match self.kind() {
            VerdictKind::Balanced => {
                let missing = self.tally.indices().map_or(0, |indices| indices.missing);
                return Verdict::Balanced(AllAnswer { answering: replicas - missing, replicas, listed: self.listed });
            }
            VerdictKind::Unbalanced => {
                let culprits = self.detector.culprits().iter().map(|suspect| self.culprit(suspect)).collect();
                return Verdict::Unbalanced { culprits, evidence_seconds };
            }
            VerdictKind::FewReplicas => Undecided::FewReplicas { replicas },
            VerdictKind::Affinity => Undecided::Affinity { stays: self.affinity.unwrap_or_default() },
            VerdictKind::Failures => self.failures.verdict(),
            VerdictKind::FewReads => {
                Undecided::FewReads { reads: self.reads, needed: self.tally.reads_to_miss_one(), replicas }
            }
            VerdictKind::Suspicion => {
                let threshold_seconds = self.threshold_seconds();
                Undecided::Suspicion { evidence_seconds, threshold_seconds }
            }
        })
    }

    pub(crate) fn evidence_seconds(&self) -> f64 {
        self.detector.evidence_seconds()
    }

    pub(crate) fn threshold_seconds(&self) -> f64 {
        self.detector.rules().threshold_seconds
    }

    pub(crate) fn alarms(&self) -> u64 {
        self.detector.alarms()
    }

    /// Set if the threshold holds too few probes: ordinary noise then comes near the level that clears an alarm.
    #[expect(clippy::cast_precision_loss, reason = "at most 64 replicas")]
    pub(crate) fn few_probes(&self) -> Option<FewProbes> {
        /// For up to ten replicas. Fifty need ten times as many; a power law gives the numbers between and beyond.
        const NEEDED: f64 = 2e5;
        const POWER: f64 = std::f64::consts::LN_10 / 1.609_437_912_434_100_4;
        let replicas = self.names.len();
        let needed = NEEDED * (replicas as f64 / 10.0).max(1.0).powf(POWER);
        let (threshold_seconds, interval_seconds) = (self.threshold_seconds(), self.interval.as_secs_f64());
        let probes = threshold_seconds / interval_seconds;
        let few = replicas > 1 && probes < needed;
        few.then_some(FewProbes { probes, needed, replicas, threshold_seconds, interval_seconds })
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    pub(crate) fn indices(&self) -> Option<Indices> {
        self.tally.indices()
    }

    pub(crate) fn interval(&self, name: &str) -> Option<ShareInterval> {
        let index = self.names.iter().position(|known| **known == *name)?;
        (self.names.len() > 1).then(|| self.tally.interval(index))
    }

    pub(crate) fn interval_reads(&self) -> Option<u64> {
        (self.names.len() > 1).then(|| self.tally.reads())
    }

    fn culprit(&self, suspect: &Suspect) -> Culprit {
        let index = suspect.index;
        let decayed = || self.tally.indices().map_or(0.0, |indices| indices.shares[index]);
        Culprit {
            replica: Arc::clone(&self.names[index]),
            kind: CulpritKind::of(suspect),
            part: suspect.part,
            share: self.detector.recent_share(index).unwrap_or_else(decayed),
            expected: self.detector.shares()[index],
        }
    }
}
