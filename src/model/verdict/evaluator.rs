//! Evaluates a target's reads: feeds the detector, and turns its evidence into a verdict.
//!
//! The evaluator feeds a read under three conditions: its probe started after the expectation last changed, no affinity
//! pins the client, and the failures among the latest probes are within the tolerance. A failed probe has no replica:
//! if the probes of one replica fail, the reads of the others alone look unbalanced. No condition depends on the
//! replica that answered, and the evidence stands still while reads are left out, so the detector's false-alarm rate
//! still holds.

use std::{sync::Arc, time::Duration};

use super::{
    evidence::{Detector, DetectorRules, Indices, ShareInterval, Suspect},
    failure_window::FailureWindow,
    share_window::{ShareBasis, ShareWindow, Since},
    verdict::{AllAnswer, Culprit, CulpritKind, FewProbes, Undecided, Verdict, VerdictKind},
};
use crate::model::{base::Moment, probe::FailureReason};

/// After this long without a read for the detector, or after so many intervals, earlier reads say nothing about now.
const OUTAGE: Duration = Duration::from_secs(60);
const OUTAGE_INTERVALS: u32 = 10;

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
    /// The expected replicas, then others that answered since the window changed.
    names: Vec<Arc<str>>,
    /// Of the expected replicas.
    weights: Vec<f64>,
    /// False: the replicas were seen, not configured.
    listed: bool,
    changed: Option<Moment>,
    affinity: Option<Duration>,
    detector: Detector,
    window: ShareWindow,
    /// Reads fed since the evidence was zero, an alarm ended, or an outage.
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
            window: ShareWindow::new(),
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
        if expected.clone().count() == self.weights.len() && expected.clone().zip(known()).all(|(a, b)| same(a, b)) {
            return;
        }
        let place = |name: &Arc<str>| known().position(|(known, _)| known == name);
        let before: Vec<Option<usize>> = expected.clone().map(|(name, _)| place(name)).collect();
        let weights: Vec<f64> = expected.clone().map(|(_, weight)| weight).collect();
        #[expect(clippy::float_cmp, reason = "an unchanged weight is the same number")]
        let reweighted =
            before.iter().zip(&weights).any(|(before, weight)| before.is_some_and(|at| self.weights[at] != *weight));
        if reweighted {
            self.detector.restart(&weights);
            self.window.change(&weights, &vec![None; weights.len()], Since::Expected);
            self.reads = 0;
        } else {
            self.detector.change(&weights, &before);
            let since = if self.weights.is_empty() { Since::Start } else { Since::Expected };
            self.window.change(&weights, &before, since);
        }
        self.failures.expect(self.detector.shares());
        if !self.weights.is_empty() {
            self.restarts += 1;
        }
        self.names = expected.map(|(name, _)| Arc::clone(name)).collect();
        self.weights = weights;
        self.changed = Some(now);
    }

    pub(crate) fn pin(&mut self, affinity: Option<Duration>) {
        if affinity.is_some() != self.affinity.is_some() {
            self.window.change(&self.weights, &vec![None; self.weights.len()], Since::Expected);
            self.names.truncate(self.weights.len());
        }
        self.affinity = affinity;
    }

    /// Expects probes in start order.
    pub(crate) fn observe(&mut self, started: Moment, answered_by: Result<&Arc<str>, FailureReason>) {
        self.failures.observe(answered_by.err());
        let Ok(name) = answered_by else { return };
        if self.changed.is_some_and(|changed| started < changed) {
            return;
        }
        let known = self.names.iter().position(|known| known == name);
        let Some(index) = known.or_else(|| self.meet(name)) else { return };
        if self.affinity.is_some() || self.failures.too_many() || index >= self.weights.len() {
            self.window.observe(index);
            return;
        }
        let since_fed = self.fed.map_or(Duration::ZERO, |fed| started.since(fed));
        self.fed = Some(started);
        if since_fed >= OUTAGE.max(self.interval * OUTAGE_INTERVALS) {
            self.begin(Since::Outage);
        }
        self.reads += 1;
        self.window.observe(index);
        let alarm = self.detector.alarm();
        self.detector.observe(index, since_fed.as_secs_f64());
        match (alarm, self.detector.alarm()) {
            (true, false) => self.begin(Since::AlarmEnded),
            (_, true) => self.date_imbalance(!alarm),
            (false, false) => {}
        }
    }

    fn meet(&mut self, name: &Arc<str>) -> Option<usize> {
        let index = self.window.add()?;
        self.names.push(Arc::clone(name));
        Some(index)
    }

    /// Earlier reads no longer count.
    fn begin(&mut self, since: Since) {
        self.window.keep(0, since);
        self.reads = 0;
    }

    /// Forgets reads from before the imbalance, so that the shares agree with the culprits. Reads of a new imbalance
    /// may follow those of an earlier one.
    fn date_imbalance(&mut self, begins: bool) {
        for suspect in self.detector.culprits() {
            let expected = self.detector.shares()[suspect.index];
            let agrees = self.window.share(suspect.index).is_some_and(|share| match CulpritKind::of(&suspect) {
                CulpritKind::Dead => share <= 0.0,
                CulpritKind::Starved => share < expected,
                CulpritKind::Hot => share > expected,
            });
            let reads = self.window.since_change(&suspect, expected);
            if (begins || !agrees) && reads > 0 {
                self.window.keep(reads, Since::Imbalance);
            }
        }
    }

    pub(crate) fn kind(&self) -> VerdictKind {
        if self.weights.len() < 2 {
            VerdictKind::FewReplicas
        } else if self.affinity.is_some() {
            VerdictKind::Affinity
        } else if self.failures.too_many() {
            VerdictKind::Failures
        } else if self.detector.alarm() {
            VerdictKind::Unbalanced
        } else if self.reads < self.window.stats().reads_to_miss_one() {
            VerdictKind::FewReads
        } else if self.detector.evidence_seconds() >= self.detector.clear_seconds() {
            VerdictKind::Suspicion
        } else {
            VerdictKind::Balanced
        }
    }

    /// `answers`: whether an expected replica answers now.
    pub(crate) fn verdict(&self, answers: impl Fn(&str) -> bool) -> Verdict {
        let replicas = self.weights.len();
        let evidence_seconds = self.detector.evidence_seconds();
        Verdict::Undecided(match self.kind() {
            VerdictKind::Balanced => {
                let answering = self.names[..replicas].iter().filter(|name| answers(name)).count();
                return Verdict::Balanced(AllAnswer { answering, replicas, listed: self.listed });
            }
            VerdictKind::Unbalanced => {
                let culprits = self.detector.culprits().iter().map(|suspect| self.culprit(suspect)).collect();
                return Verdict::Unbalanced { culprits, evidence_seconds };
            }
            VerdictKind::FewReplicas => Undecided::FewReplicas { replicas },
            VerdictKind::Affinity => Undecided::Affinity { stays: self.affinity.unwrap_or_default() },
            VerdictKind::Failures => self.failures.verdict(),
            VerdictKind::FewReads => {
                Undecided::FewReads { reads: self.reads, needed: self.window.stats().reads_to_miss_one(), replicas }
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
        let replicas = self.weights.len();
        let needed = NEEDED * (replicas as f64 / 10.0).max(1.0).powf(POWER);
        let (threshold_seconds, interval_seconds) = (self.threshold_seconds(), self.interval.as_secs_f64());
        let probes = threshold_seconds / interval_seconds;
        let few = replicas > 1 && probes < needed;
        few.then_some(FewProbes { probes, needed, replicas, threshold_seconds, interval_seconds })
    }

    pub(crate) fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Absent while one client is pinned: its reads say nothing about the shares.
    pub(crate) fn indices(&self) -> Option<Indices> {
        self.window.stats().indices().filter(|_| self.affinity.is_none())
    }

    /// Of the reads in the window, 0 to 1; absent without any.
    pub(crate) fn share(&self, name: &str) -> Option<f64> {
        let index = self.names.iter().position(|known| **known == *name);
        self.window.share(index.unwrap_or(usize::MAX))
    }

    pub(crate) fn interval(&self, name: &str) -> Option<ShareInterval> {
        let index = self.names[..self.weights.len()].iter().position(|known| **known == *name)?;
        (self.weights.len() > 1 && self.affinity.is_none()).then(|| self.window.stats().interval(index))
    }

    pub(crate) fn share_basis(&self) -> ShareBasis {
        self.window.basis()
    }

    /// Failed probes, and probes, of the latest ones.
    pub(crate) fn failing(&self) -> (usize, usize) {
        self.failures.failed()
    }

    pub(crate) fn failing_by(&self, reason: FailureReason) -> (usize, usize) {
        self.failures.failed_by(reason)
    }

    fn culprit(&self, suspect: &Suspect) -> Culprit {
        let index = suspect.index;
        Culprit {
            replica: Arc::clone(&self.names[index]),
            kind: CulpritKind::of(suspect),
            part: suspect.part,
            share: self.window.share(index).unwrap_or(0.0),
            expected: self.detector.shares()[index],
        }
    }
}
