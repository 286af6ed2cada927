//! Every JSON document and event, byte for byte.

use std::{net::IpAddr, sync::Arc, time::Duration};

use readscope::{
    api::{AnswersEvent, OverviewEvent, ScaleEvents, SnapshotEvent, Targets},
    model::{
        Answer, Event, Expectation, Failure, FailureReason, Identity, Moment, Probe, Snapshot, State, TargetId,
        TargetSpec, Timings,
        cluster::{AccessModes, Pvc, PvcPhase, PvcReason, PvcSnapshot, Seen},
    },
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::events::Events;
use crate::support::{
    cluster, golden,
    http::get,
    replicas::identity,
    site::{Served, answered, second},
};

const TARGET: TargetId = TargetId(0);

fn probe(sequence: u64, outcome: Result<Identity, Failure>, now: Moment) -> Event {
    let address = ([10, 0, 0, 1], 3306).into();
    let milliseconds = Duration::from_millis;
    let timings =
        Timings { resolve: milliseconds(1), login: milliseconds(3), query: milliseconds(1), total: milliseconds(5) };
    let outcome = outcome.map(|identity| Answer { identity, timings, address, status: None });
    let probe = Probe { sequence, started: now, finished: now, outcome };
    Event::Probed { target: TARGET, probe: Box::new(probe), late: Duration::ZERO }
}

fn pvc(name: &str, phase: PvcPhase) -> PvcSnapshot {
    let is_bound = phase == PvcPhase::Bound;
    let when_bound = |text: &str| is_bound.then(|| text.into());
    PvcSnapshot {
        pvc: Pvc {
            name: cluster::name(name),
            uid: name.into(),
            created: Some(second(1).wall),
            phase,
            node_selected: is_bound,
            storage_class: Some("standard".into()),
            volume: when_bound("pvc-1"),
            requested: Some("10Gi".into()),
            capacity: when_bound("10Gi"),
            access_modes: AccessModes::named(is_bound.then_some("ReadWriteOnce")),
            resizing: false,
        },
        pending: (!is_bound).then_some(Duration::from_secs(8)),
        bound: is_bound.then(|| second(2).wall),
        reason: (!is_bound).then(|| PvcReason {
            reason: "ProvisioningFailed".into(),
            message: "storageclass \"standard\" not found".into(),
            warning: true,
            last: Some(second(9).wall),
        }),
    }
}

/// Two replicas answer and a third one is added. One probe fails. A PVC is bound and one is pending.
fn snapshot() -> Snapshot {
    let service = Some(cluster::name("mysql-read"));
    let spec = TargetSpec { service, ..TargetSpec::regular("mysql/mysql-read", Expectation::Seen) };
    let addresses: [IpAddr; 3] = [1, 2, 3].map(|host| [10, 0, 0, host].into());
    let mut state = State::new([(TARGET, spec)], cluster::watches());
    for event in cluster::lists(&addresses[..2]) {
        state.apply(event, second(1));
    }
    let failure = Failure {
        reason: FailureReason::Refused,
        text: "cannot log in to 10.0.0.1:3306".to_owned(),
        address: Some(([10, 0, 0, 1], 3306).into()),
        charge: None,
        advice: None,
    };
    let other = Failure {
        reason: FailureReason::Auth,
        text: "access denied".to_owned(),
        address: None,
        charge: None,
        advice: None,
    };
    let outcomes = [Ok(identity(0)), Ok(identity(1)), Err(failure), Err(other), Ok(identity(7)), Ok(identity(1))];
    for (sequence, outcome) in (0..).zip(outcomes) {
        state.apply(probe(sequence, outcome, second(3)), second(3));
    }
    for event in cluster::objects(&addresses, Seen::Live) {
        state.apply(event, second(5));
    }
    let dated = Identity { server_time: Some(second(6).wall), ..identity(2) };
    state.apply(probe(6, Ok(dated), second(6)), second(6));
    state.apply(Event::Caption("Step 1".into()), second(7));
    state.apply(Event::Tick, second(7));
    let mut snapshot = state.snapshot(second(10));
    let cluster = snapshot.cluster.as_mut().map(Arc::make_mut).unwrap();
    cluster.statefulsets[0].pvcs = vec![pvc("data-mysql-0", PvcPhase::Bound), pvc("data-mysql-2", PvcPhase::Pending)];
    snapshot
}

/// Compares the text with a file, and with the text of the document that it parses to.
fn assert_is<T: Serialize + DeserializeOwned>(name: &str, json: &str) {
    let document: T = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_value(document).unwrap(), serde_json::from_str::<Value>(json).unwrap(), "{name}");
    // One field a line, for a readable difference.
    let lines = json.replace(",\"", ",\n\"") + "\n";
    golden::assert_is(&format!("tests/fixtures/api/{name}.json"), &lines);
}

#[test]
fn documents_have_this_text() {
    let site = Served::showing(snapshot(), "");
    assert_is::<Targets<'_>>("targets", &get(site.address, "/api/v1/targets").text());
    assert_is::<ScaleEvents<'_>>("scale-events", &get(site.address, "/api/v1/scale-events").text());
}

#[test]
fn events_of_one_target_have_this_text() {
    let site = Served::showing(answered(&[("mysql/mysql-read", 1)], 1), "");
    let mut events = Events::open(site.address, "");
    assert_is::<SnapshotEvent<'_>>("first-snapshot", &events.next_text("snapshot"));
    assert_is::<ScaleEvents<'_>>("no-scale-events", &events.next_text("scale_events"));
    site.show(answered(&[("mysql/mysql-read", 3)], 3));
    assert_is::<AnswersEvent<'_>>("answers", &events.next_text("answers"));
    assert_is::<SnapshotEvent<'_>>("next-snapshot", &events.next_text("snapshot"));
}

#[test]
fn events_of_many_targets_have_this_text() {
    let site = Served::showing(answered(&[("a/b", 1), ("c/d", 1)], 1), "");
    let mut events = Events::open(site.address, "");
    assert_is::<OverviewEvent<'_>>("overview", &events.next_text("overview"));
}
