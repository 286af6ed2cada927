//! Limits failed handshakes and logins, which a MySQL server counts against the client's host or its account.
//!
//! A server blocks a host after `max_connect_errors` (100) interrupted handshakes without a completed one, for every
//! program on that address. It locks an account after `FAILED_LOGIN_ATTEMPTS` refused passwords without an accepted one.
//! Probes through the Service and pod probes reach the same servers, so their failures add up. In four days without a
//! success, a server counts at most:
//!
//! | | through the Service | of the pod | together |
//! | --- | --- | --- | --- |
//! | handshakes | 32 in flight at the first failure + 14 pauses | 10 before the first pause + 14 pauses | 70 |
//! | logins | 2 | 2 | 4 |
//!
//! Several logins through the Service are in flight only after a long series of successes. When a server then begins to
//! refuse them, those in flight add to the four.

use std::{
    collections::{BTreeMap, HashSet, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use super::{failure::Charge, plan::PodProbe};
use crate::model::base::{Moment, REPLICAS_MAX};

/// The `server_id` that answered, or what the failure is counted as.
pub type Counted = Result<u32, Option<Charge>>;

#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Interrupted handshakes until the first pause.
    handshakes: u32,
    /// The pause after the first refused login.
    login_pause: Duration,
}

const SERVICE: Limits = Limits { handshakes: 16, login_pause: Duration::from_secs(300) };
const POD: Limits = Limits { handshakes: 10, login_pause: Duration::from_secs(3600) };

/// The pause after each further refused login.
const LOGIN_PAUSE: Duration = Duration::from_secs(4 * 24 * 3600);

/// The first pause after interrupted handshakes. Each further one is twice as long, so recovery is noticed within the time
/// that the outage lasted.
const HANDSHAKE_PAUSE: Duration = Duration::from_secs(30);

/// 11 years.
const DOUBLINGS_MAX: u32 = 23;

/// When a probe fails, those in flight may fail too.
const IN_FLIGHT_MAX: u32 = 32;

/// Successes in a row, per server that answers and one that does not, after which no server is thought to fail. One of `n`
/// servers with equal shares takes part in none of them by chance once in 10⁸ (e⁻²⁰).
const SUCCESSES_PER_SERVER: u64 = 20;

/// Probes may start again at `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub charge: Charge,
    /// Failures of this kind until the pause began.
    pub failures: u32,
    pub length: Duration,
    pub until: Moment,
}

#[derive(Debug)]
struct Budget {
    limits: Limits,
    handshakes: u32,
    logins: u32,
    /// After interrupted handshakes.
    pauses: u32,
    in_flight: u32,
    /// Since the last failure that a server counts, or since the cause of failures may have appeared.
    successes: u64,
    /// `server_id`s that have answered.
    servers: HashSet<u32>,
    /// Until a probe succeeds that started after it.
    pause: Option<Held>,
}

impl Budget {
    fn new(limits: Limits) -> Self {
        let (servers, pause) = (HashSet::new(), None);
        Self { limits, handshakes: 0, logins: 0, pauses: 0, in_flight: 0, successes: 0, servers, pause }
    }

    /// One by one, until it is unlikely that a server refuses them.
    fn may_start(&self, now: Moment) -> bool {
        let limit = if self.is_proven() { IN_FLIGHT_MAX } else { 1 };
        self.in_flight < limit && !self.is_held(now)
    }

    fn is_proven(&self) -> bool {
        self.successes >= SUCCESSES_PER_SERVER * (self.servers.len() as u64 + 1)
    }

    fn is_held(&self, now: Moment) -> bool {
        self.pause.is_some_and(|pause| pause.until > now)
    }

    fn ended(&mut self, outcome: Counted, now: Moment) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match outcome {
            Ok(server_id) => self.succeeded(server_id, now),
            Err(Some(charge)) => self.failed(charge, now),
            Err(None) => {}
        }
    }

    fn succeeded(&mut self, server_id: u32, now: Moment) {
        if !self.is_held(now) {
            self.pause = None;
        }
        self.successes += 1;
        // Bounded: a server may send any number.
        if self.servers.len() < REPLICAS_MAX {
            self.servers.insert(server_id);
        }
        if self.is_proven() {
            (self.handshakes, self.logins, self.pauses) = (0, 0, 0);
        }
    }

    fn failed(&mut self, charge: Charge, now: Moment) {
        self.successes = 0;
        // After a refused login, a timeout may be another one: a server may delay its answer to a wrong password.
        let charge = if self.logins > 0 { Charge::Login } else { charge };
        let (failures, length) = match charge {
            Charge::Login => {
                self.logins += 1;
                (self.logins, if self.logins == 1 { self.limits.login_pause } else { LOGIN_PAUSE })
            }
            Charge::Handshake => {
                self.handshakes += 1;
                // Probes that were in flight when the pause began do not make it longer.
                if self.handshakes < self.limits.handshakes || self.is_held(now) {
                    return;
                }
                self.pauses += 1;
                (self.handshakes, HANDSHAKE_PAUSE * (1 << (self.pauses - 1).min(DOUBLINGS_MAX)))
            }
        };
        let until = now.after(length);
        if self.pause.is_none_or(|pause| pause.until < until) {
            self.pause = Some(Held { charge, failures, length, until });
        }
    }

    fn refill(&mut self) {
        *self =
            Self { in_flight: self.in_flight, servers: std::mem::take(&mut self.servers), ..Self::new(self.limits) };
    }
}

