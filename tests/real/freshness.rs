//! The lag of real replicas, compared with the data on the servers.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jiff::{Timestamp, civil::DateTime, tz::Offset};
use readscope::{
    clock::Clock,
    config::{PasswordSource, Secret, Settings, Target, Tls},
    model::{
        Event, Expectation, Lag, PodProbe, PodProbeResult, Probe, ProbePlan, ProbePurpose, ReplicaSnapshot, State,
        TargetId, TargetSpec, VerdictRules, cluster::PodRef,
    },
    source::{mysql::Prober, pod_probes},
};
use tokio::{
    sync::{mpsc, watch},
    time::interval,
};
use tokio_util::sync::CancellationToken;

use crate::{
    balancer::READ_ADDRESS,
    mysql::{Mysql, PASSWORD},
    service::Service,
    support::{cluster, waiting::wait_for},
};

const TARGET: TargetId = TargetId(0);

const WITHIN: Duration = Duration::from_secs(120);

/// The model with pod probes of real servers, named as in Kubernetes. Stopped when it is dropped.
struct Observed {
    state: Arc<Mutex<State>>,
    prober: Arc<Prober>,
    clock: Clock,
    stop: CancellationToken,
    pod_probes: Option<JoinHandle<()>>,
    sequence: u64,
}

