//! Pod probes of a target: whether each pod serves, which one is the primary, and how far the others lag behind it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    freshness::{Freshness, Lag},
    gtid::GtidSet,
};
use crate::model::{
    base::Moment,
    cluster::Reachable,
    probe::{FailureReason, Identity, PodProbe, PodProbeCounts, PodProbeResult, ProbeIntervals, ProbePurpose},
};

/// Interval for a new pod that has not answered yet.
const NEW_EVERY: Duration = Duration::from_millis(200);

/// A slow pod is probed less often: the time of its first answer is known to this part of its waiting time.
const NEW_PRECISION: u32 = 128;

/// Interval and duration of the search for a new primary.
const SEARCH_EVERY: Duration = Duration::from_secs(1);
const SEARCHED_FOR: Duration = Duration::from_secs(60);

/// Interval while probes through the Service fail, and for how long after the last failure: pod probes show whose failures
/// they are.
const SUSPECT_EVERY: Duration = Duration::from_secs(3);
const SUSPECTED_FOR: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct PodProbes {
    interval: Duration,
    reachable: Vec<Reachable>,
    /// By uid.
    states: BTreeMap<Arc<str>, PodState>,
    counts: PodProbeCounts,
    freshness: Freshness,
    /// When the primary was lost; `None` while there is one.
    lost: Option<Moment>,
    /// The last failure of a probe through the Service.
    failed: Option<Moment>,
    knew: bool,
    /// The last set, as text and parsed; idle servers all have the same.
    parsed: (String, Arc<GtidSet>),
}

#[derive(Debug, Default)]
struct PodState {
    /// `read_only` in the last answer, from a probe or pod probe, and the start of that probe.
    last_answer: Option<(bool, Moment)>,
    /// Of the last pod probe. Boxed: most pods answer.
    result: Option<Result<(), Box<PodFailing>>>,
}

/// Pod probes of a pod fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodFailing {
    /// Start of the first one.
    pub(crate) since: Moment,
    pub(crate) reason: FailureReason,
    pub(crate) text: String,
    pub(crate) advice: &'static str,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) lag: Option<Lag>,
    pub(crate) stale: Option<bool>,
}

impl PodProbes {
    /// `None` if pods are not probed.
    pub(crate) fn new(pace: &ProbeIntervals) -> Option<Self> {
        Some(Self {
            interval: pace.pod_interval?,
            reachable: Vec::new(),
            states: BTreeMap::new(),
            counts: PodProbeCounts::default(),
            freshness: Freshness::new(pace.max_lag),
            lost: None,
            failed: None,
            knew: false,
            parsed: Default::default(),
        })
    }

    pub(crate) fn reach(&mut self, reachable: Vec<Reachable>, now: Moment) {
        let had_primary = self.primary(now).is_some();
        self.states.retain(|uid, _| reachable.iter().any(|pod| pod.pod.uid == *uid));
        self.reachable = reachable;
        if had_primary && self.primary(now).is_none() {
            self.lost = Some(now);
        }
    }

    pub(crate) fn probed(&mut self, result: &PodProbeResult, now: Moment) {
        let PodProbeResult { pod, purpose, probe } = result;
        self.counts.taken[*purpose as usize] += 1;
        if self.is_reachable(&pod.uid) {
            let state = self.states.entry(Arc::clone(&pod.uid)).or_default();
            let before = state.result.take().and_then(Result::err);
            state.result = Some(probe.outcome.as_ref().map(|_| ()).map_err(|failure| {
                let since = before.map_or(probe.started, |failing| failing.since);
                let (text, advice) = (failure.text.clone(), failure.advice());
                Box::new(PodFailing { since, reason: failure.reason, text, advice })
            }));
        }
        match &probe.outcome {
            Ok(answer) => {
                let identity = &answer.identity;
                self.answered(&pod.uid, identity, probe.started, now);
                if let (false, Some(server)) = (identity.read_only, &identity.server_uuid)
                    && let Some(set) = self.parse(identity)
                {
                    self.freshness.primary_answered(server, set, probe.started, probe.finished);
                }
            }
            Err(_) => self.counts.failed[*purpose as usize] += 1,
        }
        self.look_for_primary(now);
        self.knew |= self.knows_freshness(now);
    }

