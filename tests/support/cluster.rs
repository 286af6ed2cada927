//! Watch events of a `StatefulSet` whose replicas became ready long ago.

use std::{net::IpAddr, sync::Arc};

use jiff::Timestamp;
use readscope::model::{
    Event, WatchUpdate,
    cluster::{
        Change, Endpoint, Kind, Object, ObjectName, Pod, PodConditions, PodRef, Port, Seen, Service, Slice,
        StatefulSet, WatchName,
    },
};

const KINDS: [Kind; 4] = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet];

pub(crate) fn name(name: &str) -> ObjectName {
    ObjectName::new("mysql", name)
}

fn watch(kind: Kind) -> WatchName {
    WatchName { kind, namespace: "mysql".into() }
}

/// The watches of these events.
pub(crate) fn watches() -> Vec<WatchName> {
    KINDS.map(watch).into()
}

/// The lists of the `StatefulSet` `mysql` with a replica at each of these addresses, all of them behind `mysql-read`.
pub(crate) fn lists(addresses: &[IpAddr]) -> Vec<Event> {
    let mut events = objects(addresses, Seen::Listed);
    events.extend(KINDS.map(|kind| Event::Cluster { watch: watch(kind), update: WatchUpdate::Listed }));
    events
}

/// The same objects, received one by one.
pub(crate) fn objects(addresses: &[IpAddr], seen: Seen) -> Vec<Event> {
    let mut events = Vec::new();
    let mut lists = |kind, object| {
        let change = Change::Applied(object, seen);
        events.push(Event::Cluster { watch: watch(kind), update: WatchUpdate::Change(Box::new(change)) });
    };
    let replicas = u32::try_from(addresses.len()).unwrap();
    let set = StatefulSet {
        name: name("mysql"),
        uid: "set".into(),
        replicas,
        first_ordinal: 0,
        pvc_templates: Vec::new(),
        rollout: None,
    };
    lists(Kind::StatefulSet, Object::StatefulSet(set));
    let since = Some(Timestamp::UNIX_EPOCH);
    let mut endpoints = Vec::new();
    for (ordinal, address) in (0..).zip(addresses) {
        let pod: Arc<str> = format!("mysql-{ordinal}").into();
        let fact = Pod {
            name: name(&pod),
            uid: Arc::clone(&pod),
            statefulset: Some("mysql".into()),
            other_owner: None,
            addresses: vec![*address],
            created: since,
            deleted: None,
            restarts: 0,
            conditions: PodConditions { scheduled: since, sandbox: since, initialized: since, ready: since },
            trouble: None,
        };
        lists(Kind::Pod, Object::Pod(fact));
        endpoints.push(Endpoint {
            addresses: vec![*address],
            ready: true,
            serving: true,
            terminating: false,
            pod: Some(PodRef { name: Arc::clone(&pod), uid: pod }),
            node: None,
            zone: None,
            for_zones: Vec::new(),
            for_nodes: Vec::new(),
        });
    }
    let ports: Arc<[Port]> = [Port { name: "mysql".into(), number: 3306 }].into();
    let service = Service {
        name: name("mysql-read"),
        headless: false,
        affinity: None,
        local_only: false,
        external: false,
        ports: Arc::clone(&ports),
    };
    lists(Kind::Service, Object::Service(service));
    let slice = Slice { name: name("mysql-read-x"), service: "mysql-read".into(), ports, endpoints };
    lists(Kind::Slice, Object::Slice(slice));
    events
}