impl Observed {
    fn of(service: &Service) -> Self {
        let clock = Clock::start();
        let target = target();
        let spec = TargetSpec {
            name: Arc::clone(&target.name),
            expectation: Expectation::Seen,
            service: target.service.clone(),
            statefulset: None,
            port: None,
            pace: target.settings.intervals(),
            forget_after: target.settings.forget_after.get(),
            check: None,
            verdict: VerdictRules::default(),
        };
        let addresses: Vec<IpAddr> = service.fleet.addresses().into_iter().map(IpAddr::from).collect();
        let mut state = State::new([(TARGET, spec)], cluster::watches());
        for event in cluster::lists(&addresses) {
            state.apply(event, clock.now());
        }
        let state = Arc::new(Mutex::new(state));
        let prober = Arc::new(Prober::new(target, clock).unwrap());
        let stop = CancellationToken::new();
        // The thread inherits the test's network namespace.
        let pod_probes = thread::spawn({
            let (state, prober, stop) = (Arc::clone(&state), Arc::clone(&prober), stop.clone());
            move || runtime().block_on(probe_pods(&state, &prober, clock, stop))
        });
        Self { state, prober, clock, stop, pod_probes: Some(pod_probes), sequence: 0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn replica(&self, name: &str) -> Option<ReplicaSnapshot> {
        let snapshot = self.state().snapshot(self.clock.now());
        snapshot.targets[0].replicas.iter().find(|replica| *replica.name == *name).cloned()
    }

    fn probe(&self, server: &Mysql) -> Probe {
        runtime().block_on(self.prober.probe_at(&[(server.address, 3306).into()]))
    }

    /// The lag of the server by a new pod probe.
    fn lag(&self, server: &Mysql, probe: Probe) -> Option<Lag> {
        let pod = PodRef { name: server.name.as_str().into(), uid: server.name.as_str().into() };
        let probe = Box::new(PodProbeResult { pod, purpose: ProbePurpose::Replica, probe });
        self.state().apply(Event::PodProbed { target: TARGET, probe }, self.clock.now());
        self.replica(&server.name)?.lag
    }

    /// Takes a probe as through the Service.
    fn read(&mut self, server: &Mysql) {
        let probe = Probe { sequence: self.sequence, ..self.probe(server) };
        assert!(probe.outcome.is_ok(), "{:?}", probe.outcome);
        self.sequence += 1;
        self.state()
            .apply(Event::Probed { target: TARGET, probe: Box::new(probe), late: Duration::ZERO }, self.clock.now());
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.pod_probes.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "the pod probes ended");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn target() -> Target {
    let settings = Settings {
        password: PasswordSource::Given(Secret::new(PASSWORD.to_owned())),
        tls: Tls::Disabled,
        timeout: Duration::from_secs(10).try_into().unwrap(),
        ..Settings::default()
    };
    let (service, address) = (cluster::name("mysql-read"), READ_ADDRESS.parse().unwrap());
    Target { settings, ..Target::new(Some(service), Some(address), None).unwrap() }
}

/// Sends the planned pod probes until `stop`.
async fn probe_pods(state: &Mutex<State>, prober: &Arc<Prober>, clock: Clock, stop: CancellationToken) {
    let (events, mut received) = mpsc::channel(1000);
    let (planned, plan) = watch::channel(ProbePlan::default());
    let probe = {
        let prober = Arc::clone(prober);
        move |pod_probe: &PodProbe| {
            let (prober, addresses) = (Arc::clone(&prober), pod_probe.addresses.clone());
            Some(async move { prober.probe_at(&addresses).await })
        }
    };
    let running = tokio::spawn(pod_probes::run(TARGET, plan, probe, events, stop));
    let mut tick = interval(Duration::from_secs(1));
    loop {
        for (_, plan) in state.lock().unwrap().new_plans(clock.now()) {
            planned.send_replace(plan);
        }
        let event = tokio::select! {
            event = received.recv() => match event {
                Some(event) => event,
                None => break,
            },
            _ = tick.tick() => Event::Tick,
        };
        state.lock().unwrap().apply(event, clock.now());
    }
    running.await.unwrap();
}

/// The newest row on the server.
fn newest(server: &Mysql) -> String {
    server.query("SELECT COALESCE(MAX(at), '2000-01-01 00:00:00.000000') FROM lab.times")[0][0].clone()
}

/// When the next row was written.
fn written_after(primary: &Mysql, row: &str) -> Option<Timestamp> {
    let next = primary.query(&format!("SELECT MIN(at) FROM lab.times WHERE at > '{row}'"))[0][0].clone();
    let time: DateTime = next.parse().ok()?;
    Offset::UTC.to_timestamp(time).ok()
}

#[test]
fn the_lag_is_the_age_of_the_oldest_missing_transaction() {
    let service = Service::of(3);
    let [primary, _, late] = service.fleet.members() else { panic!("there are three") };
    primary.query("CREATE DATABASE lab; CREATE TABLE lab.times (at DATETIME(6), KEY (at))");
    service.fleet.wait_until_replicated();
    late.query("STOP REPLICA SQL_THREAD; CHANGE REPLICATION SOURCE TO SOURCE_DELAY = 5; START REPLICA SQL_THREAD");
    let mut observed = Observed::of(&service);
    let (writing, slowest) = (AtomicBool::new(true), AtomicU64::new(0));
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            while writing.load(Ordering::Relaxed) {
                let began = Instant::now();
                primary.query("INSERT INTO lab.times VALUES (UTC_TIMESTAMP(6))");
                let took = u64::try_from(began.elapsed().as_millis()).unwrap();
                slowest.fetch_max(took, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(200));
            }
        });
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // The history may begin after the first row: until the replica has what the primary had then, the resolution is
            // unknown.
            wait_for("a lag of four seconds that the history covers", WITHIN, || {
                let lag = observed.lag(late, observed.probe(late))?;
                (lag.resolution.is_some() && lag.behind >= Duration::from_secs(4)).then_some(())
            });
            let mut compared = 0;
            wait_for("ten comparisons", WITHIN, || {
                let has = newest(late);
                let probe = observed.probe(late);
                if newest(late) != has {
                    return None; // Something was applied meanwhile.
                }
                let lacks = written_after(primary, &has)?;
                let truth = Duration::try_from(probe.started.wall.duration_since(lacks)).ok()?;
                let lag = observed.lag(late, probe).expect("one primary answers");
                let resolution = lag.resolution.expect("the history reaches back that far");
                // The row was committed a little after its timestamp.
                let committed = Duration::from_millis(slowest.load(Ordering::Relaxed));
                assert!(lag.behind <= truth, "{lag:?}, in truth {truth:?}");
                assert!(truth <= lag.behind + resolution + committed, "{lag:?}, in truth {truth:?}, {committed:?}");
                assert!(truth >= Duration::from_secs(4), "the server replicates five seconds late: {truth:?}");
                compared += 1;
                (compared == 10).then_some(())
            });
            for reads in 1..=5 {
                observed.read(late);
                let replica = observed.replica(&late.name).expect("it has answered");
                assert_eq!((replica.reads, replica.stale_reads), (reads, Some(reads)));
            }
            for name in ["mysql-0", "mysql-1", "mysql-2"] {
                assert_eq!(observed.replica(name).and_then(|replica| replica.pod_probe_up), Some(true), "{name}");
            }
        }));
        writing.store(false, Ordering::Relaxed);
        writer.join().unwrap();
        if let Err(panic) = checked {
            std::panic::resume_unwind(panic);
        }
    });

    // Its GTID set is outdated but still present.
    primary.query("SET GLOBAL gtid_mode = ON_PERMISSIVE");
    wait_for("the end of what is known", WITHIN, || observed.lag(late, observed.probe(late)).is_none().then_some(()));
    let stale = observed.replica(&late.name).and_then(|replica| replica.stale_reads);
    observed.read(late);
    assert_eq!(observed.replica(&late.name).and_then(|replica| replica.stale_reads), stale, "unknown is not stale");
}
