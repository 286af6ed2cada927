//! How late the first read of a new replica is, after the rules let it happen: by the model as it is, in a time of its
//! own.

use std::{net::SocketAddr, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use readscope::{
    config::Settings,
    model::{
        Answer, Event, Expectation, Identity, Moment, Probe, State, TargetId, TargetSpec, Timings, VerdictRules,
        WatchUpdate,
        cluster::{
            Change, Endpoint, Kind, Milestone, Object, ObjectName, Pod, PodConditions, PodRef, Seen, Service, Slice,
            StatefulSet, WatchName,
        },
    },
};

const TARGET: TargetId = TargetId(0);

/// When the watch event of the new endpoint comes.
const RECEIVED: f64 = 20.0;

/// How long a probe takes.
const PROBE: f64 = 0.002;

/// What the first read of a new replica came to.
pub(crate) struct Late {
    /// Seconds after the rules let it happen.
    pub(crate) seconds: f64,
    /// Within which it should be, at the 99th percentile.
    pub(crate) bound: f64,
}

/// So many new replicas, each the last one of 2 to 10.
pub(crate) fn first_reads(events: u32) -> Vec<Late> {
    let mut random = StdRng::seed_from_u64(4);
    (0..events).map(|event| first_read(2 + event % 9, &mut random)).collect()
}

fn first_read(replicas: u32, random: &mut StdRng) -> Late {
    let pace = Settings::default().intervals();
    let burst = pace.burst.expect("bursts are usual").interval.as_secs_f64();
    let spec = TargetSpec {
        name: "mysql/mysql-read".into(),
        expectation: Expectation::Seen,
        service: Some(name("mysql-read")),
        port: None,
        pace,
        statefulset: None,
        forget_after: Duration::from_secs(3600),
        verdict: VerdictRules::default(),
        check: None,
    };
    let state = State::new([(TARGET, spec)], KINDS.map(watch).to_vec());
    let mut story = Story { state, probes: 0, newest: replicas - 1, newest_answered: false };
    story.begins(replicas - 1);
    story.tells(set(replicas), Seen::Live, 5.0);
    story.tells(pod(replicas - 1), Seen::Live, 6.0);
    story.tells(slice(replicas), Seen::Live, RECEIVED);
    // kube-proxy receives it at the same moment, and its rules follow within its shortest pause, a second.
    let in_force = RECEIVED + random.random_range(0.0..1.0);
    let mut moment = RECEIVED;
    let mut quick = false;
    loop {
        for (_, plan) in story.state.new_plans(at(moment)) {
            quick = plan.burst;
        }
        let routed = if moment >= in_force { replicas } else { replicas - 1 };
        story.probes(random.random_range(0..routed), moment);
        if let Some(first_read) = story.first_read() {
            let misses = (0.01_f64.ln() / (-1.0 / f64::from(replicas)).ln_1p()).ceil();
            return Late { seconds: first_read - in_force, bound: misses * burst + 0.05 };
        }
        moment += if quick { burst } else { 1.0 };
    }
}

/// The model and its events.
struct Story {
    state: State,
    probes: u64,
    /// The place of the replica that comes.
    newest: u32,
    newest_answered: bool,
}

impl Story {
    /// So many replicas are there from the beginning.
    fn begins(&mut self, replicas: u32) {
        let service = Service {
            name: name("mysql-read"),
            headless: false,
            affinity: None,
            local_only: false,
            external: false,
            ports: [].into(),
        };
        self.tells(Object::Service(service), Seen::Listed, 0.0);
        self.tells(slice(replicas), Seen::Listed, 0.0);
        (0..replicas).for_each(|place| self.tells(pod(place), Seen::Listed, 0.0));
        self.tells(set(replicas), Seen::Listed, 0.0);
        for kind in KINDS {
            self.state.apply(Event::Cluster { watch: watch(kind), update: WatchUpdate::Listed }, at(0.0));
        }
        (0..replicas).for_each(|place| self.probes(place, 1.0 + f64::from(place)));
    }

    fn tells(&mut self, object: Object, seen: Seen, moment: f64) {
        let kind = match object {
            Object::Service(_) => Kind::Service,
            Object::Slice(_) => Kind::Slice,
            Object::Pod(_) => Kind::Pod,
            _ => Kind::StatefulSet,
        };
        let update = WatchUpdate::Change(Box::new(Change::Applied(object, seen)));
        self.state.apply(Event::Cluster { watch: watch(kind), update }, at(moment));
    }

    /// The replica at this place answers.
    fn probes(&mut self, place: u32, moment: f64) {
        let identity = Identity {
            server_id: 100 + place,
            server_uuid: None,
            host_name: format!("mysql-{place}"),
            read_only: true,
            version: "9.7.0".to_owned(),
            server_time: None,
            gtid_executed: None,
        };
        let address = SocketAddr::from(([10, 0, 0, 1], 3306));
        let probe = Probe {
            sequence: self.probes,
            started: at(moment),
            finished: at(moment + PROBE),
            outcome: Ok(Answer { identity, timings: Timings::default(), address, status: None }),
        };
        self.probes += 1;
        self.newest_answered |= place == self.newest;
        self.state
            .apply(Event::Probed { target: TARGET, probe: Box::new(probe), late: Duration::ZERO }, at(moment + PROBE));
    }

    /// When the new replica was read for the first time, in seconds.
    fn first_read(&mut self) -> Option<f64> {
        // A picture is made for each question, so it is asked only when there is an answer.
        self.newest_answered.then_some(())?;
        let snapshot = self.state.snapshot(at(RECEIVED));
        let sets = &snapshot.cluster.as_ref()?.statefulsets;
        let member = sets.first()?.events.first()?.members.first()?;
        Some(member.milestones.get(Milestone::FirstRead)?.live?.elapsed.as_secs_f64())
    }
}

const KINDS: [Kind; 4] = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet];

fn at(seconds: f64) -> Moment {
    let elapsed = Duration::from_secs_f64(seconds);
    Moment { elapsed, wall: Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(seconds) }
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("mysql", name)
}

fn watch(kind: Kind) -> WatchName {
    WatchName { kind, namespace: "mysql".into() }
}

fn set(replicas: u32) -> Object {
    Object::StatefulSet(StatefulSet {
        name: name("mysql"),
        uid: "set".into(),
        replicas,
        first_ordinal: 0,
        pvc_templates: Vec::new(),
        rollout: None,
    })
}

fn pod(place: u32) -> Object {
    Object::Pod(Pod {
        name: name(&format!("mysql-{place}")),
        uid: format!("uid-{place}").into(),
        statefulset: Some("mysql".into()),
        other_owner: None,
        addresses: Vec::new(),
        created: None,
        deleted: None,
        restarts: 0,
        conditions: PodConditions::default(),
        trouble: None,
    })
}

fn slice(replicas: u32) -> Object {
    let endpoint = |place: u32| Endpoint {
        addresses: vec![[10, 244, 0, u8::try_from(place).expect("they are few")].into()],
        ready: true,
        serving: true,
        terminating: false,
        pod: Some(PodRef { name: format!("mysql-{place}").into(), uid: format!("uid-{place}").into() }),
        node: None,
        zone: None,
        for_zones: Vec::new(),
        for_nodes: Vec::new(),
    };
    Object::Slice(Slice {
        name: name("mysql-read-x"),
        service: "mysql-read".into(),
        ports: [].into(),
        endpoints: (0..replicas).map(endpoint).collect(),
    })
}
