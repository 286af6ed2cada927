//! PVCs that wait too long for their volume.

use std::sync::Arc;

use crate::model::{
    base::{Moment, ObjectName},
    cluster::{
        change::{Change, Kind, Object},
        cluster::Cluster,
        milestones::Receipt,
        routing::Rule,
        tests::builders::{event, name, pod, pvc, set, slice},
        updates::Updates,
        watches::{Problem, WatchName},
    },
};

/// The `StatefulSet` `mysql` was just scaled to 4; the fourth PVC exists since 6000 s.
struct Told(Cluster);

fn watch(kind: Kind) -> WatchName {
    WatchName { kind, namespace: "mysql".into() }
}

impl Told {
    /// Nothing is known of the Service yet.
    fn of(service: &str, named: impl IntoIterator<Item = (ObjectName, ObjectName)>, kinds: &[Kind]) -> Self {
        let mut told = Self(Cluster::default());
        let watches = kinds.iter().copied().map(watch).collect();
        let (services, named) = ([name(service)].into(), named.into_iter().collect());
        told.news(|cluster, updates| cluster.observe(services, named, watches, Moment::START, updates));
        told
    }

    fn new() -> Self {
        let kinds = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet, Kind::Pvc, Kind::Event];
        let mut told = Self::of("mysql-read", [], &kinds);
        let service = crate::model::cluster::Service {
            name: name("mysql-read"),
            headless: false,
            affinity: None,
            local_only: false,
            ports: std::sync::Arc::default(),
        };
        told.at(5000.0, Object::Service(service));
        told.at(5000.0, set(3));
        told.at(5000.0, pod("mysql-0").running_since(1000.0));
        told.at(5000.0, slice("mysql-read", [("mysql-0", &Arc::from("mysql-0-a"))]));
        told.at(6000.0, set(4));
        told.at(6000.0, pvc("data-mysql-3").created_at(6000.0));
        told
    }

    fn at(&mut self, seconds: f64, object: impl Into<Object>) {
        self.takes(Change::Applied(object.into(), Receipt::Live), seconds);
    }

    fn gone(&mut self, seconds: f64, pvc: &ObjectName) {
        self.takes(Change::Deleted(Kind::Pvc, pvc.clone(), Receipt::Live), seconds);
    }

    fn takes(&mut self, change: Change, seconds: f64) {
        self.news(|cluster, updates| cluster.apply(&watch(Kind::Pvc), change, Moment::at(seconds), updates));
    }

    fn lists(&mut self, kind: Kind, seconds: f64) -> Vec<String> {
        self.news(|cluster, updates| cluster.listed(&watch(kind), Moment::at(seconds), updates))
    }

    fn records(&mut self, problem: Option<Problem>) -> Vec<String> {
        self.news(|cluster, updates| cluster.recorded(problem, updates))
    }

    /// The new notices.
    fn news(&mut self, take_in: impl FnOnce(&mut Cluster, &mut Updates)) -> Vec<String> {
        let mut updates = Updates::default();
        take_in(&mut self.0, &mut updates);
        updates.notices.iter().map(|(_, notice)| notice.to_string()).collect()
    }

    fn tick(&mut self, seconds: f64) -> Vec<String> {
        self.news(|cluster, updates| cluster.tick(Moment::at(seconds), updates))
    }

    fn notices(&self, seconds: f64) -> Vec<String> {
        self.0.snapshot(Moment::at(seconds)).notices.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn a_pvc_that_is_pending_for_long_is_told_with_its_reason_and_what_to_do() {
    let mut told = Told::new();
    told.at(6010.0, event("data-mysql-3", "ProvisioningFailed", "no space left in the zone"));
    assert!(told.tick(6029.0).is_empty() && told.notices(6029.0).is_empty());
    let sentence = "PVC data-mysql-3 has been pending for 75 s: ProvisioningFailed: no space left in the zone; check \
                    the storage class, its quota, and the log of its provisioner";
    assert_eq!(told.tick(6075.0), [sentence]);
    assert_eq!(told.notices(6075.0), [sentence]);
    assert!(told.tick(6076.0).is_empty(), "it is told once");
    assert_eq!(told.notices(6080.5)[0].split(':').next(), Some("PVC data-mysql-3 has been pending for 80 s"));
    assert_eq!(told.tick(6135.0).len(), 1, "and again after a minute");
    told.at(6140.0, event("data-mysql-3", "QuotaCheckFailed", "none is left"));
    assert_eq!(told.tick(6141.0).len(), 1, "and when there is another reason");
    told.at(6150.0, pvc("data-mysql-3").selected().bound());
    assert_eq!(told.tick(6151.0), ["PVC data-mysql-3 is bound at last"]);
    assert!(told.tick(6152.0).is_empty() && told.notices(6152.0).is_empty());
}

#[test]
fn a_reason_may_be_known_before_its_pvc_and_without_permission_there_is_none() {
    let mut told = Told::new();
    let early = event("data-mysql-4", "WaitForPodScheduled", "waiting for pod mysql-4 to be scheduled");
    told.at(6000.0, early);
    told.at(6000.5, set(5));
    told.at(6001.0, pvc("data-mysql-4").created_at(6001.0));
    let notices = told.notices(6040.0);
    assert!(notices[0].ends_with("`kubectl --namespace mysql describe pvc data-mysql-3` tells why"), "{notices:?}");
    assert!(notices[1].contains("WaitForPodScheduled: waiting for pod mysql-4"), "{notices:?}");
}

#[test]
fn a_pvc_that_is_deleted_or_made_anew_is_not_bound_at_last() {
    let mut told = Told::new();
    assert_eq!(told.tick(6060.0).len(), 1);
    told.gone(6061.0, &name("data-mysql-3"));
    assert!(told.tick(6061.0).is_empty());
    told.at(6062.0, pvc("data-mysql-3").uid("b").created_at(6062.0));
    told.at(6063.0, pvc("data-mysql-3").uid("b").selected().bound());
    assert!(told.tick(6063.0).is_empty());
}

#[test]
fn a_pvc_stays_in_view_when_its_replica_goes_and_waits_for_nobody() {
    let mut told = Told::new();
    let pvcs = |told: &Told, seconds: f64| -> Vec<(String, bool)> {
        let snapshot = told.0.snapshot(Moment::at(seconds));
        let pvcs = snapshot.statefulsets.iter().flat_map(|set| &set.pvcs);
        pvcs.map(|pvc| (pvc.pvc.name.name.to_string(), pvc.pending.is_some())).collect()
    };
    assert_eq!(pvcs(&told, 6040.0), [("data-mysql-3".to_owned(), true)]);
    told.at(6050.0, set(3));
    told.at(6051.0, pvc("data-mysql-5").created_at(6000.0));
    assert_eq!(pvcs(&told, 6100.0), [("data-mysql-3".to_owned(), false)]);
    assert_eq!(told.notices(6100.0), Vec::<String>::new());
}

#[test]
fn of_pvcs_of_others_nobody_is_told() {
    let mut told = Told::new();
    told.at(6000.0, pvc("scratch").created_at(6000.0));
    told.at(6001.0, pvc("data-mysql-3").selected().bound());
    assert!(told.tick(7000.0).is_empty() && told.notices(7000.0).is_empty());
}

#[test]
fn a_list_of_the_pvcs_ends_what_was_said_of_others() {
    let mut told = Told::new();
    told.at(6001.0, event("data-mysql-9", "ProvisioningFailed", "long ago"));
    told.at(6001.0, event("data-mysql-3", "ProvisioningFailed", "now"));
    told.lists(Kind::Pvc, 6002.0);
    let debug = format!("{:?}", told.0);
    assert!(!debug.contains("long ago") && debug.contains("\"now\""), "{debug}");
}

#[test]
fn a_statefulset_that_somebody_named_is_the_one_that_matters_and_missing_it_is_told() {
    let kinds = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet];
    let mut told = Told::of("mysql-read", [(name("mysql-read"), name("other"))], &kinds);
    assert!(told.notices(5000.0).is_empty(), "nothing was listed yet");
    told.at(5000.0, set(3));
    let news = told.lists(Kind::StatefulSet, 5000.0);
    let sentence = "there is no StatefulSet mysql/other; check --statefulset, or leave it out to have it found";
    assert_eq!(news, [sentence]);
    assert_eq!(told.notices(5000.0), [sentence]);
    told.at(5001.0, pod("mysql-0").running_since(1000.0));
    told.at(5001.0, slice("mysql-read", [("mysql-0", &Arc::from("mysql-0-a"))]));
    assert!(told.0.snapshot(Moment::at(5001.0)).statefulsets.is_empty(), "mysql is nobody's business");
}

