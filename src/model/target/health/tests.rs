//! What is said about replicas in trouble, and about planned steps.

use std::{sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{Facts, Health, Scene};
use crate::model::{
    base::{HumanDuration, Moment},
    cluster::{EndpointRouting, Member, PodState, PvcReason, Step},
    freshness::{Lag, PodFailing},
    probe::FailureReason,
    target::condition::{ConditionKind, ReplicaCondition},
};

/// One replica as the test sets it up.
#[derive(Clone, Debug)]
struct Replica {
    name: Arc<str>,
    member: Option<Member>,
    configured: bool,
    failing: Option<PodFailing>,
    last_read: f64,
    silent: bool,
    lag: Option<f64>,
}

struct Story {
    health: Health,
    replicas: Vec<Replica>,
    failures: Vec<(FailureReason, Moment)>,
    second: f64,
}

const CORDONED: &str = "0/1 nodes are available: 1 node(s) were unschedulable";
const UNREADY: &str = "containers with unready status: [mysql]";
const SCALE: Step = Step::ScaleEvent { from: 2, to: 3 };

impl Story {
    /// Three ready replicas that serve.
    fn new() -> Self {
        let replica = |ordinal| {
            let name: Arc<str> = format!("mysql-{ordinal}").into();
            let member = Member {
                name: Arc::clone(&name),
                uid: Some(format!("uid-{ordinal}").into()),
                endpoint: Some(EndpointRouting::Routed),
                state: PodState::Ready,
                since: None,
                step: None,
            };
            let (configured, failing, silent, lag) = (false, None, false, None);
            Replica { name, member: Some(member), configured, failing, last_read: 0.0, silent, lag }
        };
        let replicas = (0..3).map(replica).collect();
        let mut story = Self { health: Health::default(), replicas, failures: Vec::new(), second: 1000.0 };
        story.passes(30.0);
        assert_eq!(story.said(), [""; 0]);
        story
    }

    fn member(&mut self, ordinal: usize) -> &mut Member {
        self.replicas[ordinal].member.as_mut().unwrap()
    }

    /// The pod is no ready endpoint any more.
    fn is(&mut self, ordinal: usize, state: PodState) -> &mut Self {
        let has_address = matches!(state, PodState::NotReady(_) | PodState::Waiting(_));
        self.member(ordinal).endpoint = has_address.then_some(EndpointRouting::NotReady);
        self.member(ordinal).state = state;
        self
    }

    fn serves(&mut self, ordinal: usize) {
        self.member(ordinal).endpoint = Some(EndpointRouting::Routed);
        self.member(ordinal).state = PodState::Ready;
    }

    fn fails(&mut self, ordinal: usize) {
        self.replicas[ordinal].failing = Some(PodFailing {
            since: Moment::at(self.second),
            reason: FailureReason::Timeout,
            text: "no greeting within 3 s".to_owned(),
            advice: "check that mysqld runs",
        });
    }

    /// Seconds pass in which each replica that can gives a read, looked at once a second.
    fn passes(&mut self, seconds: f64) {
        let end = self.second + seconds;
        loop {
            for replica in &mut self.replicas {
                let routed =
                    replica.member.as_ref().is_none_or(|member| member.endpoint == Some(EndpointRouting::Routed));
                if routed && replica.failing.is_none() && !replica.silent {
                    replica.last_read = self.second;
                }
            }
            self.look();
            if self.second >= end {
                return;
            }
            self.second += 1.0;
        }
    }

    fn look(&mut self) {
        let facts = self.replicas.iter().map(|replica| Facts {
            name: &replica.name,
            member: replica.member.as_ref(),
            is_endpoint: replica.member.as_ref().is_some_and(|member| member.endpoint.is_some()),
            expected: replica.member.as_ref().is_some_and(|member| member.endpoint == Some(EndpointRouting::Routed)),
            configured: replica.configured,
            pod_probe: Some(replica.failing.as_ref().map_or(Ok(()), Err)),
            last_read: Some(Moment::at(replica.last_read)),
            silent: replica.silent,
            slow: None,
            lag: replica.lag.map(|lag| Lag { behind: Duration::from_secs_f64(lag), resolution: None }),
        });
        let facts: Vec<_> = facts.collect();
        let (max_lag, failures) = (Duration::from_secs(1), &*self.failures);
        let scene = Scene { facts: &facts, endpoints_known: true, max_lag, failures };
        self.health.assess(&scene, Moment::at(self.second));
    }

    fn said(&self) -> Vec<String> {
        self.health.conditions().iter().map(ToString::to_string).collect()
    }

    fn unplanned(&self) -> Vec<&ReplicaCondition> {
        self.health.conditions().iter().filter(|condition| !condition.planned).collect()
    }
}

#[test]
fn a_pod_that_should_serve_and_is_not_ready_is_missing_with_its_reason() {
    let reason = |reason: &str, message: &str| {
        Some(PvcReason { reason: reason.into(), message: message.into(), warning: true, last: None })
    };
    let pvc = |reason, lost| PodState::WithoutVolume { pvc: "data-mysql-0".into(), reason, lost };
    for (state, sentence) in [
        (
            PodState::Unscheduled(CORDONED.into()),
            "mysql-0 is Pending since 1 min 10 s (0/1 nodes are available: 1 node(s) were unschedulable); uncordon or add \
             a node, or change the requests, affinity or volume that no node satisfies",
        ),
        (
            pvc(reason("ProvisioningFailed", "no space"), false),
            "mysql-0 is Pending since 1 min 10 s: its PVC data-mysql-0 is not bound (ProvisioningFailed: no space); check \
             the storage class, its quota, and the log of its provisioner",
        ),
        (
            pvc(None, true),
            "mysql-0 is Pending since 1 min 10 s: the volume of its PVC data-mysql-0 is lost; restore the volume, or \
             delete the PVC and the pod to clone the data again",
        ),
        (
            PodState::Waiting("CrashLoopBackOff; last exit: OOMKilled, code 137".into()),
            "mysql-0 is not ready since 1 min 10 s (CrashLoopBackOff; last exit: OOMKilled, code 137); check the Events of \
             the pod, and the log of its last container (kubectl logs --previous)",
        ),
        (
            PodState::NotReady(UNREADY.into()),
            "mysql-0 is not ready since 1 min 10 s (containers with unready status: [mysql]); check its log, and its \
             readiness probe (kubectl describe pod)",
        ),
        (
            PodState::Absent,
            "mysql-0 has no pod since 1 min 10 s; check the Events of its StatefulSet: a lower ordinal may not be ready, or \
             a quota is used up",
        ),
    ] {
        let mut story = Story::new();
        story.is(0, state).passes(70.0);
        assert_eq!(story.said(), [sentence]);
        assert_eq!(story.health.wanted_and_serving(), (3, 2));
        assert_eq!(story.unplanned()[0].since, Moment::at(1030.0).wall);
        story.serves(0);
        story.passes(1.0);
        assert_eq!((story.said(), story.health.wanted_and_serving()), (vec![], (3, 3)));
    }
}

/// The states alternate as the container crashes and runs, and as the scheduler and the provisioner complain.
#[test]
fn trouble_lasts_since_its_beginning_whatever_its_text() {
    let crashes = || PodState::Waiting("CrashLoopBackOff; last exit: Error, code 1".into());
    let unready = || PodState::NotReady(UNREADY.into());
    let pending = || PodState::Unscheduled(CORDONED.into());
    let pvc = || PodState::WithoutVolume { pvc: "data-mysql-0".into(), reason: None, lost: false };
    for (is, states) in [("not ready", [crashes(), unready()]), ("Pending", [pending(), pvc()])] {
        let mut story = Story::new();
        for times in 1..=20 {
            story.is(0, states[times % 2].clone()).passes(7.0);
            let sentence = format!("mysql-0 is {is} since {}", HumanDuration(Duration::from_secs(7 * times as u64)));
            assert!(story.said()[0].starts_with(&sentence), "{:?}", story.said());
            assert_eq!(story.unplanned()[0].since, Moment::at(1030.0).wall);
        }
        // The next trouble of the replica has a beginning of its own.
        story.serves(0);
        story.passes(1.0);
        story.is(0, states[0].clone()).passes(9.0);
        assert!(story.said()[0].starts_with(&format!("mysql-0 is {is} since 9 s")), "{:?}", story.said());
    }
    // Of a pod that is not ready after it was Pending, that its replica does not serve.
    let mut story = Story::new();
    story.is(0, pending()).passes(60.0);
    story.is(0, crashes()).passes(10.0);
    assert!(story.said()[0].starts_with("mysql-0 is not ready since 1 min 10 s (Crash"), "{:?}", story.said());
}

#[test]
fn planned_steps_are_no_trouble_within_their_usual_time() {
    for (state, step, seconds) in [
        (PodState::Terminating, None, 120.0),
        (PodState::Absent, None, 15.0),
        (PodState::Absent, Some(SCALE), 900.0),
        (PodState::Starting, None, 300.0),
        (PodState::Starting, Some(SCALE), 900.0),
        (PodState::Unscheduled(CORDONED.into()), None, 5.0),
        (PodState::Unscheduled(CORDONED.into()), Some(SCALE), 30.0),
    ] {
        let mut story = Story::new();
        story.member(2).step = step;
        story.is(2, state).passes(seconds - 1.0);
        assert!(story.unplanned().is_empty(), "{:?}", story.said());
        assert_eq!((story.said().len(), story.health.wanted_and_serving()), (1, (3, 2)));
        story.passes(1.0);
        assert_eq!(story.unplanned().len(), 1, "{:?}", story.said());
    }
    let mut story = Story::new();
    story.member(2).step = Some(SCALE);
    story.is(2, PodState::Starting).passes(20.0);
    assert_eq!(story.said(), ["mysql-2 is starting since 20 s (scale event from 2 to 3 replicas)"]);
}

/// One pod after the other terminates, is created again and starts.
#[test]
fn a_roll_out_is_silent() {
    let mut story = Story::new();
    for (updated, ordinal) in [2, 1, 0].into_iter().enumerate() {
        let updated = u32::try_from(updated).unwrap();
        (0..3).for_each(|each| story.member(each).step = Some(Step::RollOut { updated, replicas: 3 }));
        for (state, seconds) in [(PodState::Terminating, 20.0), (PodState::Absent, 2.0), (PodState::Starting, 60.0)] {
            story.is(ordinal, state);
            for _ in 0..70 {
                story.passes(seconds / 70.0);
                assert!(story.unplanned().is_empty(), "{:?}", story.said());
            }
            story.member(ordinal).uid = Some(format!("uid-{ordinal}-new").into());
        }
        story.serves(ordinal);
        story.replicas[ordinal].lag = Some(4.0);
        story.passes(30.0);
        assert!(story.unplanned().is_empty(), "{:?}", story.said());
        assert_eq!(story.said().len(), 1, "it catches up");
        story.replicas[ordinal].lag = Some(0.0);
        story.passes(5.0);
        assert_eq!(story.said(), [""; 0]);
    }
}

#[test]
fn a_pod_that_the_service_leaves_out_is_not_missing() {
    let mut story = Story::new();
    story.member(0).endpoint = None;
    story.passes(40.0);
    assert_eq!(story.said(), [""; 0]);
    // It was left out when it was last ready.
    story.is(0, PodState::Unscheduled(CORDONED.into())).passes(60.0);
    assert_eq!((story.said(), story.health.wanted_and_serving()), (vec![], (2, 2)));
    // Another one was never seen ready, and a ready pod is left out.
    let mut story = Story::new();
    story.member(0).endpoint = None;
    story.passes(40.0);
    let name: Arc<str> = "mysql-3".into();
    let mut other = story.replicas[2].clone();
    other.member = other.member.map(|member| Member { name: Arc::clone(&name), uid: None, ..member });
    story.replicas.push(Replica { name, ..other });
    story.is(3, PodState::Unscheduled(CORDONED.into())).passes(60.0);
    assert_eq!(story.said(), [""; 0]);
}

#[test]
fn an_expected_replica_that_is_no_endpoint_is_missing() {
    let advice = "check the selector of the Service, the labels of the pod, and the expected replicas";
    for (member, is) in [(true, "ready"), (false, "expected")] {
        let mut story = Story::new();
        story.replicas[1].configured = true;
        story.member(1).endpoint = None;
        if !member {
            story.replicas[1].member = None;
            story.replicas[1].silent = true;
        }
        story.passes(20.0);
        assert_eq!(story.said(), [""; 0]);
        story.passes(20.0);
        assert_eq!(story.said(), [format!("mysql-1 is {is} and not an endpoint of the Service since 40 s; {advice}")]);
    }
}

#[test]
fn a_ready_replica_whose_pod_probes_fail_cannot_serve() {
    let mut story = Story::new();
    story.fails(2);
    story.passes(2.0);
    assert_eq!(story.said(), [""; 0]);
    story.passes(38.0);
    let sentence =
        "mysql-2 is ready and does not serve reads at its own address since 40 s (timeout: no greeting within 3 s)";
    assert_eq!(story.said(), [format!("{sentence}; check that mysqld runs")]);
    assert_eq!(story.health.wanted_and_serving(), (3, 2));
    story.failures.push((FailureReason::Timeout, Moment::at(1050.0)));
    story.look();
    let sentence = format!("{sentence}, and the failed probes through the Service are its; check that mysqld runs");
    assert_eq!(story.said(), [sentence]);
    let mut at_once = Story::new();
    at_once.fails(2);
    at_once.failures.push((FailureReason::Timeout, Moment::at(at_once.second)));
    at_once.passes(1.0);
    assert_eq!(at_once.said().len(), 1, "it coincides");
    // Of two, none is blamed for the failures.
    story.fails(1);
    story.passes(10.0);
    assert!(story.said().len() == 2 && story.said().iter().all(|said| !said.contains("are its")), "{:?}", story.said());
    // Not ready, the failures explain why.
    story.replicas[1].failing = None;
    story.is(2, PodState::NotReady(UNREADY.into())).passes(3.0);
    let sentence = "mysql-2 is not ready since 3 s (containers with unready status: [mysql]; pod probe: timeout: no greeting \
                    within 3 s); check its log, and its readiness probe (kubectl describe pod)";
    assert_eq!(story.said(), [sentence]);
}

#[test]
fn pod_probes_that_reach_no_pod_accuse_nobody() {
    let mut story = Story::new();
    (0..3).for_each(|ordinal| story.fails(ordinal));
    story.second += 100.0;
    story.look();
    assert_eq!(story.said(), [""; 0]);
    // Reads show that the replica serves.
    let mut story = Story::new();
    story.fails(2);
    for _ in 0..20 {
        story.second += 1.0;
        story.replicas[2].last_read = story.second - 0.5;
        story.look();
        assert_eq!(story.said(), [""; 0]);
    }
}

#[test]
fn a_replica_that_serves_and_gets_no_reads_is_not_routed() {
    let mut story = Story::new();
    story.replicas[2].silent = true;
    story.passes(63.0);
    let sentence = "mysql-2 gets no reads since 1 min 3 s, although it is ready, is an endpoint of the Service, and answers at \
                    its own address; check kube-proxy on readscope's node, the network policies between readscope and the \
                    pod, and the service mesh";
    assert_eq!((story.said(), story.health.wanted_and_serving()), (vec![sentence.to_owned()], (3, 3)));
}

#[test]
fn readiness_that_changes_three_times_in_ten_minutes_flaps() {
    let mut story = Story::new();
    for times in 1..=4 {
        if times % 2 == 1 {
            story.is(1, PodState::NotReady(UNREADY.into()));
        } else {
            story.serves(1);
        }
        story.passes(8.0);
        let flapping = story.health.conditions().iter().find(|condition| condition.kind == ConditionKind::Flapping);
        assert_eq!(flapping.is_some(), times >= 3, "{times}");
    }
    let sentence = "mysql-1 is flapping: it became ready or not ready 4 times in 10 min; check its readiness probe, and its \
                    log at these times";
    assert_eq!(story.said(), [sentence]);
    story.passes(590.0);
    assert_eq!(story.said(), [""; 0]);
    // Another pod starts from the beginning.
    story.is(1, PodState::NotReady(UNREADY.into())).passes(1.0);
    story.serves(1);
    story.passes(1.0);
    story.member(1).uid = Some("new".into());
    story.is(1, PodState::Starting).passes(1.0);
    story.serves(1);
    story.passes(1.0);
    assert_eq!(story.said(), [""; 0]);
}

#[test]
fn a_lag_above_the_limit_is_stale_also_outside_the_service() {
    let mut story = Story::new();
    story.replicas[2].lag = Some(32.0);
    story.passes(9.0);
    assert_eq!(story.said(), [""; 0]);
    story.passes(31.0);
    let sentence = |lasted| {
        format!(
            "mysql-2 is stale since {lasted}: it is 32.0 s behind the primary, and the limit is 1.0 s; check its \
             replication threads, its disk and its load"
        )
    };
    assert_eq!(story.said(), [sentence("40 s")]);
    story.is(2, PodState::NotReady(UNREADY.into())).passes(20.0);
    assert_eq!(story.said()[1], sentence("1 min"));
    story.replicas[2].lag = Some(0.9);
    story.passes(1.0);
    assert_eq!(story.said().len(), 1);
}

#[test]
fn a_beginning_before_the_first_look_comes_from_kubernetes() {
    let mut story = Story::new();
    story.health = Health::default();
    story.member(0).since = Some(Moment::at(story.second - 100.0).wall);
    story.is(0, PodState::NotReady(UNREADY.into())).look();
    assert!(story.said()[0].starts_with("mysql-0 is not ready since 1 min 40 s"), "{:?}", story.said());
    assert_eq!(story.health.conditions()[0].since, Moment::at(story.second - 100.0).wall);
    story.is(0, PodState::Terminating).passes(10.0);
    assert!(story.said()[0].starts_with("mysql-0 is terminating since 10 s"), "{:?}", story.said());
    assert_eq!(story.health.conditions()[0].since, Moment::at(story.second - 110.0).wall, "it has been missing");
}

proptest! {
    /// Replicas that serve have no condition, no more serve than should, and nothing is kept of a replica that is gone.
    #[test]
    fn only_replicas_in_trouble_have_conditions(
        steps in proptest::collection::vec((0..3_usize, 0..7_usize, 1..100_u32, any::<bool>(), 0..3_u32), 1..60)
    ) {
        let mut story = Story::new();
        for (ordinal, state, seconds, fails, uid) in steps {
            story.member(ordinal).uid = Some(format!("uid-{ordinal}-{uid}").into());
            match state {
                0 => { story.is(ordinal, PodState::Absent); }
                1 => { story.is(ordinal, PodState::Terminating); }
                2 => { story.is(ordinal, PodState::Unscheduled(CORDONED.into())); }
                3 => { story.is(ordinal, PodState::Starting); }
                4 => { story.is(ordinal, PodState::NotReady(UNREADY.into())); }
                _ => story.serves(ordinal),
            }
            if fails { story.fails(ordinal) } else { story.replicas[ordinal].failing = None }
            story.second += f64::from(seconds);
            story.passes(1.0);
            let (wanted, serving) = story.health.wanted_and_serving();
            prop_assert!(serving <= wanted && wanted <= 3);
            for condition in story.health.conditions() {
                let replica = story.replicas.iter().find(|replica| replica.name == condition.replica).unwrap();
                let ready = replica.member.as_ref().is_some_and(|member| member.state == PodState::Ready);
                match condition.kind {
                    ConditionKind::Missing => prop_assert!(!ready),
                    ConditionKind::CannotServe => prop_assert!(ready && replica.failing.is_some()),
                    ConditionKind::Flapping => {}
                    kind => prop_assert!(false, "{kind:?}"),
                }
                prop_assert!(condition.since <= Moment::at(story.second).wall);
            }
        }
        story.replicas.clear();
        story.look();
        prop_assert!(story.health.conditions().is_empty() && story.health.followed.is_empty());
    }
}
