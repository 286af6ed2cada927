//! All that is known about one target, built up from its samples.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    episode::{Episode, Progress, TOLD_EVERY},
    expectation::Expectation,
    failure::{Failure, FailureReason, PastFailure},
    latency::Latency,
    moment::Moment,
    notice::Notice,
    order::StartOrder,
    replica::{Replica, Role},
    roster::{OTHER, Roster},
    sample::{Answer, Sample},
    snapshot::{AnswerSeen, FailureSeen, ReplicaSnapshot, TargetSnapshot},
    trial::{Trial, TrialRules},
};

/// How many of the last answers are kept for people.
const TAPE_MAX: usize = 50;

/// How many of the last failures are kept for people, apart from the answers: a busy tape never hides them.
const FAILURES_MAX: usize = 20;

/// A target is down when so many samples in a row got no answer.
const DOWN_AFTER: u64 = 10;

/// Names one target among all; never used twice in the life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub u32);

/// What a target is before anything is known about it.
#[derive(Clone, Debug)]
pub struct TargetSpec {
    /// The `target` label.
    pub name: Arc<str>,
    /// Which replicas should answer.
    pub expectation: Expectation,
    /// A replica that is not expected is forgotten this long after its last answer.
    pub forget_after: Duration,
    /// One bounded test of the reads, for `check`.
    pub trial: Option<TrialRules>,
}

#[derive(Debug)]
pub(crate) struct Target {
    spec: TargetSpec,
    roster: Roster,
    samples: u64,
    /// By `FailureReason as usize`.
    failures: [u64; FailureReason::ALL.len()],
    /// Failed samples since the last answer.
    failures_in_a_row: u64,
    skipped: u64,
    primary_reads: u64,
    latency: Latency,
    /// Newest last, at most [`TAPE_MAX`].
    tape: VecDeque<AnswerSeen>,
    /// Newest last, at most [`FAILURES_MAX`].
    past_failures: VecDeque<PastFailure>,
    /// By `FailureReason as usize`; open while samples fail for that reason.
    failing: [Option<Episode>; FailureReason::ALL.len()],
    skipping: Option<Episode>,
    /// Who answered each sample, or why it failed, on its way to the trial.
    order: StartOrder<Result<Arc<str>, FailureReason>>,
    trial: Option<Trial>,
}

