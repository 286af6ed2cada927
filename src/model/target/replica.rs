//! One MySQL server behind a target: identity, reads and lag.

use std::sync::Arc;

use super::slowness::Slowness;
use crate::model::{
    base::{Histogram, Moment},
    clients::ClientCounters,
    freshness::Lag,
    probe::{Answer, Identity},
    verdict::Expectation,
};

/// Of the reads of one replica, in seconds.
const READ_BOUNDS: [f64; 6] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5];

/// Exists from its first read, or from the start if it is expected.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) name: Arc<str>,
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) reads: u64,
    pub(crate) first_answer: Option<Moment>,
    pub(crate) last_answer: Option<Moment>,
    /// The pod at the last read, if it was known.
    pub(crate) pod_uid: Option<Arc<str>>,
    /// Number of the target's reads at the last read of this replica.
    pub(crate) reads_then: u64,
    /// Minus the logarithm of the probability of the reads missed since then.
    silence: f64,
    /// A notice reported its silence, and none its return.
    pub(crate) silent: bool,
    pub(crate) pod_gone: Option<Moment>,
    pub(crate) pod_probe_up: Option<bool>,
    /// Lag at the start of the last answered probe or pod probe.
    pub(crate) lag: Option<(Moment, Lag)>,
    pub(crate) stale_reads: u64,
    /// Durations without the time to resolve the address.
    pub(crate) durations: Histogram,
    pub(crate) slowness: Slowness,
    pub(crate) clients: ClientCounters,
}

impl Replica {
    pub(crate) fn expected(name: Arc<str>) -> Self {
        Self {
            name,
            identity: None,
            reads: 0,
            first_answer: None,
            last_answer: None,
            pod_uid: None,
            reads_then: 0,
            silence: 0.0,
            silent: false,
            pod_gone: None,
            pod_probe_up: None,
            lag: None,
            stale_reads: 0,
            durations: Histogram::new(&READ_BOUNDS),
            slowness: Slowness::default(),
            clients: ClientCounters::default(),
        }
    }

    pub(crate) fn answered(&mut self, answer: Answer, reads: u64, now: Moment) {
        self.identity = Some(Arc::new(answer.identity));
        self.reads += 1;
        self.first_answer.get_or_insert(now);
        self.last_answer = Some(now);
        self.expect_from(reads);
    }

    /// Takes over the reads of the same server under its earlier name.
    pub(crate) fn absorb(&mut self, earlier: Self) {
        self.reads += earlier.reads;
        self.stale_reads += earlier.stale_reads;
        self.durations.add(&earlier.durations);
        self.first_answer = earlier.first_answer.into_iter().chain(self.first_answer).min();
        self.last_answer = self.last_answer.max(earlier.last_answer);
        self.identity = self.identity.take().or(earlier.identity);
        self.lag = self.lag.or(earlier.lag);
        self.clients.absorb(earlier.clients);
    }

    /// `started` is the start of the probe. Results may arrive in another order.
    pub(crate) fn lags(&mut self, lag: Option<Lag>, started: Moment) {
        if self.lag.is_none_or(|(before, _)| before <= started) {
            self.lag = lag.map(|lag| (started, lag));
        }
    }

    /// A read of another replica, while this one was expected to get the share of the reads.
    pub(crate) fn missed(&mut self, share: f64) {
        // The others that answer may be about to join, or in flight since before they left.
        const SHARE_MAX: f64 = 0.5;
        self.silence -= (-share.min(SHARE_MAX)).ln_1p();
    }

    /// Earlier reads do not count as missed.
    pub(crate) fn expect_from(&mut self, reads: u64) {
        (self.reads_then, self.silence) = (reads, 0.0);
    }

    /// True if so many reads without this replica are beyond chance: so long a silence must be less likely than 1e-9
    /// divided among all replicas. The probability is the product of `1 - share` over the missed reads, each with the
    /// share that was expected then.
    pub(crate) fn is_silent(&self, expectation: &Expectation, replicas: usize) -> bool {
        const CHANCE: f64 = 1e-9;
        if replicas < 2 || expectation.share(&self.name, replicas) <= 0.0 {
            return false;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most a few hundred replicas")]
        let replicas = replicas as f64;
        self.silence >= (replicas / CHANCE).ln()
    }
}