    /// A probe through the Service failed.
    pub(crate) fn failed(&mut self, now: Moment) {
        self.failed = Some(now);
    }

    /// `started` is the start of the probe or pod probe.
    pub(crate) fn answered(&mut self, uid: &Arc<str>, identity: &Identity, started: Moment, now: Moment) {
        if !self.is_reachable(uid) {
            return;
        }
        let state = self.states.entry(Arc::clone(uid)).or_default();
        if state.last_answer.is_none_or(|(_, before)| before <= started) {
            state.last_answer = Some((identity.read_only, started));
        }
        if let (true, Some(server)) = (identity.read_only, &identity.server_uuid) {
            self.freshness.replica_answered(server, started);
        }
        self.look_for_primary(now);
    }

    pub(crate) fn assess(&mut self, identity: &Identity, started: Moment, now: Moment) -> Judged {
        if self.primary(now).is_none() {
            return Judged::default();
        }
        let Some(set) = self.parse(identity) else { return Judged::default() };
        Judged { lag: self.freshness.lag(&set, started), stale: self.freshness.is_stale(&set, started) }
    }

    pub(crate) fn knows_freshness(&self, now: Moment) -> bool {
        self.primary(now).is_some() && self.freshness.knows(now)
    }

    pub(crate) fn knew_freshness(&self) -> bool {
        self.knew
    }

    pub(crate) fn is_up(&self, uid: &str) -> Option<bool> {
        self.result(uid).map(|result| result.is_ok())
    }

    /// The result of the last pod probe.
    pub(crate) fn result(&self, uid: &str) -> Option<Result<(), &PodFailing>> {
        let result = self.states.get(uid)?.result.as_ref()?;
        Some(result.as_ref().copied().map_err(AsRef::as_ref))
    }

    /// Whether probes of this pod may still find its server.
    pub(crate) fn may_find(&self, uid: &str) -> bool {
        self.is_up(uid) != Some(false) && self.is_reachable(uid)
    }

    /// Ends the probes of a pod.
    pub(crate) fn leave_out(&mut self, uid: &str) {
        self.states.remove(uid);
        self.reachable.retain(|reachable| *reachable.pod.uid != *uid);
    }

    pub(crate) fn counts(&self) -> PodProbeCounts {
        self.counts
    }

    pub(crate) fn lag_lasts(&self) -> Duration {
        (self.interval * 3).max(Duration::from_secs(30))
    }

    pub(crate) fn plan(&self, now: Moment) -> Vec<PodProbe> {
        let primary = self.primary(now);
        let searching = primary.is_none() && self.lost.is_some_and(|lost| now.since(lost) < SEARCHED_FOR);
        let pod_probe = |reachable: &Reachable| {
            let (mut purpose, mut every) = (ProbePurpose::Replica, self.interval);
            if primary == Some(&reachable.pod.uid) {
                (purpose, every) = (ProbePurpose::Primary, self.freshness.poll_interval());
            } else if let Some(since) = reachable.coming_since {
                // Whole seconds, so that the plan does not change at each call.
                let age = Duration::from_secs(now.since(since).as_secs());
                every = (age / NEW_PRECISION).max(NEW_EVERY).min(self.interval);
            } else if searching {
                every = SEARCH_EVERY.min(self.interval);
            } else if self.failed.is_some_and(|failed| now.since(failed) < SUSPECTED_FOR) {
                every = SUSPECT_EVERY.min(self.interval);
            }
            let (pod, addresses) = (reachable.pod.clone(), reachable.addresses.clone());
            PodProbe { pod, restarts: reachable.restarts, addresses, purpose, every }
        };
        self.reachable.iter().map(pod_probe).collect()
    }