/// A restarted server has counted nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodKey {
    name: Arc<str>,
    uid: Arc<str>,
    restarts: u32,
}

impl PodKey {
    pub fn of(probe: &PodProbe) -> Self {
        let (name, uid) = (Arc::clone(&probe.pod.name), Arc::clone(&probe.pod.uid));
        Self { name, uid, restarts: probe.restarts }
    }
}

/// Which probes of a target wait, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub held: Held,
    /// Probes through the Service wait; otherwise only pod probes.
    pub service: bool,
    /// Names of the pods whose pod probes wait.
    pub pods: Vec<Arc<str>>,
}

/// The budgets of a target: of the Service, and of each pod.
#[derive(Debug)]
pub struct Budgets {
    service: Budget,
    pods: BTreeMap<PodKey, Budget>,
    /// The answers of the pods have filled the budget of the Service, and its own probes have not yet shown that they were
    /// right: the Service may lead to other servers.
    trusted: bool,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { service: Budget::new(SERVICE), pods: BTreeMap::new(), trusted: false }
    }
}

impl Budgets {
    /// Whether a probe of the pod, or else through the Service, starts now. [`ended`](Self::ended) must follow. No probe
    /// starts of a pod that [`set_pods`](Self::set_pods) was not given.
    pub fn start(&mut self, pod: Option<&PodKey>, now: Moment) -> bool {
        let Some(budget) = self.of(pod).filter(|budget| budget.may_start(now)) else { return false };
        budget.in_flight += 1;
        true
    }

    pub fn ended(&mut self, pod: Option<&PodKey>, outcome: Counted, now: Moment) {
        let Some(budget) = self.of(pod) else { return };
        let was_refused = budget.logins > 0;
        budget.ended(outcome, now);
        let is_proven = budget.is_proven();
        match (pod, outcome) {
            (None, Ok(_)) if is_proven => {
                self.trusted = false;
                // Every server behind the Service accepts the account again.
                if was_refused {
                    self.pods.values_mut().for_each(Budget::refill);
                }
            }
            // From now on, each pod shows whether it is its server that fails.
            (None, Err(Some(_))) => self.pods.values_mut().for_each(|pod| pod.successes = 0),
            // Every server has accepted a login since the last failure, so its counters have started again.
            (Some(_), Ok(_)) if !self.trusted && self.service.pause.is_some() && self.all_pods_answer() => {
                self.service.refill();
                self.trusted = true;
            }
            _ => {}
        }
    }

    /// The cause of the failures may be gone: a password, certificate or configuration has changed.
    pub fn refill(&mut self) {
        self.service.refill();
        self.pods.values_mut().for_each(Budget::refill);
        self.trusted = false;
    }

    /// All pods to probe. Until each of them answers, the Service may lead to the one that refuses.
    pub fn set_pods(&mut self, pods: impl IntoIterator<Item = PodKey>) {
        let mut before = std::mem::take(&mut self.pods);
        for pod in pods {
            if let Some(budget) = before.remove(&pod) {
                self.pods.insert(pod, budget);
            } else if let Entry::Vacant(new) = self.pods.entry(pod) {
                new.insert(Budget::new(POD));
                // The Service may lead to it.
                self.service.successes = 0;
            }
        }
    }

    /// Lasts until a probe that started after it succeeds.
    pub fn pause(&self) -> Option<Pause> {
        let pods = || self.pods.iter().filter_map(|(pod, budget)| Some((pod, budget.pause?)));
        let of_pods = pods().map(|(_, held)| held).max_by_key(|held| held.until);
        let held = self.service.pause.or(of_pods)?;
        let service = self.service.pause.is_some();
        Some(Pause { held, service, pods: pods().map(|(pod, _)| Arc::clone(&pod.name)).collect() })
    }

    fn of(&mut self, pod: Option<&PodKey>) -> Option<&mut Budget> {
        match pod {
            None => Some(&mut self.service),
            Some(pod) => self.pods.get_mut(pod),
        }
    }

