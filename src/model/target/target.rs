//! All that is known about one target, built up from its samples and from what its Service routes to.

mod judged;
mod pod_probes;
#[cfg(test)]
mod verdicts;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    burst::Bursts,
    conditions::{Anomalies, Troubles},
    expected_replicas::ExpectedReplicas,
    notice::TargetNotice,
    replica::Replica,
    replicas::{Replicas, version_skew},
    resequencer::Resequencer,
    share_reason::ShareBasis,
    snapshot::{AnswerSeen, FailureSeen, ReplicaSnapshot, TargetSnapshot},
    spec::TargetSpec,
    trend::Trend,
};
use crate::model::{
    base::{Moment, OTHER, ObjectName},
    cluster::Routing,
    freshness::PodProbes,
    probe::{Anomaly, Answer, FailureReason, Latency, PastFailure, PodRead, ProbePlan, Role, Sample, Unrouted},
    verdict::{Check, Evaluator, Expectation, Verdict, VerdictKind},
};

/// How many of the last answers are kept for people.
const TAPE_MAX: usize = 50;

/// How many of the last failures are kept for people, apart from the answers: a busy tape never hides them.
const FAILURES_MAX: usize = 20;

/// Before anything has happened.
const START: Moment = Moment { elapsed: Duration::ZERO, wall: jiff::Timestamp::UNIX_EPOCH };

/// A target is down when so many samples in a row got no answer.
const DOWN_AFTER: u64 = 10;

#[derive(Debug)]
pub(crate) struct Target {
    spec: TargetSpec,
    expected_replicas: ExpectedReplicas,
    replicas: Replicas,
    bursts: Bursts,
    /// Absent if no pod is to be asked at its own address.
    direct: Option<PodProbes>,
    /// What the sources were last told to do.
    plan: ProbePlan,
    /// Something has happened since that may change it.
    plan_is_old: bool,
    samples: u64,
    /// By `FailureReason as usize`.
    failures: [u64; FailureReason::ALL.len()],
    /// Failed samples since the last answer.
    failures_in_a_row: u64,
    skipped: u64,
    primary_reads: u64,
    /// By `Unrouted as usize`.
    strangers: [u64; Unrouted::ALL.len()],
    /// Shared with snapshots, which outlive a step of it only while somebody renders them.
    trend: Arc<Trend>,
    latency: Latency,
    /// Newest first, at most [`TAPE_MAX`]. Shared with snapshots, as the trend is.
    tape: Arc<VecDeque<AnswerSeen>>,
    /// Newest last, at most [`FAILURES_MAX`].
    past_failures: VecDeque<PastFailure>,
    troubles: Troubles,
    anomalies: Anomalies,
    /// Whether it was told that the replicas are not all of one version.
    skewed: bool,
    /// Whether it was told that too few samples fit into the false-alarm period.
    few_samples: bool,
    /// When each sample started and who answered it, or why it failed, on its way to the judge and the trial.
    resequencer: Resequencer<(Moment, Result<Arc<str>, FailureReason>)>,
    evaluator: Evaluator,
    /// The verdict that people were told last; absent while there was none but too little to say.
    told: Option<VerdictKind>,
    check: Option<Check>,
}

/// What a sample brought.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) news: Vec<TargetNotice>,
    /// What is known of the answer, if it was a pod's.
    pub(crate) read: Option<PodRead>,
}

