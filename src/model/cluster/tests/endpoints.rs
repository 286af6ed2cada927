//! The endpoints of the probed Services and of other Services.

use std::sync::Arc;

use crate::model::{
    base::Moment,
    cluster::{
        change::{Change, Kind, Object},
        milestones::{Milestone, ScalePhase, Seen},
        objects::{ProbeLocation, Service},
        routing::EndpointRouting,
        tests::builders::{Story, name, pod, set, slice},
    },
};

fn uid(pod: &str) -> Arc<str> {
    format!("{pod}-a").into()
}

#[test]
fn endpoints_of_other_services_do_not_matter() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    // The governing Service publishes addresses that are not ready.
    story.at(6000.5).sees(slice("mysql", [("mysql-3", &uid("mysql-3"))]));
    assert!(!story.member(3).milestones.has(Milestone::EndpointReady));
    story.at(6001.0).sees_gone(Kind::Slice, "mysql-x");
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.reached(3, Milestone::EndpointReady), Some(6020.5));
    assert!(story.index.routing(&name("mysql")).is_none());
}

#[test]
fn an_endpoint_in_two_slices_is_gone_when_it_is_in_none() {
    let mut story = Story::of(4);
    let all: Vec<_> = (0..4).map(|ordinal| format!("mysql-{ordinal}")).collect();
    let uids: Vec<_> = all.iter().map(|pod| uid(pod)).collect();
    let both = || all.iter().map(String::as_str).zip(&uids);
    story.at(5500.0).sees(slice("mysql-read", both()).named("mysql-read-v6"));
    story.at(6000.0).sees(set(3));
    story.at(6000.1).sees(pod("mysql-3").running_since(1000.0).deleted_at(6000.0));
    story.at(6000.2).leaves("mysql-3");
    assert!(!story.member(3).milestones.has(Milestone::EndpointGone));
    story.at(6000.6).sees(slice("mysql-read", both().take(3)).named("mysql-read-v6"));
    assert_eq!(story.reached(3, Milestone::EndpointGone), Some(6000.6));
}

#[test]
fn an_endpoint_that_moves_between_slices_stays() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6020.5).joins("mysql-3", "a");
    story.at(6021.0).leaves("mysql-3");
    story.at(6021.1).sees(slice("mysql-read", [("mysql-3", &uid("mysql-3"))]).named("mysql-read-y"));
    assert_eq!(story.reached(3, Milestone::EndpointReady), Some(6020.5));
    let routing = story.index.routing(&name("mysql-read")).unwrap();
    assert_eq!(routing.routed().count(), 4);
    story.at(6022.0).sees_gone(Kind::Slice, "mysql-read-y");
    let routing = story.index.routing(&name("mysql-read")).unwrap();
    assert_eq!(routing.routed().count(), 3);
}

#[test]
fn a_slice_moved_to_another_service_leaves_the_first() {
    let mut story = Story::of(3);
    let taken = Change::Applied(slice("mysql", []).named("mysql-read-x").into(), Seen::Live);
    let updates = story.takes(|index, updates| index.apply(taken, Moment::at(6000.0), updates));
    assert_eq!(Vec::from_iter(updates.routing_changed), [name("mysql-read")]);
    assert_eq!(story.index.routing(&name("mysql-read")).unwrap().endpoints, []);
}

#[test]
fn an_endpoint_of_another_uid_is_not_this_pods() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.at(6000.2).sees(pod("mysql-3"));
    story.at(6000.3).joins("mysql-3", "z");
    assert!(!story.member(3).milestones.has(Milestone::EndpointReady));
}

#[test]
fn a_listed_endpoint_is_ready_since_an_unknown_time() {
    let mut story = Story::of(3);
    story.at(6000.0).sees(set(4));
    story.ready.insert("mysql-3".into(), uid("mysql-3"));
    story.at(6000.1).lists_endpoints();
    story.at(6000.2).sees(pod("mysql-3"));
    assert!(story.member(3).milestones.has(Milestone::EndpointReady));
    assert_eq!(story.member(3).milestones.get(Milestone::EndpointReady), None);
    story.rises_reusing("mysql-3", "a", 6000.0);
    assert_eq!(story.measured(ScalePhase::Publish), [0.0; 0]);
    assert_eq!(story.measured(ScalePhase::Route), [0.0; 0]);
    assert_eq!(story.measured(ScalePhase::ToFirstRead), [21.0]);
}

#[test]
fn changes_name_the_services_with_new_routing() {
    let mut story = Story::of(3);
    let mut takes = |change| {
        let updates = story.takes(|index, updates| index.apply(change, Moment::at(6000.0), updates));
        Vec::from_iter(updates.routing_changed)
    };
    let routing = || vec![name("mysql-read")];
    let service = |of: &str| {
        Object::Service(Service {
            name: name(of),
            headless: false,
            affinity: None,
            local_only: false,
            external: false,
            ports: Arc::default(),
        })
    };
    let local = Service {
        name: name("mysql-read"),
        headless: false,
        affinity: None,
        local_only: true,
        external: false,
        ports: Arc::default(),
    };
    assert_eq!(takes(Change::Applied(Object::Service(local), Seen::Live)), routing());
    assert_eq!(takes(Change::Applied(service("mysql-read"), Seen::Listed)), routing());
    assert_eq!(takes(Change::Applied(service("mysql-read"), Seen::Listed)), [], "it is the same");
    let none = || Object::from(slice("mysql-read", []));
    assert_eq!(takes(Change::Applied(none(), Seen::Live)), routing());
    assert_eq!(takes(Change::Applied(none(), Seen::Listed)), [], "it is the same");
    assert_eq!(takes(Change::Applied(service("mysql"), Seen::Live)), []);
    let location = ProbeLocation { node: Some("node-1".into()), zone: Some("a".into()) };
    assert_eq!(takes(Change::Applied(Object::ProbeLocation(location), Seen::Live)), routing());
    assert_eq!(takes(Change::Deleted(Kind::Node, name(""), Seen::Live)), routing());
    assert_eq!(takes(Change::Deleted(Kind::Slice, name("mysql-read-x"), Seen::Live)), routing());
    assert_eq!(takes(Change::Deleted(Kind::Slice, name("mysql-read-x"), Seen::Live)), []);
    assert_eq!(takes(Change::Deleted(Kind::Service, name("mysql"), Seen::Live)), []);
    assert_eq!(takes(Change::Deleted(Kind::Service, name("mysql-read"), Seen::Live)), routing());
    assert!(story.index.routing(&name("mysql-read")).is_none());
}

#[test]
fn routing_names_each_pod_once() {
    let story = Story::of(3);
    let routing = story.index.routing(&name("mysql-read")).unwrap();
    let names: Vec<_> = routing.endpoints.iter().map(|endpoint| (&*endpoint.name, endpoint.standing)).collect();
    assert_eq!(
        names,
        [
            ("mysql-0", EndpointRouting::Routed),
            ("mysql-1", EndpointRouting::Routed),
            ("mysql-2", EndpointRouting::Routed)
        ]
    );
    assert_eq!(story.index.tracked.pod(&name("mysql-0")).map(|pod| &*pod.uid), Some("mysql-0-a"));
}
