//! Property tests: snapshots and plans follow the state, whatever the order of events.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::model::{
    base::{Moment, ObjectName, PodRef},
    cluster::{
        AccessModes, Change, Endpoint, Kind, Leadership, Object, Pod, PodConditions, ProbeLocation, Problem, Pvc,
        PvcEvent, PvcPhase, PvcReason, Seen, Service, Slice, StatefulSet, StorageClass, Volume,
    },
    event::Event,
    probe::{Answer, Failure, FailureReason, Identity, PodProbeResult, ProbeIntervals, ProbePurpose, Timings},
    snapshot::Snapshot,
    state::State,
    target::TargetId,
    verdict::Expectation,
};

const KINDS: [Kind; 10] = [
    Kind::Service,
    Kind::Slice,
    Kind::Pod,
    Kind::StatefulSet,
    Kind::Pvc,
    Kind::StorageClass,
    Kind::Volume,
    Kind::Node,
    Kind::Selection,
    Kind::Event,
];

/// Ordinals are those of pods and their PVCs.
#[derive(Clone, Debug)]
enum Input {
    Probed { target: u32, ordinal: u32, answered: bool },
    Skipped { target: u32 },
    PodProbed { target: u32, ordinal: u32, answered: bool },
    Change { object: Fact, live: bool },
    Deleted { kind: usize, ordinal: u32 },
    Listed { kind: usize },
    Broken { kind: usize, forbidden: bool, text: u8 },
    EventWritten { problem: Option<(bool, u8)> },
    Leadership { leads: bool, seconds: u8, problem: bool },
    Loaded { refused: Option<u8> },
    Targets { count: u32 },
    Caption { text: u8 },
    Tick { seconds: u8 },
}

#[derive(Clone, Debug)]
enum Fact {
    Service { local_only: bool },
    Slice { ready: [bool; 3] },
    Pod { ordinal: u32, uid: u8, ready: bool, terminates: bool },
    StatefulSet { replicas: u32 },
    Pvc { ordinal: u32, bound: bool },
    StorageClass,
    Volume { ordinal: u32 },
    ProbeLocation { node: bool },
    PvcEvent { ordinal: u32, warning: bool },
}