impl Target {
    pub(crate) fn new(spec: TargetSpec) -> Self {
        let mut target = Self {
            expected_replicas: ExpectedReplicas::new(spec.expectation.clone()),
            replicas: Replicas::new(&spec.expectation),
            bursts: Bursts::new(&spec.pace),
            direct: PodProbes::new(&spec.pace),
            plan: ProbePlan::default(),
            plan_is_old: true,
            samples: 0,
            failures: Default::default(),
            failures_in_a_row: 0,
            skipped: 0,
            primary_reads: 0,
            strangers: Default::default(),
            trend: Arc::default(),
            latency: Latency::default(),
            tape: Arc::default(),
            past_failures: VecDeque::new(),
            troubles: Troubles::default(),
            anomalies: Anomalies::default(),
            skewed: false,
            few_samples: false,
            resequencer: Resequencer::default(),
            evaluator: Evaluator::new(&spec.verdict),
            told: None,
            check: None,
            spec,
        };
        target.expect(START);
        target
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    pub(crate) fn service(&self) -> Option<&ObjectName> {
        self.spec.service.as_ref()
    }

    pub(crate) fn statefulset(&self) -> Option<&ObjectName> {
        self.spec.statefulset.as_ref()
    }

    pub(crate) fn sampled(&mut self, sample: Sample, now: Moment) -> Probed {
        let Sample { sequence, started, finished, outcome } = sample;
        self.samples += 1;
        let (answered_by, mut news) = match outcome {
            Ok(answer) => {
                let (name, news) = self.answered(answer, started, finished, now);
                (Ok(name), news)
            }
            Err(failure) => {
                let reason = failure.reason;
                self.failures[reason as usize] += 1;
                self.failures_in_a_row += 1;
                let news = self.troubles.failed(reason, &failure.text, self.samples, now);
                if self.past_failures.len() == FAILURES_MAX {
                    self.past_failures.pop_front();
                }
                self.past_failures.push_back(PastFailure { started, finished, failure });
                (Err(reason), news.into_iter().collect::<Vec<_>>())
            }
        };
        let read = answered_by.as_ref().ok().and_then(|name| self.read(name, started, now));
        self.expect(now);
        if let (Some(rules), None) = (&self.spec.check, &self.check) {
            let affinity = self.expected_replicas.routing().and_then(|routing| routing.affinity);
            // Made with the first sample, when it is known what the Service routes to.
            self.check = Some(Check::new(rules.clone(), self.expected_replicas.expectation(), affinity));
        }
        self.resequencer.insert(sequence, (started, answered_by));
        while let Some((started, answered_by)) = self.resequencer.pop() {
            let answered_by = answered_by.as_ref().map_err(|reason| *reason);
            self.evaluator.observe(started, answered_by);
            if let Some(check) = &mut self.check {
                check.observe(answered_by);
            }
        }
        news.extend(self.notice_verdict());
        Probed { news, read }
    }

    pub(crate) fn skipped(&mut self, count: u64, now: Moment) -> Option<TargetNotice> {
        self.skipped += count;
        self.troubles.skipped(count, self.samples, now)
    }

    /// Takes in whether Kubernetes is heard of the endpoints.
    pub(crate) fn heard(&mut self, heard: bool) {
        self.expected_replicas.heard(heard);
    }

    /// Takes in what the Service routes to now.
    pub(crate) fn routed(&mut self, routing: Option<Routing>, now: Moment) {
        if let Some(routing) = &routing {
            self.bursts.routed(routing, now);
            self.plan_is_old = true;
        }
        let newly_expected = self.expected_replicas.routed(routing, now);
        let pods = self.expected_replicas.routing().into_iter().flat_map(|routing| &routing.endpoints);
        for endpoint in pods.filter(|endpoint| endpoint.pod.is_some()) {
            self.replicas.meet(&endpoint.name);
            self.replicas.pod(&endpoint.name, None);
        }
        self.replicas.expect_from_now(&newly_expected);
        self.expect(now);
    }

    /// Takes in that a pod is gone.
    pub(crate) fn pod_gone(&mut self, name: &str, now: Moment) {
        self.replicas.pod(name, Some(now));
    }

    /// What is so because time passed, although nothing happened.
    pub(crate) fn tick(&mut self, now: Moment) -> Vec<TargetNotice> {
        self.bursts.tick(now);
        self.plan_is_old = true;
        self.forget_lags(now);
        let newly_expected = self.expected_replicas.tick(now);
        self.replicas.expect_from_now(&newly_expected);
        let mut news = self.troubles.tick(self.samples, now);
        let forgotten = self.replicas.forget(self.spec.forget_after, &self.expected_replicas, now);
        let after = self.spec.forget_after;
        news.extend(forgotten.into_iter().map(|replica| TargetNotice::Forgotten { replica, after }));
        self.expect(now);
        self.notice_silence(&mut news);
        news.extend(self.anomalies.tick(now));
        news.extend(self.notice_verdict());
        if self.trend.is_due(now) {
            let failures = self.failures.iter().sum();
            Arc::make_mut(&mut self.trend).take(self.evaluator.evidence_seconds(), self.samples, failures, now);
        }
        self.notice_judging(&mut news);
        news
    }

    /// Takes in with how many targets it shares the false-alarm period of the process; says whether that is news.
    pub(crate) fn share_period(&mut self, targets: u32) -> bool {
        let before = self.evaluator.threshold_seconds();
        self.evaluator.set_threshold(self.spec.verdict.false_alarm_period.saturating_mul(targets.max(1)));
        self.evaluator.threshold_seconds().total_cmp(&before).is_ne()
    }

    pub(crate) fn snapshot(&self) -> TargetSnapshot {
        let recent = self.replicas.recent_reads();
        let seen = self.replicas.iter().filter(|replica| replica.reads > 0).count();
        let knew_freshness = self.direct.as_ref().is_some_and(PodProbes::knew_freshness);
        let replica_snapshot = |replica: &Replica| ReplicaSnapshot {
            name: Arc::clone(&replica.name),
            identity: replica.identity.clone(),
            reads: replica.reads,
            last_answer: replica.last_answer,
            share: (recent > 0.0).then(|| replica.recent_reads / recent),
            expected_share: self.expected_replicas.expectation().share(&replica.name, seen),
            why: self.expected_replicas.why(&replica.name, seen),
            direct_up: replica.direct_up,
            lag: replica.lag.map(|(_, lag)| lag),
            stale_reads: knew_freshness.then_some(replica.stale_reads),
            share_interval: self.evaluator.interval(&replica.name),
        };
        TargetSnapshot {
            name: Arc::clone(&self.spec.name),
            service: self.spec.service.clone(),
            up: self.failures_in_a_row < self.samples.min(DOWN_AFTER),
            samples: self.samples,
            failures: self.failures,
            skipped: self.skipped,
            primary_reads: self.primary_reads,
            strangers: self.strangers,
            anomalies: self.seen_anomalies(),
            verdict: self.evaluator.verdict(),
            evidence_seconds: self.evaluator.evidence_seconds(),
            threshold_seconds: self.evaluator.threshold_seconds(),
            alarms: self.evaluator.alarms(),
            restarts: self.evaluator.restarts(),
            indices: self.evaluator.indices(),
            trend: Arc::clone(&self.trend),
            latency: self.latency.clone(),
            direct: self.direct.as_ref().map(PodProbes::counts),
            replicas: self.replicas.iter().map(replica_snapshot).collect(),
            share_basis: ShareBasis {
                answers: self.replicas.effective_answers(),
                interval_answers: self.evaluator.interval_answers(),
            },
            routing: self.expected_replicas.routing().cloned(),
            last_answers: Arc::clone(&self.tape),
            last_failures: self.past_failures.iter().rev().map(FailureSeen::from).collect(),
            notices: self.notices(),
            check: self.check.as_ref().and_then(Check::outcome),
        }
    }

    fn answered(
        &mut self,
        answer: Answer,
        started: Moment,
        finished: Moment,
        now: Moment,
    ) -> (Arc<str>, Vec<TargetNotice>) {
        self.latency.record(&answer.timings);
        self.failures_in_a_row = 0;
        let role = Role::of(answer.identity.read_only);
        if role == Role::Primary {
            self.primary_reads += 1;
        }
        let (server_id, server_time, total) =
            (answer.identity.server_id, answer.identity.server_time, answer.timings.total);
        let replica = self.replicas.record(answer, &self.expected_replicas, now);
        let name = Arc::clone(&replica.name);
        let mut news = Vec::new();
        if let (1, Some(identity)) = (replica.reads, &replica.identity) {
            news.push(match &*name {
                OTHER => TargetNotice::TooManyReplicas,
                _ => TargetNotice::Appeared {
                    replica: Arc::clone(&name),
                    server_id,
                    role,
                    version: identity.version.clone(),
                },
            });
        }
        let left_out = self.expected_replicas.leaves_out(&name).then(|| match role {
            Role::Primary => Anomaly::Primary { replica: Arc::clone(&name) },
            Role::Replica => Anomaly::Unexpected { replica: Arc::clone(&name) },
        });
        let shown = [replica.changed.clone(), left_out, self.replicas.shares_id(&name, now)];
        for anomaly in shown.into_iter().flatten() {
            if let Some(check) = &mut self.check {
                check.anomaly(&anomaly);
            }
            news.extend(self.anomalies.seen(anomaly, self.samples, now));
        }
        self.expected_replicas.answered(&name);
        if let Some(stranger) = self.expected_replicas.strange(&name, started) {
            self.strangers[stranger as usize] += 1;
            news.extend(self.troubles.strange(stranger, &name, self.samples, now));
        }
        let tape = Arc::make_mut(&mut self.tape);
        tape.truncate(TAPE_MAX - 1);
        tape.push_front(AnswerSeen {
            time: finished.wall,
            replica: Arc::clone(&name),
            server_id,
            server_time,
            duration: total,
        });
        (name, news)
    }

    fn notice_silence(&mut self, news: &mut Vec<TargetNotice>) {
        let (answers, replicas) = (self.replicas.answers(), self.replicas.len());
        let expectation = self.expected_replicas.expectation();
        for replica in self.replicas.iter_mut() {
            let silent = replica.is_silent(answers, expectation, replicas);
            if silent != replica.silent {
                replica.silent = silent;
                news.push(if silent {
                    silence(replica, answers, expectation, replicas)
                } else {
                    TargetNotice::Returned { replica: Arc::clone(&replica.name) }
                });
            }
        }
    }

    /// What is wrong now.
    fn notices(&self) -> Vec<TargetNotice> {
        let (answers, replicas) = (self.replicas.answers(), self.replicas.len());
        let silent = self
            .replicas
            .iter()
            .filter(|replica| replica.silent)
            .map(|replica| silence(replica, answers, self.expected_replicas.expectation(), replicas));
        let overflow = self.replicas.iter().any(|replica| &*replica.name == OTHER);
        let overflow = overflow.then_some(TargetNotice::TooManyReplicas);
        let nowhere = self.expected_replicas.routing().filter(|routing| routing.routed().next().is_none());
        let nowhere = nowhere.map(|routing| TargetNotice::NothingRouted { rule: routing.rule });
        let alarm = Some(self.evaluator.verdict()).filter(Verdict::is_unbalanced).map(TargetNotice::Verdict);
        let skew = version_skew(self.replicas.iter());
        let wrong = alarm.into_iter().chain(self.anomalies.notices()).chain(self.troubles.notices(self.samples));
        let wrong = wrong.chain(nowhere).chain(silent).chain(overflow);
        wrong.chain(self.evaluator.few_samples().map(TargetNotice::FewSamples)).chain(skew).collect()
    }
}

fn silence(replica: &Replica, answers: u64, expectation: &Expectation, replicas: usize) -> TargetNotice {
    TargetNotice::Silent {
        replica: Arc::clone(&replica.name),
        share: expectation.share(&replica.name, replicas),
        missed: answers - replica.answers_then,
    }
}
