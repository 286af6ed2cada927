//! Status, headline and conditions of a whole target on scripted probes, pod probes and pods.

use std::{collections::BTreeMap, time::Duration};

use crate::model::{
    base::{Moment, PodRef},
    cluster::{EndpointRouting, Member, PodState, Reachable, Routed, Routing},
    probe::{
        Answer, Charge, Failure, FailureReason, Held, Identity, Pause, PodProbeResult, Probe, ProbeIntervals,
        ProbePurpose, Timings,
    },
    target::{spec::TargetSpec, status::Status, target::Target},
    verdict::Expectation,
};

/// Three pods behind a Service, each probed through the Service in turn, and every 10 s at its own address.
struct Story {
    target: Target,
    second: u32,
    sequence: u64,
    /// The pods that are not ready endpoints.
    states: BTreeMap<u32, PodState>,
    /// Servers that do not answer.
    frozen: Vec<u32>,
    /// Ready endpoints that get no reads.
    unrouted: Vec<u32>,
    news: Vec<String>,
}

const CORDONED: &str = "0/1 nodes are available: 1 node(s) were unschedulable";

fn name(ordinal: u32) -> String {
    format!("mysql-{ordinal}")
}

fn pod(ordinal: u32) -> PodRef {
    PodRef { name: name(ordinal).into(), uid: format!("uid-{ordinal}").into() }
}

fn failure() -> Failure {
    let text = "no greeting within 3 s".to_owned();
    Failure { reason: FailureReason::Timeout, text, address: None, charge: None, advice: None }
}

fn answer(ordinal: u32) -> Answer {
    let identity = Identity {
        server_id: 100 + ordinal,
        server_uuid: Some(format!("uuid-{ordinal}")),
        host_name: name(ordinal),
        read_only: ordinal > 0,
        version: "9.7.0".to_owned(),
        server_time: None,
        gtid_executed: None,
    };
    Answer { identity, timings: Timings::default(), address: ([127, 0, 0, 1], 3306).into(), status: None }
}

impl Story {
    fn new() -> Self {
        let spec = TargetSpec::regular("mysql/mysql-read", Expectation::Seen);
        let pace = ProbeIntervals { pod_interval: Some(Duration::from_secs(10)), ..spec.pace };
        let target = Target::new(TargetSpec { pace, ..spec });
        let (states, frozen, unrouted, news) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let mut story = Self { target, second: 0, sequence: 0, states, frozen, unrouted, news };
        story.routes();
        story
    }

    fn routes(&mut self) {
        let endpoint = |ordinal| Routed {
            pod: Some(pod(ordinal)),
            name: name(ordinal).into(),
            node: None,
            addresses: Vec::new(),
            serving: true,
            standing: EndpointRouting::Routed,
        };
        let endpoints = self.routed().into_iter().map(endpoint).collect();
        let now = Moment::at(f64::from(self.second));
        self.target.routed(Some(Routing { endpoints, ..Routing::default() }), now);
        let reachable = |ordinal| {
            let addresses = vec![([10, 0, 0, 1], 3306).into()];
            Reachable { pod: pod(ordinal), addresses, restarts: 0, coming_since: None }
        };
        self.target.reach((0..3).map(reachable).collect(), now);
    }

    fn routed(&self) -> Vec<u32> {
        (0..3).filter(|ordinal| !self.states.contains_key(ordinal)).collect()
    }

    fn is(&mut self, ordinal: u32, state: PodState) {
        self.states.insert(ordinal, state);
        self.routes();
    }

    fn serves(&mut self, ordinal: u32) {
        self.states.remove(&ordinal);
        self.routes();
    }

    fn passes(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.second += 1;
            let now = Moment::at(f64::from(self.second));
            let mut notices = Vec::new();
            let reached: Vec<_> =
                self.routed().into_iter().filter(|ordinal| !self.unrouted.contains(ordinal)).collect();
            let turn = usize::try_from(self.second).unwrap();
            let outcome = match reached.get(turn % reached.len().max(1)) {
                Some(ordinal) if !self.frozen.contains(ordinal) => Ok(answer(*ordinal)),
                _ => Err(failure()),
            };
            let probe = Probe { sequence: self.sequence, started: now, finished: now, outcome };
            self.sequence += 1;
            self.target.probed(probe, None, now, &mut notices);
            if self.second.is_multiple_of(10) {
                self.probes_pods(now);
            }
            self.target.tick(now, &mut notices);
            let members: Vec<_> = (0..3).map(|ordinal| self.member(ordinal)).collect();
            self.target.assess(&members, now, &mut notices);
            self.news.extend(notices.iter().map(ToString::to_string));
        }
    }

    fn probes_pods(&mut self, now: Moment) {
        for ordinal in self.routed() {
            let outcome = if self.frozen.contains(&ordinal) { Err(failure()) } else { Ok(answer(ordinal)) };
            let probe = Probe { sequence: 0, started: now, finished: now, outcome };
            let result = PodProbeResult { pod: pod(ordinal), purpose: ProbePurpose::Replica, probe };
            self.target.pod_probed(&result, Some(&pod(ordinal)), now, &mut Vec::new());
        }
    }

    fn member(&self, ordinal: u32) -> Member {
        let state = self.states.get(&ordinal).cloned().unwrap_or(PodState::Ready);
        let endpoint = (state == PodState::Ready).then_some(EndpointRouting::Routed);
        let PodRef { name, uid } = pod(ordinal);
        Member { name, uid: Some(uid), endpoint, state, since: None, step: None }
    }

    fn seen(&self) -> (Status, String) {
        let snapshot = self.target.snapshot();
        (snapshot.status, snapshot.headline)
    }
}

