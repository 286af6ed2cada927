//! Services whose pods belong to no `StatefulSet`.

use std::collections::BTreeMap;

use super::builders::{name, pod, set, slice};
use crate::model::{
    base::Moment,
    cluster::{
        change::{Change, Kind, Object, WatchName},
        cluster::Cluster,
        milestones::Seen,
        objects::Service,
        updates::Updates,
    },
};

const KINDS: [Kind; 4] = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet];

fn watch(kind: Kind) -> WatchName {
    WatchName { kind, namespace: "mysql".into() }
}

/// The notices after the lists of a Service with one pod, of this owner.
fn notices(kinds: &[Kind], statefulset: Option<&str>, other_owner: Option<&str>) -> Vec<String> {
    let mut cluster = Cluster::default();
    let mut updates = Updates::default();
    let watches = kinds.iter().map(|kind| watch(*kind)).collect();
    cluster.observe([name("mysql-read")].into(), BTreeMap::new(), watches, Moment::START, &mut updates);
    let mut pod = pod("mysql-0").0;
    (pod.statefulset, pod.other_owner) = (statefulset.map(Into::into), other_owner.map(Into::into));
    let service = Service {
        name: name("mysql-read"),
        headless: false,
        affinity: None,
        local_only: false,
        external: false,
        ports: [].into(),
    };
    let uid = pod.uid.clone();
    let objects = [
        (Kind::Slice, Object::from(slice("mysql-read", [("mysql-0", &uid)]))),
        (Kind::Service, Object::Service(service)),
        (Kind::StatefulSet, Object::from(set(1))),
        (Kind::Pod, Object::Pod(pod)),
    ];
    for (kind, object) in objects {
        let change = Change::Applied(object, Seen::Listed);
        cluster.apply(&watch(kind), change, Moment::START, &mut updates);
    }
    for kind in KINDS {
        cluster.listed(&watch(kind), Moment::START, &mut updates);
    }
    let reported: Vec<_> = updates.notices.iter().map(|(_, notice)| notice.to_string()).collect();
    let shown: Vec<_> = cluster.snapshot(Moment::START).notices.iter().map(ToString::to_string).collect();
    assert_eq!(reported, shown, "each is reported once, and shown");
    reported
}

#[test]
fn a_notice_says_which_facts_other_owners_lack() {
    let rest = ", so scale events, milestones and PVCs of the replicas are not known; reads and verdict are complete \
                without them";
    let kruise = "the pods behind mysql/mysql-read belong to a StatefulSet.apps.kruise.io, not to a StatefulSet of \
                  Kubernetes";
    let of = |owner| notices(&KINDS, None, owner);
    assert_eq!(of(Some("StatefulSet.apps.kruise.io")), [format!("{kruise}{rest}")]);
    assert_eq!(of(None), [format!("the pods behind mysql/mysql-read belong to no controller{rest}")]);
    assert_eq!(notices(&KINDS, Some("mysql"), None), [""; 0]);
    assert_eq!(notices(&KINDS[..3], None, Some("ReplicaSet")), [""; 0], "scale events are turned off");
}
