//! The HTTP server alone, with a snapshot of the test, in a thread of its own.

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

use jiff::{SignedDuration, Timestamp};
use readscope::{
    model::{
        Answer, Event, Expectation, Failure, FailureReason, Identity, Moment, Probe, Snapshot, State, TargetId,
        TargetSpec, Timings,
    },
    view::web::{Access, Site},
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::replicas::identity;

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
    snapshots: watch::Sender<Snapshot>,
}

impl Served {
    pub(crate) fn showing(snapshot: Snapshot, configuration: &str) -> Self {
        Self::showing_under("", snapshot, configuration)
    }

    /// With this prefix of every path.
    pub(crate) fn showing_under(prefix: &str, snapshot: Snapshot, configuration: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (snapshots, shown) = watch::channel(snapshot);
        let site = Site::new(shown, watch::channel(configuration.to_owned()).1, stop.clone());
        let site = Arc::new(site.with_prefix(prefix.to_owned()));
        let serving = std::thread::spawn(move || runtime.block_on(site.serve(listener)));
        Self { address, stop, serving: Some(serving), snapshots }
    }

    /// Replaces the snapshot.
    pub(crate) fn show(&self, snapshot: Snapshot) {
        self.snapshots.send_replace(snapshot);
    }

    /// Starts the shutdown without waiting for its end.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// The HTTP server in the runtime of the test, whose time may be paused.
pub(crate) struct ServedHere {
    pub(crate) address: SocketAddr,
    _snapshots: watch::Sender<Snapshot>,
    _stop: DropGuard,
}

impl ServedHere {
    pub(crate) async fn showing(snapshot: Snapshot, access: Access) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (snapshots, shown) = watch::channel(snapshot);
        let site = Site::new(shown, watch::channel(String::new()).1, stop.clone());
        let site = Arc::new(site.with_access(watch::channel(Arc::new(access)).1));
        tokio::spawn(site.serve(listener));
        Self { address, _snapshots: snapshots, _stop: stop.drop_guard() }
    }
}

/// This number of seconds after the epoch, on both clocks.
pub(crate) fn second(elapsed: u32) -> Moment {
    let wall = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::from(elapsed));
    Moment { elapsed: Duration::from_secs(u64::from(elapsed)), wall }
}

/// A snapshot with three reads from two servers (one is an unexpected primary), a failure, skipped probes, and an expected
/// replica without reads.
pub(crate) fn snapshot() -> Snapshot {
    const TARGET: TargetId = TargetId(0);
    let expected = ["mysql-1=2", "mysql-2"].map(|entry| entry.parse().unwrap());
    let spec = TargetSpec::regular("mysql/mysql-read", Expectation::listed(expected.to_vec()).unwrap());
    let mut state = State::new([(TARGET, spec)], Vec::new());
    let without_uuid = Identity { server_uuid: None, gtid_executed: None, ..identity(0) };
    let failure = Failure {
        reason: FailureReason::Refused,
        text: "cannot log in to 10.0.0.1:3306: Connection refused (os error 111)".to_owned(),
        address: Some(([10, 0, 0, 1], 3306).into()),
        charge: None,
        advice: None,
    };
    let outcomes = [Ok(identity(1)), Ok(without_uuid), Ok(identity(1)), Err(failure)];
    for (sequence, outcome) in (0..).zip(outcomes) {
        let timings = Timings {
            resolve: Duration::from_micros(125),
            login: Duration::from_millis(2),
            query: Duration::from_millis(1),
            total: Duration::from_nanos(3_906_250),
        };
        let address = ([10, 0, 0, 1], 3306).into();
        let outcome = outcome.map(|identity| Answer { identity, timings, address, status: None });
        let probe = Box::new(Probe { sequence, started: second(1), finished: second(2), outcome });
        state.apply(Event::Probed { target: TARGET, probe, late: Duration::from_millis(3) }, second(2));
    }
    state.apply(Event::Skipped { target: TARGET, count: 3 }, second(2));
    state.apply(Event::Tick, second(3));
    state.snapshot(second(3))
}

/// Targets with these names and numbers of reads, all from one server, at second `at`.
pub(crate) fn answered(targets: &[(&str, u64)], at: u32) -> Snapshot {
    let ids = || (0..).map(TargetId).zip(targets);
    let spec = |name: &str| TargetSpec::regular(name, Expectation::Seen);
    let mut state = State::new(ids().map(|(id, (name, _))| (id, spec(name))), Vec::new());
    for (target, (_, answers)) in ids() {
        for sequence in 0..*answers {
            let answer = Answer {
                identity: identity(1),
                timings: Timings::default(),
                address: ([10, 0, 0, 1], 3306).into(),
                status: None,
            };
            let finished = second(u32::try_from(sequence).unwrap());
            let probe = Box::new(Probe { sequence, started: finished, finished, outcome: Ok(answer) });
            state.apply(Event::Probed { target, probe, late: Duration::ZERO }, finished);
        }
    }
    state.snapshot(second(at))
}

/// The snapshot before the end of the first probe.
pub(crate) fn nothing() -> Snapshot {
    let spec = TargetSpec::regular("mysql/mysql-read", Expectation::Seen);
    State::new([(TargetId(0), spec)], Vec::new()).snapshot(second(0))
}
