//! PVCs that wait too long for their volume, or lost it.

use std::sync::Arc;

use crate::model::{
    base::{Moment, ObjectName},
    cluster::{
        change::{Change, Kind, Object, Problem, WatchName},
        cluster::Cluster,
        milestones::Seen,
        routing::Rule,
        tests::builders::{event, name, pod, pvc, set, slice},
        updates::Updates,
    },
};

/// The `StatefulSet` `mysql` was just scaled to 4; the fourth PVC exists since 6000 s.
struct Observed(Cluster);

fn watch(kind: Kind) -> WatchName {
    WatchName { kind, namespace: "mysql".into() }
}

impl Observed {
    /// Nothing is known of the Service yet.
    fn of(service: &str, named: impl IntoIterator<Item = (ObjectName, ObjectName)>, kinds: &[Kind]) -> Self {
        let mut observed = Self(Cluster::default());
        let watches = kinds.iter().copied().map(watch).collect();
        let (services, named) = ([name(service)].into(), named.into_iter().collect());
        observed.new_notices(|cluster, updates| cluster.observe(services, named, watches, Moment::START, updates));
        observed
    }

    fn new() -> Self {
        let kinds = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet, Kind::Pvc, Kind::Event];
        let mut observed = Self::of("mysql-read", [], &kinds);
        let service = crate::model::cluster::Service {
            name: name("mysql-read"),
            headless: false,
            affinity: None,
            local_only: false,
            external: false,
            ports: std::sync::Arc::default(),
        };
        observed.at(5000.0, Object::Service(service));
        observed.at(5000.0, set(3));
        observed.at(5000.0, pod("mysql-0").running_since(1000.0));
        observed.at(5000.0, slice("mysql-read", [("mysql-0", &Arc::from("mysql-0-a"))]));
        observed.at(6000.0, set(4));
        observed.at(6000.0, pvc("data-mysql-3").created_at(6000.0));
        observed
    }

    fn at(&mut self, seconds: f64, object: impl Into<Object>) {
        self.takes(Change::Applied(object.into(), Seen::Live), seconds);
    }

    fn gone(&mut self, seconds: f64, pvc: &ObjectName) {
        self.takes(Change::Deleted(Kind::Pvc, pvc.clone(), Seen::Live), seconds);
    }

    fn takes(&mut self, change: Change, seconds: f64) {
        self.new_notices(|cluster, updates| cluster.apply(&watch(Kind::Pvc), change, Moment::at(seconds), updates));
    }

    fn lists(&mut self, kind: Kind, seconds: f64) -> Vec<String> {
        self.new_notices(|cluster, updates| cluster.listed(&watch(kind), Moment::at(seconds), updates))
    }

    fn records(&mut self, problem: Option<Problem>) -> Vec<String> {
        self.new_notices(|cluster, updates| cluster.events_written(problem, updates))
    }

    /// The new notices.
    fn new_notices(&mut self, take_in: impl FnOnce(&mut Cluster, &mut Updates)) -> Vec<String> {
        let mut updates = Updates::default();
        take_in(&mut self.0, &mut updates);
        updates.notices.iter().map(|(_, notice)| notice.to_string()).collect()
    }

    fn tick(&mut self, seconds: f64) -> Vec<String> {
        self.new_notices(|cluster, updates| cluster.tick(Moment::at(seconds), updates))
    }

    fn notices(&self, seconds: f64) -> Vec<String> {
        self.0.snapshot(Moment::at(seconds)).notices.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn a_long_pending_pvc_causes_a_notice_with_reason_and_advice() {
    let mut observed = Observed::new();
    observed.at(6010.0, event("data-mysql-3", "ProvisioningFailed", "no space left in the zone"));
    assert!(observed.tick(6029.0).is_empty() && observed.notices(6029.0).is_empty());
    let sentence = "PVC data-mysql-3 has been pending for 1 min 15 s: ProvisioningFailed: no space left in the zone; check \
                    the storage class, its quota, and the log of its provisioner";
    assert_eq!(observed.tick(6075.0), [sentence]);
    assert_eq!(observed.notices(6075.0), [sentence]);
    assert!(observed.tick(6076.0).is_empty(), "reported once");
    assert_eq!(observed.notices(6080.5)[0].split(':').next(), Some("PVC data-mysql-3 has been pending for 1 min 20 s"));
    assert_eq!(observed.tick(6135.0).len(), 1, "and again after a minute");
    observed.at(6140.0, event("data-mysql-3", "QuotaCheckFailed", "none is left"));
    assert_eq!(observed.tick(6141.0).len(), 1, "and when there is another reason");
    observed.at(6150.0, pvc("data-mysql-3").selected().bound());
    assert_eq!(observed.tick(6151.0), ["PVC data-mysql-3 is bound"]);
    assert!(observed.tick(6152.0).is_empty() && observed.notices(6152.0).is_empty());
}

#[test]
fn a_reason_may_precede_its_pvc_and_may_be_missing() {
    let mut observed = Observed::new();
    let early = event("data-mysql-4", "WaitForPodScheduled", "waiting for pod mysql-4 to be scheduled");
    observed.at(6000.0, early);
    observed.at(6000.5, set(5));
    observed.at(6001.0, pvc("data-mysql-4").created_at(6001.0));
    let notices = observed.notices(6040.0);
    assert!(
        notices[0].ends_with("run `kubectl --namespace mysql describe pvc data-mysql-3` to see why"),
        "{notices:?}"
    );
    assert!(notices[1].contains("WaitForPodScheduled: waiting for pod mysql-4"), "{notices:?}");
}

#[test]
fn a_lost_pvc_causes_a_notice_until_its_volume_is_back() {
    let mut observed = Observed::new();
    observed.at(6001.0, pvc("data-mysql-3").selected().bound());
    observed.at(6100.0, pvc("data-mysql-3").selected().lost());
    let sentence = |lasting| {
        format!(
            "PVC data-mysql-3 lost its PersistentVolume (for at least {lasting}): the next restart of mysql-3 cannot mount \
             it; back up the data of the pod while it runs, then restore the PersistentVolume, or delete the PVC and the \
             pod: the StatefulSet creates both again without data"
        )
    };
    assert_eq!(observed.tick(6101.0), [sentence("1 s")]);
    assert!(observed.tick(6102.0).is_empty(), "reported once");
    observed.at(6103.0, pvc("data-mysql-3").selected().lost());
    assert_eq!(observed.notices(6160.0), [sentence("1 min")]);
    assert_eq!(observed.tick(6161.0), [sentence("1 min 1 s")], "and again after a minute");
    assert_eq!(observed.notices(6100.0 + 2_514_764.0), [sentence("29 d 2 h")]);
    // It will be missing when the replica returns.
    observed.at(6170.0, set(3));
    assert_eq!(observed.notices(6170.0), [sentence("1 min 10 s")]);
    observed.at(6180.0, pvc("data-mysql-3").selected().bound());
    assert_eq!(observed.tick(6181.0), ["PVC data-mysql-3 is bound"]);
    assert!(observed.tick(6182.0).is_empty() && observed.notices(6182.0).is_empty());
}

#[test]
fn a_missing_permission_on_services_names_the_role_and_overlays() {
    let mut observed = Observed::new();
    let mut forbidden = |kind| {
        let problem = Problem { forbidden: true, text: "no".into() };
        observed.new_notices(|cluster, updates| cluster.broken(&watch(kind), problem, updates))
    };
    let role = "apply the Role and RoleBinding readscope of deploy/ in namespace mysql; an overlay of deploy/ may have moved \
                them to another namespace (docs/install.md, Overlays)";
    for (kind, resource) in [(Kind::Service, "services"), (Kind::Slice, "endpointslices")] {
        let sentence = format!("not allowed to read {resource} in namespace mysql, so their data is missing; {role}");
        assert_eq!(forbidden(kind), [sentence]);
    }
    let pods = "not allowed to read pods in namespace mysql, so their data is missing; grant list and watch on pods to \
                readscope's ServiceAccount";
    assert_eq!(forbidden(Kind::Pod), [pods]);
}

#[test]
fn a_deleted_or_recreated_pvc_is_not_reported_as_bound() {
    let mut observed = Observed::new();
    assert_eq!(observed.tick(6060.0).len(), 1);
    observed.gone(6061.0, &name("data-mysql-3"));
    assert!(observed.tick(6061.0).is_empty());
    observed.at(6062.0, pvc("data-mysql-3").uid("b").created_at(6062.0));
    observed.at(6063.0, pvc("data-mysql-3").uid("b").selected().bound());
    assert!(observed.tick(6063.0).is_empty());
}

#[test]
fn the_pvc_of_a_removed_replica_stays_without_a_pending_time() {
    let mut observed = Observed::new();
    let pvcs = |observed: &Observed, seconds: f64| -> Vec<(String, bool)> {
        let snapshot = observed.0.snapshot(Moment::at(seconds));
        let pvcs = snapshot.statefulsets.iter().flat_map(|set| &set.pvcs);
        pvcs.map(|pvc| (pvc.pvc.name.name.to_string(), pvc.pending.is_some())).collect()
    };
    assert_eq!(pvcs(&observed, 6040.0), [("data-mysql-3".to_owned(), true)]);
    observed.at(6050.0, set(3));
    observed.at(6051.0, pvc("data-mysql-5").created_at(6000.0));
    assert_eq!(pvcs(&observed, 6100.0), [("data-mysql-3".to_owned(), false)]);
    assert_eq!(observed.notices(6100.0), Vec::<String>::new());
}

#[test]
fn pvcs_of_other_workloads_cause_no_notice() {
    let mut observed = Observed::new();
    observed.at(6000.0, pvc("scratch").created_at(6000.0));
    observed.at(6001.0, pvc("data-mysql-3").selected().bound());
    assert!(observed.tick(7000.0).is_empty() && observed.notices(7000.0).is_empty());
}

#[test]
fn a_list_of_pvcs_drops_the_reasons_of_unknown_pvcs() {
    let mut observed = Observed::new();
    observed.at(6001.0, event("data-mysql-9", "ProvisioningFailed", "long ago"));
    observed.at(6001.0, event("data-mysql-3", "ProvisioningFailed", "now"));
    observed.lists(Kind::Pvc, 6002.0);
    let debug = format!("{:?}", observed.0);
    assert!(!debug.contains("long ago") && debug.contains("\"now\""), "{debug}");
}

#[test]
fn a_configured_statefulset_replaces_the_found_one_and_is_reported_if_missing() {
    let kinds = [Kind::Service, Kind::Slice, Kind::Pod, Kind::StatefulSet];
    let mut observed = Observed::of("mysql-read", [(name("mysql-read"), name("other"))], &kinds);
    assert!(observed.notices(5000.0).is_empty(), "nothing was listed yet");
    observed.at(5000.0, set(3));
    let new = observed.lists(Kind::StatefulSet, 5000.0);
    let sentence = "StatefulSet mysql/other does not exist; correct its name in the configuration, or remove it there: \
                    readscope finds the StatefulSet of a Service by itself";
    assert_eq!(new, [sentence]);
    assert_eq!(observed.notices(5000.0), [sentence]);
    observed.at(5001.0, pod("mysql-0").running_since(1000.0));
    observed.at(5001.0, slice("mysql-read", [("mysql-0", &Arc::from("mysql-0-a"))]));
    assert!(
        observed.0.snapshot(Moment::at(5001.0)).statefulsets.is_empty(),
        "StatefulSet mysql is not the configured one"
    );
}

#[test]
fn failed_writes_of_events_are_reported_once_until_they_succeed() {
    let mut observed = Observed::new();
    let forbidden = || Some(Problem { forbidden: true, text: "no".into() });
    assert!(observed.records(None).is_empty());
    assert!(!observed.records(forbidden()).is_empty() && observed.records(forbidden()).is_empty());
    let sentence = "not allowed to write milestones as Kubernetes Events; grant create on events.events.k8s.io";
    assert!(observed.notices(6000.0)[0].starts_with(sentence));
    assert_eq!(observed.records(None), ["writing milestones as Kubernetes Events again"]);
    assert!(observed.notices(6000.0).is_empty());
}

#[test]
fn a_missing_service_is_reported_and_has_no_endpoints() {
    let mut observed = Observed::of("mysql-reed", [], &[Kind::Service, Kind::Slice]);
    observed.at(5000.0, slice("mysql-read", [("mysql-0", &Arc::from("mysql-0-a"))]));
    observed.lists(Kind::Slice, 5000.0);
    assert!(observed.0.routing(&name("mysql-reed")).is_none(), "the Services were not listed yet");
    observed.lists(Kind::Service, 5000.0);
    let routing = observed.0.routing(&name("mysql-reed")).unwrap();
    assert_eq!((routing.rule, routing.endpoints.len()), (Rule::NoService, 0));
}
