//! Bursts: faster probing while a new endpoint has not answered yet. A burst dates the first read of a pod to a
//! fraction of a second. It is bounded in time and happens once per pod.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::model::{
    base::Moment,
    cluster::{EndpointRouting, Routing},
    probe::{Burst, ProbeIntervals, first_read_uncertainty},
};

#[derive(Debug)]
pub(crate) struct Bursts {
    regular: Duration,
    rules: Option<Burst>,
    /// Pods by uid that traffic was ever routed to and that are still endpoints. The value says since when the first
    /// read is awaited.
    met: BTreeMap<Arc<str>, Option<Moment>>,
    routed: usize,
    /// The first list of endpoints has arrived.
    listed: bool,
}

impl Bursts {
    pub(crate) fn new(pace: &ProbeIntervals) -> Self {
        Self { regular: pace.interval, rules: pace.burst, met: BTreeMap::new(), routed: 0, listed: false }
    }

    /// Endpoints of the first list are not new.
    pub(crate) fn routed(&mut self, routing: &Routing, now: Moment) {
        let pods = || routing.endpoints.iter().filter_map(|endpoint| Some((endpoint, endpoint.pod.as_ref()?)));
        self.met.retain(|uid, _| pods().any(|(_, pod)| pod.uid == *uid));
        self.routed = routing.routed().count();
        let since = self.listed.then_some(now);
        for (endpoint, pod) in pods() {
            if endpoint.standing == EndpointRouting::Routed {
                self.met.entry(Arc::clone(&pod.uid)).or_insert(since);
            } else if let Some(waiting) = self.met.get_mut(&pod.uid) {
                // An endpoint that returns later is not new.
                *waiting = None;
            }
        }
        self.listed = true;
    }

    /// Returns how late this read may be if it is the pod's first.
    pub(crate) fn answered(&mut self, uid: &str, started: Moment) -> Duration {
        let uncertainty = first_read_uncertainty(self.routed, self.interval());
        if let Some(waiting) = self.met.get_mut(uid)
            && waiting.is_some_and(|since| started >= since)
        {
            *waiting = None;
        }
        uncertainty
    }

    pub(crate) fn tick(&mut self, now: Moment) {
        let lasting = self.rules.map_or(Duration::ZERO, |rules| rules.lasting);
        for waiting in self.met.values_mut() {
            *waiting = waiting.filter(|since| now.since(*since) < lasting);
        }
    }

    /// Further probes could make a server block the host or lock the account.
    pub(crate) fn end(&mut self) {
        self.met.values_mut().for_each(|waiting| *waiting = None);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.rules.is_some() && self.met.values().any(Option::is_some)
    }

    fn interval(&self) -> Duration {
        let quick = self.rules.filter(|_| self.is_on()).map(|rules| rules.interval);
        quick.map_or(self.regular, |quick| quick.min(self.regular))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{base::PodRef, cluster::Routed};

    fn routing(pods: &[(&str, EndpointRouting)]) -> Routing {
        let endpoint = |(uid, standing): &(&str, EndpointRouting)| Routed {
            pod: Some(PodRef { name: "mysql".into(), uid: (*uid).into() }),
            name: "mysql".into(),
            node: None,
            addresses: Vec::new(),
            serving: true,
            standing: *standing,
        };
        Routing { endpoints: pods.iter().map(endpoint).collect(), ..Routing::default() }
    }

    fn bursts() -> Bursts {
        let burst = Burst { interval: Duration::from_millis(20), lasting: Duration::from_secs(30) };
        let mut bursts =
            Bursts::new(&ProbeIntervals { burst: Some(burst), ..ProbeIntervals::regular(Duration::from_secs(1)) });
        bursts.routed(&routing(&[("a", EndpointRouting::Routed)]), Moment::at(0.0));
        bursts
    }

    const NEW: [(&str, EndpointRouting); 2] = [("a", EndpointRouting::Routed), ("b", EndpointRouting::Routed)];

    #[test]
    fn endpoints_of_the_first_list_are_not_new() {
        assert!(!bursts().is_on());
    }

    #[test]
    fn a_new_endpoint_is_waited_for_until_it_answers() {
        let mut bursts = bursts();
        bursts.routed(&routing(&[("a", EndpointRouting::Routed), ("b", EndpointRouting::NotReady)]), Moment::at(9.0));
        assert!(!bursts.is_on());
        bursts.routed(&routing(&NEW), Moment::at(10.0));
        assert!(bursts.is_on());
        bursts.answered("a", Moment::at(10.1));
        assert!(bursts.is_on());
        assert_eq!(bursts.answered("b", Moment::at(10.2)), Duration::from_millis(7 * 20));
        assert!(!bursts.is_on());
        assert_eq!(bursts.answered("b", Moment::at(10.3)), Duration::from_secs(7));
    }

    #[test]
    fn a_probe_from_before_the_pod_was_answered_by_another_pod() {
        let mut bursts = bursts();
        bursts.routed(&routing(&NEW), Moment::at(10.0));
        bursts.answered("b", Moment::at(9.9));
        assert!(bursts.is_on());
    }

    #[test]
    fn an_endpoint_without_reads_causes_one_limited_burst() {
        let mut bursts = bursts();
        bursts.routed(&routing(&NEW), Moment::at(10.0));
        bursts.tick(Moment::at(39.9));
        assert!(bursts.is_on());
        bursts.tick(Moment::at(40.0));
        assert!(!bursts.is_on());
        for (second, standing) in [(50.0, EndpointRouting::NotReady), (60.0, EndpointRouting::Routed)] {
            bursts.routed(&routing(&[("a", EndpointRouting::Routed), ("b", standing)]), Moment::at(second));
            assert!(!bursts.is_on());
        }
    }

    #[test]
    fn an_ended_burst_does_not_begin_again() {
        let mut bursts = bursts();
        bursts.routed(&routing(&NEW), Moment::at(10.0));
        bursts.end();
        bursts.routed(&routing(&NEW), Moment::at(11.0));
        assert!(!bursts.is_on());
        assert_eq!(bursts.answered("b", Moment::at(12.0)), Duration::from_secs(7), "at the regular interval");
    }

    #[test]
    fn an_endpoint_that_left_is_not_waited_for() {
        let mut bursts = bursts();
        bursts.routed(&routing(&NEW), Moment::at(10.0));
        bursts.routed(&routing(&NEW[..1]), Moment::at(11.0));
        assert!(!bursts.is_on());
    }

    #[test]
    fn without_bursts_the_uncertainty_follows_the_regular_interval() {
        let mut bursts = Bursts::new(&ProbeIntervals::regular(Duration::from_secs(1)));
        bursts.routed(&routing(&NEW[..1]), Moment::at(0.0));
        bursts.routed(&routing(&NEW), Moment::at(10.0));
        assert!(!bursts.is_on());
        assert_eq!(bursts.answered("b", Moment::at(11.0)), Duration::from_secs(7));
    }
}