#[test]
fn a_pending_primary_is_named_although_the_others_are_balanced() {
    let mut story = Story::new();
    story.passes(300);
    let balanced = "Balanced: 3 of 3 replicas answer, chance alone explains the differences";
    assert_eq!(story.seen(), (Status::Ok, balanced.to_owned()));
    story.is(0, PodState::Unscheduled(CORDONED.into()));
    story.passes(71);
    let sentence = format!(
        "Degraded: 2 of 3 replicas serve: mysql-0 is Pending since 1 min 10 s ({CORDONED}); uncordon or add a node, or change \
         the requests, affinity or volume that no node satisfies"
    );
    assert_eq!(story.seen(), (Status::Degraded, sentence));
    let said: Vec<_> = story.news.iter().filter(|news| news.starts_with("Degraded: ")).collect();
    assert!(said.len() == 1 && said[0].contains("mysql-0 is Pending since 5 s"), "{said:?}");
    let replicas = story.target.snapshot().replicas;
    assert_eq!((replicas.len(), replicas[0].conditions.len(), replicas[1].conditions.len()), (3, 1, 0));
    story.news.clear();
    story.serves(0);
    story.passes(60);
    assert_eq!(story.seen().0, Status::Ok);
    assert!(story.news.iter().any(|news| news.starts_with("Balanced: ")), "{:?}", story.news);
}

#[test]
fn a_missing_replica_stays_in_the_list_without_reads() {
    let mut story = Story::new();
    story.is(2, PodState::Unscheduled(CORDONED.into()));
    story.passes(4000);
    let replicas = story.target.snapshot().replicas;
    let seen: Vec<_> = replicas.iter().map(|replica| (&*replica.name, replica.reads > 0)).collect();
    assert_eq!(seen, [("mysql-0", true), ("mysql-1", true), ("mysql-2", false)]);
    assert!(story.seen().1.starts_with("Degraded: 2 of 3 replicas serve: mysql-2 is Pending since 1 h 6 min"));
    // It is scaled away.
    let mut notices = Vec::new();
    let members: Vec<_> = (0..2).map(|ordinal| story.member(ordinal)).collect();
    story.target.assess(&members, Moment::at(4001.0), &mut notices);
    assert_eq!((story.target.snapshot().replicas.len(), story.seen().0), (2, Status::Ok));
}

#[test]
fn a_frozen_server_is_named_with_its_failures() {
    let mut story = Story::new();
    story.passes(300);
    story.frozen.push(2);
    story.passes(40);
    let sentence = "Degraded: 2 of 3 replicas serve: mysql-2 is ready and does not serve reads at its own address since 30 s \
                    (timeout: no greeting within 3 s), and the failed probes through the Service are its; check for servers \
                    that hang and for dropped packets, or raise the timeout";
    assert_eq!(story.seen(), (Status::Degraded, sentence.to_owned()));
    assert_eq!(story.target.snapshot().verdict.name(), "undecided");
}

#[test]
fn a_replica_that_serves_and_gets_no_reads_is_told_what_is_left_to_check() {
    let mut story = Story::new();
    story.passes(300);
    story.unrouted.push(2);
    story.passes(100);
    let (status, headline) = story.seen();
    assert_eq!(status, Status::Degraded);
    let routing = "check kube-proxy on readscope's node, the network policies between readscope and the pod, and the service mesh";
    assert!(
        headline.starts_with("Degraded: mysql-2 gets no reads since 1 min 4") && headline.ends_with(routing),
        "{headline}"
    );
    assert!(story.news.iter().any(|news| news.contains("where 33 % is expected") && news.ends_with(routing)));
}

#[test]
fn a_target_without_reads_is_down_and_not_undecided() {
    let mut story = Story::new();
    story.frozen.extend(0..3);
    story.passes(12);
    let sentence = "Down: no read so far (timeout: no greeting within 3 s); check for servers that hang and for dropped \
                    packets, or raise the timeout";
    assert_eq!(story.seen(), (Status::Down, sentence.to_owned()));
    assert_eq!(story.news.iter().filter(|news| *news == sentence).count(), 1, "{:?}", story.news);
    story.frozen.clear();
    story.passes(30);
    assert_eq!(story.seen().0, Status::Ok);
    (0..3).for_each(|ordinal| story.is(ordinal, PodState::NotReady("unready".into())));
    story.passes(12);
    let (status, headline) = story.seen();
    assert!(
        status == Status::Down
            && headline.starts_with("Down: no read since 12 s: mysql-0 is not ready since 11 s (unready)"),
        "{headline}"
    );
}

#[test]
fn a_pause_with_others_serving_is_not_down() {
    let mut story = Story::new();
    story.passes(300);
    let held = Held { charge: Charge::Login, failures: 1, length: Duration::from_secs(300), until: Moment::at(700.0) };
    let pause = Pause { held, service: true, pods: Vec::new() };
    story.target.paused(Some(pause), &mut Vec::new());
    assert_eq!(story.seen().0, Status::Unknown);
    // No pod answers any more.
    story.frozen.extend(0..3);
    story.probes_pods(Moment::at(310.0));
    story.target.assess(&[], Moment::at(311.0), &mut Vec::new());
    assert_eq!(story.seen().0, Status::Down);
}
