//! How a target's reads are judged: who is expected, what is wrong beside the shares, and what is new of it.

use crate::model::{
    base::{Moment, OTHER},
    probe::{AnomalySeen, Unrouted},
    target::{notice::TargetNotice, replicas::version_skew, target::Target},
    verdict::{Expectation, VerdictKind},
};

impl Target {
    /// Of every kind, those of strangers first.
    pub(super) fn seen_anomalies(&self) -> Vec<AnomalySeen> {
        let strangers = Unrouted::ALL.into_iter().zip(self.strangers);
        let strange = strangers.map(|(stranger, answers)| AnomalySeen { kind: stranger.name(), answers, latest: None });
        strange.chain(self.anomalies.counts()).collect()
    }

    /// Tells the judge who is expected now.
    pub(super) fn expect(&mut self, now: Moment) {
        self.evaluator.pin(self.expected_replicas.routing().and_then(|routing| routing.affinity));
        match self.expected_replicas.expectation() {
            Expectation::Listed(entries) => {
                self.evaluator.expect(entries.iter().map(|entry| (&entry.name, entry.weight)), true, now);
            }
            Expectation::Seen => {
                let seen = self.replicas.iter().filter(|replica| replica.reads > 0 && &*replica.name != OTHER);
                self.evaluator.expect(seen.map(|replica| (&replica.name, 1.0)), false, now);
            }
        }
    }

    /// The verdict, if it is another one than people know of.
    pub(super) fn notice_verdict(&mut self) -> Option<TargetNotice> {
        let kind = self.evaluator.kind();
        let beginning = self.told.is_none() && matches!(kind, VerdictKind::FewReplicas | VerdictKind::FewAnswers);
        // A suspicion is an alarm or over within a few answers.
        if beginning || kind == VerdictKind::Suspicion || self.told == Some(kind) {
            return None;
        }
        self.told = Some(kind);
        Some(TargetNotice::Verdict(self.evaluator.verdict()))
    }

    /// What keeps the verdict or the replicas from being what they should be, when it begins.
    pub(super) fn notice_judging(&mut self, news: &mut Vec<TargetNotice>) {
        let skew = version_skew(self.replicas.iter());
        let few = self.evaluator.few_samples().map(TargetNotice::FewSamples);
        let skewed = std::mem::replace(&mut self.skewed, skew.is_some());
        let had_few = std::mem::replace(&mut self.few_samples, few.is_some());
        news.extend(skew.filter(|_| !skewed));
        news.extend(few.filter(|_| !had_few));
    }
}