#[test]
fn that_milestones_cannot_be_written_is_told_once_until_they_can() {
    let mut told = Told::new();
    let forbidden = || Some(Problem { forbidden: true, text: "no".into() });
    assert!(told.records(None).is_empty());
    assert!(!told.records(forbidden()).is_empty() && told.records(forbidden()).is_empty());
    let sentence = "not allowed to write milestones as Kubernetes Events; grant create on events.events.k8s.io";
    assert!(told.notices(6000.0)[0].starts_with(sentence));
    assert_eq!(told.records(None), ["milestones are written as Kubernetes Events again"]);
    assert!(told.notices(6000.0).is_empty());
}

#[test]
fn a_service_that_does_not_exist_is_told_and_nobody_is_expected_behind_it() {
    let mut told = Told::of("mysql-reed", [], &[Kind::Service, Kind::Slice]);
    told.at(5000.0, slice("mysql-read", [("mysql-0", &Arc::from("mysql-0-a"))]));
    told.lists(Kind::Slice, 5000.0);
    assert!(told.0.routing(&name("mysql-reed")).is_none(), "the Services were not listed yet");
    told.lists(Kind::Service, 5000.0);
    let routing = told.0.routing(&name("mysql-reed")).unwrap();
    assert_eq!((routing.rule, routing.endpoints.len()), (Rule::NoService, 0));
}