impl Target {
    pub(crate) fn new(spec: TargetSpec) -> Self {
        Self {
            roster: Roster::new(&spec.expectation),
            samples: 0,
            failures: Default::default(),
            failures_in_a_row: 0,
            skipped: 0,
            primary_reads: 0,
            latency: Latency::default(),
            tape: VecDeque::with_capacity(TAPE_MAX),
            past_failures: VecDeque::new(),
            failing: Default::default(),
            skipping: None,
            order: StartOrder::default(),
            trial: spec.trial.as_ref().map(|rules| Trial::new(rules.clone(), &spec.expectation)),
            spec,
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    pub(crate) fn sampled(&mut self, sample: Sample, now: Moment) -> Vec<Notice> {
        let Sample { sequence, started, finished, outcome } = sample;
        let (answered_by, news) = match outcome {
            Ok(answer) => {
                let (name, news) = self.answered(answer, finished, now);
                (Ok(name), news)
            }
            Err(failure) => {
                let reason = failure.reason;
                let news = self.failed(PastFailure { started, finished, failure }, now);
                (Err(reason), news.into_iter().collect())
            }
        };
        self.samples += 1;
        if let Some(trial) = &mut self.trial {
            self.order.insert(sequence, answered_by);
            while let Some(answered_by) = self.order.pop() {
                trial.observe(answered_by.as_ref().map_err(|reason| *reason));
            }
        }
        news
    }

    pub(crate) fn skipped(&mut self, count: u64, now: Moment) -> Option<Notice> {
        self.skipped += count;
        let begins = self.skipping.is_none();
        let episode = self.skipping.get_or_insert_with(|| Episode::begin(self.samples, now));
        episode.occurred(count, "", now);
        begins.then_some(Notice::Skipping { skipped: count })
    }

    /// What is so because time passed, although nothing happened.
    pub(crate) fn tick(&mut self, now: Moment) -> Vec<Notice> {
        let mut news = Vec::new();
        for reason in FailureReason::ALL {
            let slot = &mut self.failing[reason as usize];
            let Some(episode) = slot else { continue };
            match episode.progress(now) {
                Progress::Nothing => {}
                Progress::GoesOn => news.push(failing(reason, episode, self.samples)),
                Progress::Over => {
                    news.push(Notice::Recovered { reason, failed: episode.count, quiet: TOLD_EVERY });
                    *slot = None;
                }
            }
        }
        if let Some(episode) = &mut self.skipping {
            match episode.progress(now) {
                Progress::Nothing => {}
                Progress::GoesOn => news.push(Notice::Skipping { skipped: episode.count }),
                Progress::Over => {
                    news.push(Notice::OnTime { skipped: episode.count });
                    self.skipping = None;
                }
            }
        }
        let forgotten = self.roster.forget(self.spec.forget_after, &self.spec.expectation, now);
        let after = self.spec.forget_after;
        news.extend(forgotten.into_iter().map(|replica| Notice::Forgotten { replica, after }));
        self.notice_silence(&mut news);
        news
    }

    pub(crate) fn snapshot(&self) -> TargetSnapshot {
        let recent: f64 = self.roster.replicas().map(|replica| replica.recent_reads).sum();
        let seen = self.roster.replicas().filter(|replica| replica.reads > 0).count();
        let replica_snapshot = |replica: &Replica| ReplicaSnapshot {
            name: Arc::clone(&replica.name),
            identity: replica.identity.clone(),
            reads: replica.reads,
            last_answer: replica.last_answer,
            share: (recent > 0.0).then(|| replica.recent_reads / recent),
            expected_share: self.spec.expectation.share(&replica.name, seen),
        };
        TargetSnapshot {
            name: Arc::clone(&self.spec.name),
            up: self.failures_in_a_row < self.samples.min(DOWN_AFTER),
            samples: self.samples,
            failures: self.failures,
            skipped: self.skipped,
            primary_reads: self.primary_reads,
            latency: self.latency.clone(),
            replicas: self.roster.replicas().map(replica_snapshot).collect(),
            last_answers: self.tape.iter().rev().cloned().collect(),
            last_failures: self.past_failures.iter().rev().map(FailureSeen::from).collect(),
            notices: self.notices(),
            trial: self.trial.as_ref().and_then(Trial::outcome),
        }
    }

    fn answered(&mut self, answer: Answer, finished: Moment, now: Moment) -> (Arc<str>, Vec<Notice>) {
        self.latency.record(&answer.timings);
        self.failures_in_a_row = 0;
        let role = Role::of(answer.identity.read_only);
        if role == Role::Primary {
            self.primary_reads += 1;
        }
        let (server_id, server_time, total) =
            (answer.identity.server_id, answer.identity.server_time, answer.timings.total);
        let replica = self.roster.record(answer, &self.spec.expectation, now);
        let name = Arc::clone(&replica.name);
        let mut news = Vec::new();
        if let (1, Some(identity)) = (replica.reads, &replica.identity) {
            news.push(match &*name {
                OTHER => Notice::TooManyReplicas,
                _ => {
                    Notice::Appeared { replica: Arc::clone(&name), server_id, role, version: identity.version.clone() }
                }
            });
        }
        if self.tape.len() == TAPE_MAX {
            self.tape.pop_front();
        }
        self.tape.push_back(AnswerSeen {
            time: finished.wall,
            replica: Arc::clone(&name),
            server_id,
            server_time,
            duration: total,
        });
        (name, news)
    }

    fn failed(&mut self, past: PastFailure, now: Moment) -> Option<Notice> {
        let Failure { reason, text, .. } = &past.failure;
        let reason = *reason;
        self.failures[reason as usize] += 1;
        self.failures_in_a_row += 1;
        let slot = &mut self.failing[reason as usize];
        let begins = slot.is_none();
        let episode = slot.get_or_insert_with(|| Episode::begin(self.samples, now));
        episode.occurred(1, text, now);
        let news = begins.then(|| failing(reason, episode, self.samples + 1));
        if self.past_failures.len() == FAILURES_MAX {
            self.past_failures.pop_front();
        }
        self.past_failures.push_back(past);
        news
    }

    fn notice_silence(&mut self, news: &mut Vec<Notice>) {
        let (answers, replicas) = (self.roster.answers(), self.roster.len());
        let expectation = &self.spec.expectation;
        for replica in self.roster.replicas_mut() {
            let silent = replica.is_silent(answers, expectation, replicas);
            if silent != replica.silent {
                replica.silent = silent;
                news.push(if silent {
                    silence(replica, answers, expectation, replicas)
                } else {
                    Notice::Returned { replica: Arc::clone(&replica.name) }
                });
            }
        }
    }

    /// What is wrong now.
    fn notices(&self) -> Vec<Notice> {
        let (answers, replicas) = (self.roster.answers(), self.roster.len());
        let silent = self
            .roster
            .replicas()
            .filter(|replica| replica.silent)
            .map(|replica| silence(replica, answers, &self.spec.expectation, replicas));
        let failures = FailureReason::ALL.into_iter().filter_map(|reason| {
            let episode = self.failing[reason as usize].as_ref()?;
            Some(failing(reason, episode, self.samples))
        });
        let skipping = self.skipping.iter().map(|episode| Notice::Skipping { skipped: episode.count });
        let overflow = self.roster.replicas().any(|replica| &*replica.name == OTHER);
        let overflow = overflow.then_some(Notice::TooManyReplicas);
        failures.chain(silent).chain(skipping).chain(overflow).collect()
    }
}

fn failing(reason: FailureReason, episode: &Episode, samples: u64) -> Notice {
    let samples = samples - episode.samples_before;
    Notice::Failing { reason, failed: episode.count, samples, text: episode.text.clone() }
}

fn silence(replica: &Replica, answers: u64, expectation: &Expectation, replicas: usize) -> Notice {
    Notice::Silent {
        replica: Arc::clone(&replica.name),
        share: expectation.share(&replica.name, replicas),
        missed: answers - replica.answers_then,
    }
}
