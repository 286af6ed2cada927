//! What a target is asked beyond its regular samples, and what follows from the answers for its replicas.

use std::sync::Arc;

use crate::model::{
    base::Moment,
    cluster::Reachable,
    freshness::PodProbes,
    probe::{DirectSample, PodRead, ProbePlan},
    target::target::Target,
};

impl Target {
    /// Takes in which pods can be asked at their own addresses.
    pub(crate) fn reach(&mut self, reachable: Vec<Reachable>, now: Moment) {
        if let Some(direct) = &mut self.direct {
            direct.reach(reachable, now);
            self.plan_is_old = true;
            self.show_direct();
        }
    }

    /// The port that clients of the Service connect to, if pods are to be asked at all.
    pub(crate) fn asks_port(&self) -> Option<u16> {
        self.direct.as_ref().map(|_| self.spec.port)
    }

    /// Takes in what came of a direct sample.
    pub(crate) fn asked(&mut self, sample: &DirectSample, now: Moment) {
        let Some(direct) = &mut self.direct else { return };
        direct.asked(sample, now);
        self.plan_is_old = true;
        if let Ok(answer) = &sample.sample.outcome {
            let started = sample.sample.started;
            let judged = direct.assess(&answer.identity, started, now);
            if let Some(replica) = self.replicas.get_mut(&sample.pod.name) {
                replica.lags(judged.lag, started);
            }
        }
        self.show_direct();
    }

    /// Whether it is known now which answers are stale.
    pub(crate) fn knows_freshness(&self, now: Moment) -> bool {
        self.direct.as_ref().is_some_and(|direct| direct.knows_freshness(now))
    }

    /// What the sources are to do from now on, if it is not what they do already.
    pub(crate) fn new_plan(&mut self, now: Moment) -> Option<ProbePlan> {
        if !std::mem::take(&mut self.plan_is_old) {
            return None;
        }
        let direct = self.direct.as_ref().map(|direct| direct.asks(now)).unwrap_or_default();
        let plan = ProbePlan { burst: self.bursts.is_on(), direct };
        if plan == self.plan {
            return None;
        }
        self.plan = plan.clone();
        Some(plan)
    }

    /// Takes in that the replica of this name answered through the Service, to a sample that began at `started`; says
    /// more if it is a pod.
    pub(super) fn read(&mut self, name: &Arc<str>, started: Moment, now: Moment) -> Option<PodRead> {
        let pod = self.expected_replicas.pod(name).cloned();
        let uncertainty = pod.as_ref().map(|pod| self.bursts.answered(&pod.uid, started));
        self.plan_is_old |= self.plan.burst;
        let mut fresh = false;
        if let (Some(direct), Some(replica)) = (&mut self.direct, self.replicas.get_mut(name))
            && let Some(identity) = &replica.identity
        {
            // Perhaps another primary than before.
            self.plan_is_old |= !identity.read_only;
            if let Some(pod) = &pod {
                direct.told(&pod.uid, identity, started, now);
            }
            let judged = direct.assess(identity, started, now);
            fresh = judged.stale == Some(false);
            replica.stale_reads += u64::from(judged.stale == Some(true));
            replica.lags(judged.lag, started);
        }
        Some(PodRead { pod: pod?, started, fresh, uncertainty: uncertainty? })
    }

    /// Forgets lags that are no longer true.
    pub(super) fn forget_lags(&mut self, now: Moment) {
        let Some(lasting) = self.direct.as_ref().map(PodProbes::lag_lasts) else { return };
        for replica in self.replicas.iter_mut() {
            replica.lag = replica.lag.filter(|(asked, _)| now.since(*asked) < lasting);
        }
    }

    /// Hands what is known of pods to the replicas that they are.
    fn show_direct(&mut self) {
        let Some(direct) = &self.direct else { return };
        for replica in self.replicas.iter_mut() {
            replica.direct_up = self.expected_replicas.pod(&replica.name).and_then(|pod| direct.is_up(&pod.uid));
        }
    }
}