    /// The only pod whose last answer was not read-only; `None` without one, or with several.
    fn primary(&self, now: Moment) -> Option<&Arc<str>> {
        let silent_after = self.freshness.silent_after();
        let is_primary = |state: &PodState| {
            let there = |started| !matches!(state.result, Some(Err(_))) || now.since(started) <= silent_after;
            state.last_answer.is_some_and(|(read_only, started)| !read_only && there(started))
        };
        let mut primaries = self.states.iter().filter(|(_, state)| is_primary(state));
        let (uid, _) = primaries.next()?;
        primaries.next().is_none().then_some(uid)
    }

    pub(crate) fn is_reachable(&self, uid: &str) -> bool {
        self.reachable.iter().any(|reachable| *reachable.pod.uid == *uid)
    }

    fn look_for_primary(&mut self, now: Moment) {
        if self.primary(now).is_some() {
            self.lost = None;
        } else if self.knew && self.lost.is_none() {
            self.lost = Some(now);
        }
    }

    fn parse(&mut self, identity: &Identity) -> Option<Arc<GtidSet>> {
        let text = identity.gtid_executed.as_ref()?;
        if *text != self.parsed.0 {
            // An invalid text counts as no set.
            self.parsed = (text.clone(), Arc::new(text.parse().ok()?));
        }
        Some(Arc::clone(&self.parsed.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        base::PodRef,
        probe::{Answer, Failure, FailureReason, Probe, Timings},
    };

    const SOURCE: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

    fn reachable(uid: &str, coming_since: Option<f64>) -> Reachable {
        Reachable {
            pod: PodRef { name: uid.into(), uid: uid.into() },
            addresses: vec![([10, 0, 0, 1], 3306).into()],
            restarts: 0,
            coming_since: coming_since.map(Moment::at),
        }
    }

    fn identity(server: &str, read_only: bool, transactions: u32) -> Identity {
        Identity {
            server_id: 1,
            server_uuid: Some(server.to_owned()),
            host_name: server.to_owned(),
            read_only,
            version: String::new(),
            server_time: None,
            gtid_executed: Some(format!("{SOURCE}:1-{transactions}")),
        }
    }

    fn pod_probes() -> PodProbes {
        let pace = ProbeIntervals {
            pod_interval: Some(Duration::from_secs(10)),
            ..ProbeIntervals::regular(Duration::from_secs(1))
        };
        let mut pod_probes = PodProbes::new(&pace).unwrap();
        pod_probes.reach(vec![reachable("a", None), reachable("b", None)], Moment::at(1.0));
        pod_probes
    }

    impl PodProbes {
        /// Result of a pod probe at `second` with an immediate answer; `None`: it failed.
        fn gets(&mut self, uid: &str, second: f64, identity: Option<Identity>) {
            let (started, finished) = (Moment::at(second), Moment::at(second + 0.01));
            let failure = || Failure {
                reason: FailureReason::Refused,
                text: String::new(),
                address: None,
                charge: None,
                advice: None,
            };
            let answer = |identity| {
                let address = ([10, 0, 0, 1], 3306).into();
                Answer { identity, timings: Timings::default(), address, status: None }
            };
            let probe = Probe { sequence: 0, started, finished, outcome: identity.map(answer).ok_or_else(failure) };
            let pod = PodRef { name: uid.into(), uid: uid.into() };
            self.probed(&PodProbeResult { pod, purpose: ProbePurpose::Replica, probe }, finished);
        }

        /// Pod `a` is the primary with `transactions` transactions, probed every 0.25 s.
        fn led_by_a(&mut self, from: u32, to: u32, transactions: u32) {
            for quarter in 4 * from..=4 * to {
                self.gets("a", f64::from(quarter) / 4.0, Some(identity("a", false, transactions)));
            }
        }

        fn judged(&mut self, identity: &Identity, second: f64) -> (Option<f64>, Option<bool>) {
            let judged = self.assess(identity, Moment::at(second), Moment::at(second));
            (judged.lag.map(|lag| lag.behind.as_secs_f64()), judged.stale)
        }

        fn planned(&self, second: f64) -> Vec<(ProbePurpose, f64)> {
            let ask = |ask: PodProbe| (ask.purpose, ask.every.as_secs_f64());
            self.plan(Moment::at(second)).into_iter().map(ask).collect()
        }
    }

    const SLOWLY: (ProbePurpose, f64) = (ProbePurpose::Replica, 10.0);

    #[test]
    fn the_primary_is_probed_often_and_replicas_slowly() {
        let mut pod_probes = pod_probes();
        assert_eq!(pod_probes.planned(1.0), [SLOWLY, SLOWLY]);
        pod_probes.gets("a", 1.0, Some(identity("a", false, 9)));
        pod_probes.gets("b", 1.0, Some(identity("b", true, 9)));
        assert_eq!(pod_probes.planned(1.1), [(ProbePurpose::Primary, 0.25), SLOWLY]);
        assert_eq!((pod_probes.is_up("a"), pod_probes.is_up("b")), (Some(true), Some(true)));
    }

    #[test]
    fn a_replica_without_the_primarys_transactions_lags_and_is_stale() {
        let mut pod_probes = pod_probes();
        pod_probes.led_by_a(1, 5, 9);
        assert!(pod_probes.knows_freshness(Moment::at(5.1)) && pod_probes.knew_freshness());
        assert_eq!(pod_probes.judged(&identity("b", true, 9), 5.1), (Some(0.0), Some(false)));
        pod_probes.led_by_a(6, 20, 10);
        let (lag, stale) = pod_probes.judged(&identity("b", true, 9), 20.1);
        assert!((lag.unwrap() - 14.09).abs() < 1e-9, "{lag:?}");
        assert_eq!(stale, Some(true));
    }

    #[test]
    fn two_primaries_leave_freshness_unknown() {
        let mut pod_probes = pod_probes();
        pod_probes.led_by_a(1, 5, 9);
        pod_probes.gets("b", 5.1, Some(identity("b", false, 9)));
        assert_eq!(pod_probes.planned(5.2), [(ProbePurpose::Replica, 1.0); 2], "the primary is looked for");
        assert_eq!(pod_probes.judged(&identity("b", true, 9), 5.2), (None, None));
        assert!(!pod_probes.knows_freshness(Moment::at(5.2)));
        pod_probes.gets("b", 6.0, Some(identity("b", true, 9)));
        pod_probes.led_by_a(6, 8, 9);
        assert_eq!(pod_probes.planned(8.1), [(ProbePurpose::Primary, 0.25), SLOWLY]);
        assert_eq!(pod_probes.judged(&identity("b", true, 9), 8.1), (Some(0.0), Some(false)));
    }

    #[test]
    fn a_lost_primary_is_searched_for_a_while() {
        let mut pod_probes = pod_probes();
        pod_probes.led_by_a(1, 5, 9);
        pod_probes.gets("a", 5.5, None);
        assert_eq!(pod_probes.planned(5.6), [(ProbePurpose::Primary, 0.25), SLOWLY], "it may be back at once");
        pod_probes.gets("a", 9.0, None);
        assert_eq!(pod_probes.planned(9.1), [(ProbePurpose::Replica, 1.0); 2]);
        assert_eq!(pod_probes.planned(70.0), [SLOWLY, SLOWLY]);
        assert_eq!(pod_probes.judged(&identity("b", true, 9), 9.1), (None, None));
        pod_probes.gets("b", 10.0, Some(identity("b", false, 9)));
        assert_eq!(pod_probes.planned(10.1), [SLOWLY, (ProbePurpose::Primary, 0.25)]);
    }

    #[test]
    fn an_answer_through_the_service_shows_another_primary_too() {
        let mut pod_probes = pod_probes();
        pod_probes.answered(&"b".into(), &identity("b", false, 9), Moment::at(1.0), Moment::at(1.1));
        assert_eq!(pod_probes.planned(1.2), [SLOWLY, (ProbePurpose::Primary, 0.25)]);
        pod_probes.answered(&"b".into(), &identity("b", true, 9), Moment::at(0.9), Moment::at(1.3));
        assert_eq!(pod_probes.planned(1.3)[1].0, ProbePurpose::Primary, "that probe began before");
        pod_probes.answered(&"stranger".into(), &identity("c", false, 9), Moment::at(1.0), Moment::at(1.4));
        assert_eq!(pod_probes.planned(1.4)[1].0, ProbePurpose::Primary);
    }

    #[test]
    fn a_new_pod_is_probed_less_often_with_age() {
        let mut pod_probes = pod_probes();
        pod_probes.reach(vec![reachable("a", Some(0.0))], Moment::at(1.0));
        for (second, every) in [(1.0, 0.2), (20.0, 0.2), (64.5, 0.5), (640.0, 5.0), (5000.0, 10.0)] {
            assert_eq!(pod_probes.planned(second), [(ProbePurpose::Replica, every)], "{second}");
        }
    }

    #[test]
    fn failures_through_the_service_speed_up_the_search_for_their_server() {
        let mut pod_probes = pod_probes();
        pod_probes.failed(Moment::at(100.0));
        for (second, every) in [(100.0, 3.0), (109.9, 3.0), (110.0, 10.0)] {
            assert_eq!(pod_probes.planned(second), [(ProbePurpose::Replica, every); 2], "{second}");
        }
    }

    #[test]
    fn a_failing_pod_keeps_the_beginning_and_the_latest_reason() {
        let mut pod_probes = pod_probes();
        for second in [1.0, 4.0, 7.0] {
            pod_probes.gets("b", second, None);
        }
        let failing = pod_probes.result("b").unwrap().unwrap_err();
        assert_eq!((failing.since, failing.reason), (Moment::at(1.0), FailureReason::Refused));
        pod_probes.gets("b", 10.0, Some(identity("b", true, 9)));
        assert_eq!((pod_probes.result("b"), pod_probes.result("a")), (Some(Ok(())), None));
    }

    #[test]
    fn without_gtid_nothing_is_known() {
        let mut pod_probes = pod_probes();
        let without = |server| Identity { gtid_executed: None, ..identity(server, false, 9) };
        pod_probes.gets("a", 1.0, Some(without("a")));
        assert!(!pod_probes.knows_freshness(Moment::at(1.1)) && !pod_probes.knew_freshness());
        assert_eq!(pod_probes.judged(&identity("b", true, 9), 1.1), (None, None));
        assert_eq!(pod_probes.judged(&without("b"), 1.1), (None, None));
    }

    #[test]
    fn servers_that_have_executed_nothing_do_not_lag() {
        let mut pod_probes = pod_probes();
        let empty =
            |server, read_only| Identity { gtid_executed: Some(String::new()), ..identity(server, read_only, 9) };
        pod_probes.gets("a", 1.0, Some(empty("a", false)));
        assert!(pod_probes.knows_freshness(Moment::at(1.1)));
        assert_eq!(pod_probes.judged(&empty("b", true), 1.1), (Some(0.0), Some(false)));
        pod_probes.gets("a", 2.0, Some(identity("a", false, 9)));
        assert_eq!(pod_probes.judged(&empty("b", true), 2.5).0, Some(0.49));
    }

    #[test]
    fn a_pod_is_up_while_it_answers_and_unknown_before() {
        let mut pod_probes = pod_probes();
        assert_eq!(pod_probes.is_up("a"), None);
        pod_probes.gets("a", 1.0, None);
        assert_eq!(pod_probes.is_up("a"), Some(false));
        pod_probes.gets("a", 2.0, Some(identity("a", true, 9)));
        assert_eq!(pod_probes.is_up("a"), Some(true));
        pod_probes.reach(vec![reachable("b", None)], Moment::at(3.0));
        assert_eq!(pod_probes.is_up("a"), None, "it is gone");
        assert_eq!(pod_probes.counts(), PodProbeCounts { taken: [2, 0], failed: [1, 0] });
    }
}
