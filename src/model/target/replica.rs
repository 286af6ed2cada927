//! One MySQL server behind a target: who it is and how often it answered.

use std::sync::Arc;

use crate::model::{
    base::Moment,
    freshness::Lag,
    probe::{Answer, Identity},
    verdict::Expectation,
};

/// Tells servers apart: the `server_uuid`; where there is none (`MariaDB`), host name and `server_id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ServerKey {
    Uuid(String),
    Host(String, u32),
}

/// One replica, from its first answer, or from the start if it is expected.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) name: Arc<str>,
    /// What it last said of itself; `None` until it has answered.
    pub(crate) identity: Option<Arc<Identity>>,
    /// Keys this replica had before, the latest last; see `Replicas::recognise`.
    pub(crate) former: Vec<ServerKey>,
    pub(crate) reads: u64,
    /// Reads weighted by age, as of the target's last answer; see `Replicas::record`.
    pub(crate) recent_reads: f64,
    pub(crate) first_answer: Option<Moment>,
    pub(crate) last_answer: Option<Moment>,
    /// The uid of the pod that it was when it last answered, if that was known.
    pub(crate) pod_uid: Option<Arc<str>>,
    /// How many answers the target had when this replica gave its last one.
    pub(crate) answers_then: u64,
    /// Whether its silence was told and not yet ended.
    pub(crate) silent: bool,
    /// Since when its pod is gone, if it had one.
    pub(crate) pod_gone: Option<Moment>,
    /// Whether it answered the last direct sample.
    pub(crate) direct_up: Option<bool>,
    /// How far it was behind when the sample began that it answered last, by either way.
    pub(crate) lag: Option<(Moment, Lag)>,
    /// Its answers through the Service that were stale.
    pub(crate) stale_reads: u64,
}

impl ServerKey {
    pub(crate) fn of(identity: &Identity) -> Self {
        match &identity.server_uuid {
            Some(uuid) => Self::Uuid(uuid.clone()),
            None => Self::Host(identity.host_name.clone(), identity.server_id),
        }
    }
}

impl Replica {
    pub(crate) fn expected(name: Arc<str>) -> Self {
        Self {
            name,
            identity: None,
            former: Vec::new(),
            reads: 0,
            recent_reads: 0.0,
            first_answer: None,
            last_answer: None,
            pod_uid: None,
            answers_then: 0,
            silent: false,
            pod_gone: None,
            direct_up: None,
            lag: None,
            stale_reads: 0,
        }
    }

    pub(crate) fn answered(&mut self, answer: Answer, answers: u64, now: Moment) {
        self.identity = Some(Arc::new(answer.identity));
        self.reads += 1;
        self.recent_reads += 1.0;
        self.first_answer.get_or_insert(now);
        self.last_answer = Some(now);
        self.answers_then = answers;
    }

    /// Takes in how far it was behind when a sample began, if that is known. Samples may be told in another order than
    /// that in which they began.
    pub(crate) fn lags(&mut self, lag: Option<Lag>, asked: Moment) {
        if self.lag.is_none_or(|(before, _)| before <= asked) {
            self.lag = lag.map(|lag| (asked, lag));
        }
    }

    /// Whether so many answers without this replica are beyond chance: the part `share` that it should give, missed
    /// `answers` times in a row, is less likely than 1e-9 shared among all `replicas`:
    /// `(1 - share)^answers <= 1e-9 / replicas`.
    pub(crate) fn is_silent(&self, answers: u64, expectation: &Expectation, replicas: usize) -> bool {
        const CHANCE: f64 = 1e-9;
        let share = expectation.share(&self.name, replicas);
        if replicas < 2 || share <= 0.0 {
            return false;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let (missed, replicas) = ((answers - self.answers_then) as f64, replicas as f64);
        missed * -(-share).ln_1p() >= (replicas / CHANCE).ln()
    }
}