    fn all_pods_answer(&self) -> bool {
        self.pods.values().all(|pod| pod.successes > 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: f64 = 24.0 * 3600.0;

    fn pod(name: &str, restarts: u32) -> PodKey {
        PodKey { name: name.into(), uid: name.into(), restarts }
    }

    fn ends(budgets: &mut Budgets, pod: Option<&PodKey>, outcome: Counted, second: f64) {
        assert!(budgets.start(pod, Moment::at(second)), "{pod:?} at {second}");
        budgets.ended(pod, outcome, Moment::at(second + 0.01));
    }

    fn starts(budgets: &mut Budgets, pod: Option<&PodKey>, second: f64) -> bool {
        budgets.start(pod, Moment::at(second))
    }

    /// Probes `pods` and as many as may start through the Service, and lets them all end: for an hour each second, then
    /// each minute for four days. `outcome` says which server was reached. Returns the highest number of failures in a row
    /// of each server.
    fn four_days<const N: usize>(
        budgets: &mut Budgets,
        pods: &[(PodKey, usize)],
        mut outcome: impl FnMut(Option<usize>) -> (usize, Counted),
    ) -> [u32; N] {
        budgets.set_pods(pods.iter().map(|(key, _)| key.clone()));
        let (mut in_a_row, mut most, mut second) = ([0_u32; N], [0_u32; N], 0.0);
        while second < 4.0 * DAY {
            let through_service = std::iter::repeat_with(|| (None, None)).take(40);
            let to_pods = pods.iter().map(|(key, server)| (Some(key), Some(*server)));
            let started: Vec<_> =
                to_pods.chain(through_service).filter(|(pod, _)| starts(budgets, *pod, second)).collect();
            for (pod, server) in started {
                let (server, outcome) = outcome(server);
                in_a_row[server] = if outcome.is_ok() { 0 } else { in_a_row[server] + 1 };
                most[server] = most[server].max(in_a_row[server]);
                budgets.ended(pod, outcome, Moment::at(second + 0.01));
            }
            second += if second < 3600.0 { 1.0 } else { 60.0 };
        }
        most
    }

    #[test]
    fn failures_of_all_servers_stay_within_the_budget_for_four_days() {
        for (charge, most) in [(Charge::Handshake, 29 + 24), (Charge::Login, 4)] {
            let mut budgets = Budgets::default();
            let pods = [(pod("a", 0), 0)];
            let [counted] = four_days(&mut budgets, &pods, |_| (0, Err(Some(charge))));
            assert!((most - 3..=most).contains(&counted), "{charge:?} {counted}");
        }
    }

    #[test]
    fn probes_in_flight_at_the_first_failure_may_fail_too() {
        let mut budgets = Budgets::default();
        for second in 0..40 {
            ends(&mut budgets, None, Ok(1), second.into());
        }
        let started = (0..100).filter(|_| starts(&mut budgets, None, 50.0)).count();
        assert_eq!(started, 32);
        for _ in 0..started {
            budgets.ended(None, Err(Some(Charge::Handshake)), Moment::at(53.0));
        }
        let held = budgets.pause().unwrap().held;
        assert_eq!((held.failures, held.until), (16, Moment::at(83.0)), "the first pause");
        let [counted] = four_days(&mut budgets, &[], |_| (0, Err(Some(Charge::Handshake))));
        assert!(32 + counted <= 46, "{counted}");
    }

    #[test]
    fn probes_start_one_by_one_until_no_server_is_thought_to_fail() {
        let mut budgets = Budgets::default();
        for probe in 0..60_u32 {
            assert!(starts(&mut budgets, None, 0.0));
            assert!(!starts(&mut budgets, None, 0.0), "{probe} successes of two servers");
            budgets.ended(None, Ok(probe % 2), Moment::at(0.0));
        }
        assert!(starts(&mut budgets, None, 0.0) && starts(&mut budgets, None, 0.0));
        budgets.set_pods([pod("new", 0)]);
        assert!(starts(&mut budgets, Some(&pod("new", 0)), 1.0));
        assert!(!starts(&mut budgets, None, 1.0), "the Service may lead to a new pod");
    }

    #[test]
    fn one_probe_shows_whether_the_pause_may_end() {
        let mut budgets = Budgets::default();
        ends(&mut budgets, None, Err(Some(Charge::Login)), 0.0);
        assert!(!starts(&mut budgets, None, 300.0));
        assert!(budgets.pause().is_some());
        ends(&mut budgets, None, Ok(1), 300.1);
        assert_eq!(budgets.pause(), None);
        ends(&mut budgets, None, Err(Some(Charge::Login)), 301.0);
        let held = budgets.pause().unwrap().held;
        assert_eq!((held.failures, held.until), (2, Moment::at(301.01 + 4.0 * DAY)));
        budgets.refill();
        assert!(starts(&mut budgets, None, 302.0));
    }

    #[test]
    fn a_timeout_after_a_refused_login_may_be_another_one() {
        let a = pod("a", 0);
        let mut budgets = Budgets::default();
        budgets.set_pods([a.clone()]);
        ends(&mut budgets, Some(&a), Err(Some(Charge::Login)), 0.0);
        ends(&mut budgets, Some(&a), Err(Some(Charge::Handshake)), 3601.0);
        let held = budgets.pause().unwrap().held;
        assert_eq!((held.charge, held.until), (Charge::Login, Moment::at(3601.01 + 4.0 * DAY)));
    }

    #[test]
    fn a_success_of_a_probe_in_flight_ends_no_pause() {
        let mut budgets = Budgets::default();
        for second in 0..40 {
            ends(&mut budgets, None, Ok(1), second.into());
        }
        assert!(starts(&mut budgets, None, 50.0) && starts(&mut budgets, None, 50.0));
        budgets.ended(None, Err(Some(Charge::Login)), Moment::at(50.1));
        budgets.ended(None, Ok(1), Moment::at(50.2));
        assert!(!starts(&mut budgets, None, 51.0) && budgets.pause().is_some());
    }

    #[test]
    fn what_no_server_counts_costs_nothing() {
        let mut budgets = Budgets::default();
        for second in 0..1000_u32 {
            ends(&mut budgets, None, Err(None), second.into());
        }
        assert_eq!(budgets.pause(), None);
    }

    #[test]
    fn the_service_is_probed_again_when_every_pod_answers() {
        let [a, b, restarted] = [pod("a", 0), pod("b", 0), pod("b", 1)];
        let mut budgets = Budgets::default();
        budgets.set_pods([a.clone(), b.clone()]);
        ends(&mut budgets, None, Err(Some(Charge::Login)), 0.0);
        ends(&mut budgets, Some(&a), Ok(1), 0.0);
        assert!(budgets.pause().is_some(), "the Service may lead to the pod that is not probed yet");
        budgets.refill();
        for pod in [Some(&b), None] {
            ends(&mut budgets, pod, Err(Some(Charge::Login)), 1.0);
        }
        ends(&mut budgets, Some(&a), Ok(1), 10.0);
        let pause = budgets.pause().unwrap();
        assert_eq!((pause.service, &*pause.pods), (true, &["b".into()][..]));
        assert!(!starts(&mut budgets, Some(&b), 3600.0) && !starts(&mut budgets, None, 10.0));
        budgets.set_pods([a.clone(), restarted.clone()]);
        ends(&mut budgets, Some(&restarted), Ok(2), 11.0);
        assert_eq!(budgets.pause(), None);
        ends(&mut budgets, None, Err(Some(Charge::Login)), 12.0);
        for pod in [&a, &restarted] {
            ends(&mut budgets, Some(pod), Ok(1), 20.0);
        }
        assert!(budgets.pause().is_some(), "the Service leads to another server");
    }

    #[test]
    fn pods_are_probed_again_when_every_login_through_the_service_is_accepted() {
        let a = pod("a", 0);
        let mut budgets = Budgets::default();
        budgets.set_pods([a.clone()]);
        for pod in [Some(&a), None] {
            ends(&mut budgets, pod, Err(Some(Charge::Login)), 1.0);
        }
        for second in 302..342 {
            assert!(!starts(&mut budgets, Some(&a), second.into()));
            ends(&mut budgets, None, Ok(1), second.into());
        }
        assert!(starts(&mut budgets, Some(&a), 342.0));
        assert_eq!(budgets.pause(), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// One of several servers fails, also its pod probes; the others answer. No order of the answers lets it count too
        /// many failures.
        #[test]
        fn one_broken_server_among_good_ones_is_spared(seed: u64, servers in 2..64_u64, logins: bool, pods: bool) {
            let mut budgets = Budgets::default();
            let (charge, most) = if logins { (Charge::Login, 4) } else { (Charge::Handshake, 70) };
            let keys = if pods { vec![(pod("broken", 0), 0), (pod("good", 0), 1)] } else { vec![] };
            let mut sequence = 0_u64;
            let [broken, _] = four_days(&mut budgets, &keys, |server| {
                sequence += 1;
                let mixed = (seed ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                match server.unwrap_or(usize::try_from((mixed >> 32) % servers).unwrap()) {
                    0 => (0, Err(Some(charge))),
                    good => (1, Ok(u32::try_from(good).unwrap())),
                }
            });
            prop_assert!((1..=most).contains(&broken), "{broken}");
        }
    }
}