fn facts() -> impl Strategy<Value = Fact> {
    let ordinal = 0..3_u32;
    prop_oneof![
        any::<bool>().prop_map(|local_only| Fact::Service { local_only }),
        any::<[bool; 3]>().prop_map(|ready| Fact::Slice { ready }),
        (ordinal.clone(), 0..2_u8, any::<bool>(), any::<bool>())
            .prop_map(|(ordinal, uid, ready, terminates)| { Fact::Pod { ordinal, uid, ready, terminates } }),
        (0..4_u32).prop_map(|replicas| Fact::StatefulSet { replicas }),
        (ordinal.clone(), any::<bool>()).prop_map(|(ordinal, bound)| Fact::Pvc { ordinal, bound }),
        Just(Fact::StorageClass),
        ordinal.clone().prop_map(|ordinal| Fact::Volume { ordinal }),
        any::<bool>().prop_map(|node| Fact::ProbeLocation { node }),
        (ordinal, any::<bool>()).prop_map(|(ordinal, warning)| Fact::PvcEvent { ordinal, warning }),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let (target, ordinal, kind) = (0..3_u32, 0..3_u32, 0..KINDS.len());
    let probed = (target.clone(), ordinal.clone(), any::<bool>());
    prop_oneof![
        4 => probed.clone().prop_map(|(target, ordinal, answered)| Input::Probed { target, ordinal, answered }),
        1 => target.prop_map(|target| Input::Skipped { target }),
        2 => probed.prop_map(|(target, ordinal, answered)| Input::PodProbed { target, ordinal, answered }),
        8 => (facts(), any::<bool>()).prop_map(|(object, live)| Input::Change { object, live }),
        1 => (kind.clone(), ordinal).prop_map(|(kind, ordinal)| Input::Deleted { kind, ordinal }),
        3 => kind.clone().prop_map(|kind| Input::Listed { kind }),
        1 => (kind, any::<bool>(), 0..2_u8)
            .prop_map(|(kind, forbidden, text)| Input::Broken { kind, forbidden, text }),
        1 => proptest::option::of((any::<bool>(), 0..2_u8)).prop_map(|problem| Input::EventWritten { problem }),
        1 => (any::<bool>(), 0..20_u8, any::<bool>())
            .prop_map(|(leads, seconds, problem)| Input::Leadership { leads, seconds, problem }),
        1 => proptest::option::of(0..2_u8).prop_map(|refused| Input::Loaded { refused }),
        1 => (1..4_u32).prop_map(|count| Input::Targets { count }),
        1 => any::<u8>().prop_map(|text| Input::Caption { text }),
        3 => (1..90_u8).prop_map(|seconds| Input::Tick { seconds }),
    ]
}

fn name(of: &str) -> ObjectName {
    ObjectName::new("mysql", of)
}

fn watch(kind: Kind) -> WatchName {
    let whole = [Kind::StorageClass, Kind::Volume, Kind::Node].contains(&kind);
    WatchName { kind, namespace: if whole { Arc::default() } else { "mysql".into() } }
}

fn spec(target: u32) -> TargetSpec {
    let service = (target < 2).then(|| name("mysql-read"));
    let pace = ProbeIntervals {
        pod_interval: Some(Duration::from_secs(10)),
        ..ProbeIntervals::regular(Duration::from_secs(1))
    };
    TargetSpec { service, pace, ..TargetSpec::regular(&format!("mysql/{target}"), Expectation::Seen) }
}

fn targets(state: &State, count: u32) -> TargetSet {
    let order: Vec<_> = (0..count).map(TargetId).collect();
    let new = order.iter().filter(|id| !state.targets.contains_key(id)).map(|id| (*id, spec(id.0))).collect();
    TargetSet { order, new, watches: KINDS.map(watch).into() }
}

fn pod(ordinal: u32, uid: u8) -> PodRef {
    PodRef { name: format!("mysql-{ordinal}").into(), uid: format!("pod-{ordinal}-{uid}").into() }
}

fn problem(forbidden: bool, text: u8) -> Problem {
    Problem { forbidden, text: format!("problem {text}").into() }
}

fn probe(sequence: u64, ordinal: u32, answered: bool, now: Moment) -> Probe {
    let identity = Identity {
        server_id: 100 + ordinal,
        server_uuid: Some(format!("{ordinal}aaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")),
        host_name: format!("mysql-{ordinal}"),
        read_only: ordinal > 0,
        version: "9.7.1".to_owned(),
        server_time: None,
        gtid_executed: Some("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee:1-9".to_owned()),
    };
    let address = (Ipv4Addr::LOCALHOST, 3306).into();
    let answer = Answer { identity, timings: Timings::default(), address, status: None };
    let failure =
        Failure { reason: FailureReason::Refused, text: String::new(), address: None, charge: None, advice: None };
    Probe { sequence, started: now, finished: now, outcome: if answered { Ok(answer) } else { Err(failure) } }
}

impl Fact {
    fn object(self, now: Moment) -> (Kind, Object) {
        let (uid, pvc) = (|ordinal| format!("pvc-{ordinal}").into(), |ordinal| name(&format!("data-mysql-{ordinal}")));
        let created = Some(now.wall);
        match self {
            Self::Service { local_only } => {
                let ports = Arc::default();
                let service = Service {
                    name: name("mysql-read"),
                    headless: false,
                    affinity: None,
                    local_only,
                    external: false,
                    ports,
                };
                (Kind::Service, Object::Service(service))
            }
            Self::Slice { ready } => {
                let endpoint = |(ordinal, ready)| Endpoint {
                    addresses: vec![Ipv4Addr::new(10, 0, 0, u8::try_from(ordinal).unwrap()).into()],
                    ready,
                    serving: ready,
                    terminating: false,
                    pod: Some(pod(ordinal, 0)),
                    node: Some("node".into()),
                    zone: None,
                    for_zones: Vec::new(),
                    for_nodes: Vec::new(),
                };
                let port = crate::model::cluster::Port { name: Arc::default(), number: 3306 };
                let endpoints = (0..).zip(ready).map(endpoint).collect();
                let (name, service) = (name("mysql-read-x"), "mysql-read".into());
                (Kind::Slice, Object::Slice(Slice { name, service, ports: [port].into(), endpoints }))
            }
            Self::Pod { ordinal, uid, ready, terminates } => {
                let since = created.filter(|_| ready);
                let pod = Pod {
                    name: name(&format!("mysql-{ordinal}")),
                    uid: pod(ordinal, uid).uid,
                    statefulset: Some("mysql".into()),
                    other_owner: None,
                    addresses: vec![Ipv4Addr::new(10, 0, 0, u8::try_from(ordinal).unwrap()).into()],
                    created,
                    deleted: created.filter(|_| terminates),
                    restarts: 0,
                    conditions: PodConditions { scheduled: since, sandbox: since, initialized: since, ready: since },
                    trouble: None,
                };
                (Kind::Pod, Object::Pod(pod))
            }
            Self::StatefulSet { replicas } => {
                let pvc_templates = vec!["data".into()];
                let (name, uid) = (name("mysql"), "set".into());
                let set = StatefulSet { name, uid, replicas, first_ordinal: 0, pvc_templates, rollout: None };
                (Kind::StatefulSet, Object::StatefulSet(set))
            }
            Self::Pvc { ordinal, bound } => {
                let pvc = Pvc {
                    name: pvc(ordinal),
                    uid: uid(ordinal),
                    created,
                    phase: if bound { PvcPhase::Bound } else { PvcPhase::Pending },
                    node_selected: bound,
                    storage_class: Some("fast".into()),
                    volume: None,
                    requested: None,
                    capacity: None,
                    access_modes: AccessModes::default(),
                    resizing: false,
                };
                (Kind::Pvc, Object::Pvc(pvc))
            }
            Self::StorageClass => {
                let class = StorageClass { name: "fast".into(), waits_for_consumer: true };
                (Kind::StorageClass, Object::StorageClass(class))
            }
            Self::Volume { ordinal } => {
                let volume = Volume { pvc: pvc(ordinal), pvc_uid: uid(ordinal), bound: created };
                (Kind::Volume, Object::Volume(volume))
            }
            Self::ProbeLocation { node } => {
                let location = ProbeLocation { node: node.then(|| "node".into()), zone: None };
                (Kind::Node, Object::ProbeLocation(location))
            }
            Self::PvcEvent { ordinal, warning } => {
                let reason = if warning { "ProvisioningFailed" } else { "Provisioning" };
                let (reason, message) = (reason.into(), "words".into());
                let reason = PvcReason { reason, message, warning, last: created };
                let event = PvcEvent { pvc: pvc(ordinal), uid: uid(ordinal), reason };
                (Kind::Event, Object::PvcEvent(event))
            }
        }
    }
}

impl Input {
    fn event(self, state: &State, sequence: u64, now: Moment) -> Event {
        let of = |kind: Kind, update| Event::Cluster { watch: watch(kind), update };
        let change = |kind, change| of(kind, crate::model::WatchUpdate::Change(Box::new(change)));
        match self {
            Self::Probed { target, ordinal, answered } => {
                let probe = Box::new(probe(sequence, ordinal, answered, now));
                Event::Probed { target: TargetId(target), probe, late: Duration::ZERO }
            }
            Self::Skipped { target } => Event::Skipped { target: TargetId(target), count: 1 },
            Self::PodProbed { target, ordinal, answered } => {
                let probe = probe(0, ordinal, answered, now);
                let probe = Box::new(PodProbeResult { pod: pod(ordinal, 0), purpose: ProbePurpose::Replica, probe });
                Event::PodProbed { target: TargetId(target), probe }
            }
            Self::Change { object, live } => {
                let (kind, object) = object.object(now);
                change(kind, Change::Applied(object, if live { Seen::Live } else { Seen::Listed }))
            }
            Self::Deleted { kind, ordinal } => {
                let kind = KINDS[kind];
                let gone = match kind {
                    Kind::Pod => name(&format!("mysql-{ordinal}")),
                    Kind::Pvc => name(&format!("data-mysql-{ordinal}")),
                    Kind::Slice => name("mysql-read-x"),
                    Kind::StatefulSet => name("mysql"),
                    _ => name("mysql-read"),
                };
                change(kind, Change::Deleted(kind, gone, Seen::Live))
            }
            Self::Listed { kind } => of(KINDS[kind], crate::model::WatchUpdate::Listed),
            Self::Broken { kind, forbidden, text } => {
                of(KINDS[kind], crate::model::WatchUpdate::Broken(problem(forbidden, text)))
            }
            Self::EventWritten { problem: failed } => {
                Event::EventWritten(failed.map(|(forbidden, text)| problem(forbidden, text)))
            }
            Self::Leadership { leads: true, seconds, .. } => {
                let until = now.after(Duration::from_secs(seconds.into()));
                Event::Leadership(Leadership::Leads { lease: name("lease"), since: now.wall, until })
            }
            Self::Leadership { problem: true, .. } => {
                Event::Leadership(Leadership::Failed { lease: name("lease"), problem: problem(true, 0) })
            }
            Self::Leadership { .. } => {
                Event::Leadership(Leadership::Follows { lease: name("lease"), leader: Some("other".into()) })
            }
            Self::Loaded { refused } => {
                Event::ConfigLoaded(refused.map_or(Ok(()), |text| Err(format!("refusal {text}").into())))
            }
            Self::Targets { count } => Event::TargetsChanged(targets(state, count)),
            Self::Caption { text } => Event::Caption(format!("caption {text}").into()),
            Self::Tick { .. } => Event::Tick,
        }
    }
}

impl State {
    /// The snapshot without any cached rendering.
    fn fresh(&self, now: Moment) -> Snapshot {
        let target = |id| Some(Arc::new(self.targets.get(id)?.get().snapshot()));
        Snapshot {
            taken: now,
            targets: self.order.iter().filter_map(target).collect(),
            cluster: self.cluster.as_ref().map(|cluster| Arc::new(cluster.get().snapshot(now))),
            caption: self.caption.clone(),
            config_status: self.config_status.clone(),
            start_delay: self.start_delay.clone(),
        }
    }

    /// Targets whose current plan was not returned yet.
    fn with_new_plans(&mut self, now: Moment) -> Vec<TargetId> {
        let mut found = Vec::new();
        for (id, target) in &mut self.targets {
            target.change(|target| {
                found.extend(target.new_plan(now).map(|_| *id));
                false
            });
        }
        found
    }
}

/// Three targets and a cluster with three replicas, before any read.
fn beginning() -> Vec<Input> {
    let listed = |object| Input::Change { object, live: false };
    let pod = |ordinal| Fact::Pod { ordinal, uid: 0, ready: true, terminates: false };
    let mut inputs = vec![Input::Targets { count: 3 }, listed(Fact::Service { local_only: false })];
    inputs.extend((0..3).map(pod).map(listed));
    inputs.extend((0..3).map(|ordinal| listed(Fact::Pvc { ordinal, bound: true })));
    inputs.push(listed(Fact::Slice { ready: [true; 3] }));
    inputs.push(listed(Fact::StatefulSet { replicas: 3 }));
    inputs.extend((0..KINDS.len()).map(|kind| Input::Listed { kind }));
    inputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn cached_snapshots_and_plans_equal_fresh_ones(
        inputs in proptest::collection::vec(input(), 1..50),
    ) {
        let mut state = State::default();
        for input in beginning() {
            let event = input.event(&state, 0, Moment::START);
            state.apply(event, Moment::START);
        }
        let (mut sequences, mut second) = ([0; 3], 0.0);
        for input in inputs {
            let mut sequence = 0;
            match input {
                Input::Tick { seconds } => second += f64::from(seconds),
                Input::Probed { target, .. } => {
                    sequence = sequences[target as usize];
                    sequences[target as usize] += 1;
                }
                _ => {}
            }
            let now = Moment::at(second);
            let event = input.clone().event(&state, sequence, now);
            state.apply(event, now);
            if let Input::Tick { .. } = input {
                // A target with recent events shows the effect of time one tick later.
                state.apply(Event::Tick, now);
            }
            let (cached, fresh) = (state.snapshot(now), state.fresh(now));
            // Indented only for a reader: that takes most of the time.
            if format!("{cached:?}") != format!("{fresh:?}") {
                prop_assert_eq!(format!("{cached:#?}"), format!("{fresh:#?}"), "after {:?}", input);
            }
            state.new_plans(now);
            prop_assert_eq!(state.with_new_plans(now), [], "after {:?}", input);
        }
    }

    /// The clock of the wall jumps by up to an hour; the other one does not.
    #[test]
    fn a_clock_that_jumps_changes_no_conclusion(
        steps in proptest::collection::vec((0..3_u32, 0..4_u32, any::<bool>(), 1..40_u32, -3600..3600_i64), 1..40),
    ) {
        let ((mut steady, mut jumping), mut second, mut sequence) = ((State::default(), State::default()), 1.0, 0);
        for state in [&mut steady, &mut jumping] {
            for input in beginning() {
                let event = input.event(state, 0, Moment::START);
                state.apply(event, Moment::START);
            }
        }
        for (target, ordinal, answered, seconds, offset) in steps {
            let now = Moment::at(second);
            let jumped = Moment { wall: now.wall + jiff::SignedDuration::from_secs(offset), ..now };
            for (state, now) in [(&mut steady, now), (&mut jumping, jumped)] {
                for target in 0..3 {
                    let answered = answered || ordinal == 3;
                    let input = Input::Probed { target, ordinal: ordinal % 3, answered };
                    let event = input.event(state, sequence, now);
                    state.apply(event, now);
                }
                let event = Input::PodProbed { target, ordinal: ordinal % 3, answered }.event(state, 0, now);
                state.apply(event, now);
                for _ in 0..10 {
                    state.apply(Event::Tick, now);
                }
            }
            prop_assert_eq!(concluded(&steady, now), concluded(&jumping, jumped));
            sequence += 1;
            second += f64::from(seconds) / 4.0;
        }
    }
}

/// What is said about the targets and their replicas.
fn concluded(state: &State, now: Moment) -> Vec<String> {
    let targets = state.fresh(now).targets;
    let said = targets.iter().map(|target| {
        let conditions = target.replicas.iter().flat_map(|replica| &replica.conditions);
        let conditions: Vec<_> = conditions.map(ToString::to_string).collect();
        let notices: Vec<_> = target.notices.iter().map(ToString::to_string).collect();
        let evidence = target.evidence_seconds;
        format!("{:?} {} {} {evidence} {notices:?} {conditions:?}", target.status, target.headline, target.verdict)
    });
    said.collect()
}
