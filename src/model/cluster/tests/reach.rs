//! Which pods can be probed at their own addresses.

use std::{net::SocketAddr, sync::Arc};

use crate::model::cluster::{
    change::{Change, Object},
    milestones::Seen,
    objects::{Endpoint, Pod, Port, Service, Slice},
    tests::builders::{Fact, Story, name, pod, set, slice},
};

fn at(pod: Fact<Pod>, ip: u8) -> Fact<Pod> {
    Fact(Pod { addresses: vec![[10, 0, 0, ip].into()], ..pod.0 })
}

fn ports(name: &str, number: u16) -> Arc<[Port]> {
    [Port { name: name.into(), number }].into()
}

/// `mysql-1` is behind the Service at its own port, ready or not. The Service leaves out `mysql-0`, which has an
/// address. `mysql-2` has no address yet.
fn story(ready: bool) -> Story {
    let mut story = Story::empty();
    story.at(10.0).lists(set(3));
    let service = Service {
        name: name("mysql-read"),
        headless: false,
        affinity: None,
        local_only: false,
        external: false,
        ports: ports("mysql", 3306),
    };
    story.at(10.0).takes(Change::Applied(Object::Service(service), Seen::Listed));
    story.at(10.0).lists(at(pod("mysql-0").running_since(1.0), 10));
    story.at(10.0).lists(at(pod("mysql-1").running_since(1.0), 11));
    story.at(11.0).sees(pod("mysql-2"));
    let uid = "mysql-1-a".into();
    let of_one = slice("mysql-read", [("mysql-1", &uid)]).0;
    let endpoint =
        |endpoint: Endpoint| Endpoint { ready, serving: ready, addresses: vec![[10, 0, 0, 11].into()], ..endpoint };
    let of_one = Slice {
        ports: ports("mysql", 33_060),
        endpoints: of_one.endpoints.into_iter().map(endpoint).collect(),
        ..of_one
    };
    story.at(10.0).lists(Fact(of_one));
    story
}

fn reachable(story: &Story) -> Vec<(String, Vec<SocketAddr>, bool)> {
    let reachable = story.index.reachable(&name("mysql-read"), 3306).into_iter();
    reachable.map(|pod| (pod.pod.name.to_string(), pod.addresses, pod.coming_since.is_some())).collect()
}

fn address(ip: u8) -> SocketAddr {
    ([10, 0, 0, ip], 33_060).into()
}

#[test]
fn pods_of_the_service_and_of_their_statefulset_can_be_probed() {
    for ready in [true, false] {
        let expected =
            [("mysql-1".to_owned(), vec![address(11)], false), ("mysql-0".to_owned(), vec![address(10)], false)];
        assert_eq!(reachable(&story(ready)), expected);
    }
}

#[test]
fn a_new_pod_is_coming_until_it_has_answered_or_terminates() {
    let mut story = story(true);
    story.at(12.0).sees(at(pod("mysql-2"), 12));
    let coming =
        |story: &Story| reachable(story).into_iter().find(|(pod, ..)| pod == "mysql-2").map(|(.., coming)| coming);
    assert_eq!(coming(&story), Some(true));
    let mut leaving = self::story(true);
    leaving.at(12.0).sees(at(pod("mysql-2").deleted_at(12.0), 12));
    assert_eq!(coming(&leaving), Some(false));
    story.at(13.0).answers_pod_probe("mysql-2");
    assert_eq!(coming(&story), Some(false));
}

#[test]
fn a_pod_of_two_address_families_is_one_with_two_addresses() {
    let mut story = story(true);
    let uid = "mysql-1-a".into();
    let mut second = slice("mysql-read", [("mysql-1", &uid)]).named("mysql-read-z").0;
    second.ports = ports("mysql", 33_060);
    second.endpoints[0].addresses = vec!["fd00::11".parse().unwrap()];
    story.at(11.0).sees(Fact(second));
    let both = vec![address(11), "[fd00::11]:33060".parse().unwrap()];
    assert_eq!(reachable(&story)[0], ("mysql-1".to_owned(), both, false));
}

#[test]
fn no_pod_can_be_probed_before_the_service_and_its_ports_are_known() {
    let mut story = Story::of(3);
    story.at(6000.0).lists(at(pod("mysql-0").running_since(1000.0), 10));
    assert!(reachable(&story).is_empty(), "no port is known");
    assert!(story.index.reachable(&name("other"), 3306).is_empty());
}
