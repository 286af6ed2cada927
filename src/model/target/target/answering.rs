//! Which server answered, and which servers should: stories of a target with a Service.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use proptest::prelude::*;

use crate::model::{
    base::{Moment, PodRef, is_host_of},
    cluster::{EndpointRouting, Reachable, Routed, Routing, Rule},
    probe::{Answer, Failure, FailureReason, Identity, PodProbeResult, Probe, ProbeIntervals, ProbePurpose, Timings},
    target::{spec::TargetSpec, target::Target},
    verdict::Expectation,
};

struct Story {
    target: Target,
    sequence: u64,
    second: f64,
    /// Every notice since the beginning.
    news: Vec<String>,
    /// All pods of the namespace.
    beside: Vec<PodRef>,
}

fn pod(name: &str) -> PodRef {
    PodRef { name: name.into(), uid: format!("{name}-uid").into() }
}

/// The servers `NAME-0`, `NAME-1` and so on, with the IDs from 100 and these host names.
fn servers(hosts: &[&str], uuid: impl Fn(usize) -> String) -> Vec<Identity> {
    let id = |ordinal: usize| 100 + u32::try_from(ordinal).unwrap();
    hosts.iter().enumerate().map(|(ordinal, host)| server(host, id(ordinal), &uuid(ordinal))).collect()
}

fn own_uuid(ordinal: usize) -> String {
    format!("uuid-{ordinal}")
}

/// A ready endpoint at this address, without a pod.
fn at_address(last: u8) -> Routed {
    let address = Ipv4Addr::new(192, 0, 2, last);
    Routed { pod: None, name: address.to_string().into(), addresses: vec![address.into()], ..in_pod("") }
}

/// A ready endpoint in this pod.
fn in_pod(name: &str) -> Routed {
    Routed {
        pod: Some(pod(name)),
        name: name.into(),
        node: None,
        addresses: Vec::new(),
        serving: true,
        standing: EndpointRouting::Routed,
    }
}

fn pods(names: &[&str]) -> Routing {
    Routing { endpoints: names.iter().map(|name| in_pod(name)).collect(), ..Routing::default() }
}

fn server(host: &str, server_id: u32, uuid: &str) -> Identity {
    Identity {
        server_id,
        server_uuid: (!uuid.is_empty()).then(|| uuid.to_owned()),
        host_name: host.to_owned(),
        read_only: true,
        version: "9.7.0".to_owned(),
        server_time: None,
        gtid_executed: None,
    }
}

impl Story {
    fn new(expected: &[&str], routing: Option<Routing>) -> Self {
        let expected = expected.iter().map(|entry| entry.parse().unwrap()).collect();
        let spec = TargetSpec::regular("mysql/mysql-read", Expectation::listed(expected).unwrap());
        let pace = ProbeIntervals { pod_interval: Some(Duration::from_secs(10)), ..spec.pace };
        let mut target = Target::new(TargetSpec { pace, ..spec });
        let mut beside = Vec::new();
        if let Some(routing) = routing {
            beside.extend(routing.endpoints.iter().filter_map(|endpoint| endpoint.pod.clone()));
            let reachable = |endpoint: &Routed| {
                let by_address = || PodRef { name: Arc::clone(&endpoint.name), uid: Arc::clone(&endpoint.name) };
                let pod = endpoint.pod.clone().unwrap_or_else(by_address);
                Reachable { pod, addresses: vec![([10, 0, 0, 1], 3306).into()], restarts: 0, coming_since: None }
            };
            let reachable = routing.endpoints.iter().map(reachable).collect();
            target.routed(Some(routing), Moment::START);
            target.reach(reachable, Moment::START);
        }
        Self { target, sequence: 0, second: 0.0, news: Vec::new(), beside }
    }

    fn host(&self, identity: &Identity) -> Option<PodRef> {
        self.beside.iter().find(|pod| is_host_of(&identity.host_name, &pod.name)).cloned()
    }

    /// A pod probe of a pod, or of an address, that this server answers; without one, it fails.
    fn pod_probe(&mut self, name: &str, answered_by: Option<&Identity>) {
        self.second += 0.2;
        let at = Moment::at(self.second);
        let outcome = match answered_by {
            Some(identity) => {
                let (identity, address) = (identity.clone(), ([127, 0, 0, 1], 3306).into());
                Ok(Answer { identity, timings: Timings::default(), address, status: None })
            }
            None => Err(Failure {
                reason: FailureReason::Timeout,
                text: String::new(),
                address: None,
                advice: None,
                charge: None,
            }),
        };
        let probe = Probe { sequence: 0, started: at, finished: at, outcome };
        let by_address = PodRef { name: name.into(), uid: name.into() };
        let pod = self.beside.iter().find(|pod| *pod.name == *name).cloned().unwrap_or(by_address);
        let host = answered_by.and_then(|identity| self.host(identity));
        let result = PodProbeResult { pod, purpose: ProbePurpose::Replica, probe };
        self.target.pod_probed(&result, host.as_ref(), at, &mut Vec::new());
    }

    fn pod_probes(&mut self, name: &str, answered_by: &Identity, count: usize) {
        (0..count).for_each(|_| self.pod_probe(name, Some(answered_by)));
    }

    /// A read each second, answered by one server after the other.
    fn reads(&mut self, servers: &[Identity], count: usize) {
        for identity in servers.iter().cycle().take(count) {
            self.second += 1.0;
            let at = Moment::at(self.second);
            let host = self.host(identity);
            let (identity, address) = (identity.clone(), ([127, 0, 0, 1], 3306).into());
            let outcome = Ok(Answer { identity, timings: Timings::default(), address, status: None });
            let probe = Probe { sequence: self.sequence, started: at, finished: at, outcome };
            self.sequence += 1;
            let mut notices = Vec::new();
            self.target.probed(probe, host, at, &mut notices);
            self.target.tick(at, &mut notices);
            self.news.extend(notices.iter().map(ToString::to_string));
        }
    }

    /// Name and reads of each replica.
    fn replicas(&self) -> Vec<(String, u64)> {
        let snapshot = self.target.snapshot();
        snapshot.replicas.iter().map(|replica| (replica.name.to_string(), replica.reads)).collect()
    }

    /// Reads of all servers in turn are balanced, each server is a replica with one of `names`, and nothing is wrong.
    #[track_caller]
    fn assert_all_well(&mut self, servers: &[Identity], names: &[&str]) {
        self.reads(servers, 300);
        let (replicas, verdict) = (self.replicas(), self.target.snapshot().verdict);
        assert_eq!(replicas.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), names);
        assert_eq!(replicas.iter().map(|(_, reads)| reads).sum::<u64>(), self.target.snapshot().probes);
        assert_eq!(verdict.name(), "balanced", "{verdict}");
        assert_eq!((self.anomalies(), self.said("gave none")), (0, false), "{:#?}", self.news);
    }

    fn notices(&self) -> Vec<String> {
        self.target.snapshot().notices.iter().map(ToString::to_string).collect()
    }

    fn anomalies(&self) -> u64 {
        self.target.snapshot().anomalies.iter().map(|seen| seen.reads).sum()
    }

    fn said(&self, part: &str) -> bool {
        self.news.iter().any(|notice| notice.contains(part))
    }
}

#[test]
fn a_pinned_client_does_not_make_other_replicas_silent() {
    let affinity = Some(Duration::from_secs(10_800));
    let names = ["mysql-0", "mysql-1", "mysql-2"];
    let mut story = Story::new(&[], Some(Routing { affinity, ..pods(&names) }));
    let servers = servers(&names, own_uuid);
    story.reads(&servers[..1], 500);
    assert_eq!((story.notices(), story.said("gave none"), story.anomalies()), (Vec::new(), false, 0));
    let reason = story.target.snapshot().verdict.undecided().unwrap();
    assert_eq!(reason.name(), "session_affinity");

    // Without affinity, only the reads from then on count.
    story.target.routed(Some(pods(&names)), Moment::at(story.second));
    story.reads(&servers[..1], 30);
    assert!(!story.said("gave none"), "{:?}", story.news);
    story.reads(&servers[..1], 60);
    assert!(story.said("mysql-1 gave none of the last 5") && story.said("mysql-2 gave none"), "{:?}", story.news);

    // A replica that was silent before the affinity is so no more, and nothing says that it gives reads again.
    story.target.routed(Some(Routing { affinity, ..pods(&names) }), Moment::at(story.second));
    story.reads(&servers[..1], 60);
    assert_eq!((story.notices(), story.said("again")), (Vec::new(), false));
}

#[test]
fn a_client_of_a_headless_service_chooses_among_the_addresses() {
    for (rule, chooses) in [(Rule::Headless, true), (Rule::Ready, false)] {
        let mut story = Story::new(&[], Some(Routing { rule, ..pods(&THREE) }));
        assert_eq!(story.target.new_plan(Moment::START).unwrap().chooses_address, chooses);
    }
}

const THREE: [&str; 3] = ["mysql-0", "mysql-1", "mysql-2"];

#[test]
fn servers_with_one_uuid_are_told_apart_and_the_uuid_is_an_anomaly() {
    let cloned = |_| "cloned".to_owned();
    let anomaly = "both have server_uuid cloned, and replication between them stops with error 1593; delete \
                   auto.cnf in the data directory of one of them and restart it";
    for (mut story, names) in [
        (Story::new(&[], Some(pods(&THREE))), THREE),
        (Story::new(&THREE, None), THREE),
        (Story::new(&[], None), ["server-100", "server-101", "server-102"]),
    ] {
        story.reads(&servers(&THREE, cloned), 300);
        assert_eq!(story.replicas(), names.map(|name| (name.to_owned(), 100)));
        assert_eq!(story.target.snapshot().verdict.name(), "balanced");
        let snapshot = story.target.snapshot();
        let seen: Vec<_> = snapshot.anomalies.iter().filter(|seen| seen.reads > 0).map(|seen| seen.kind).collect();
        assert_eq!(seen, ["shared_server_uuid"]);
        assert!(story.said(&format!("{} and {} {anomaly}", names[0], names[1])), "{:#?}", story.news);
    }
}

/// The `server_id` is the same too: only the host names differ.
#[test]
fn servers_with_one_uuid_and_one_id_are_told_apart_once_they_take_turns() {
    let mut story = Story::new(&[], None);
    let copies: Vec<_> = THREE.iter().map(|host| server(host, 1, "cloned")).collect();
    story.reads(&copies, 300);
    let replicas = story.replicas();
    assert_eq!(replicas.len(), 3, "{replicas:?}");
    assert!(replicas.iter().all(|(_, reads)| (98..=102).contains(reads)), "{replicas:?}");
    assert_eq!(replicas.iter().map(|(_, reads)| reads).sum::<u64>(), 300);
    assert!(story.said("both have server_uuid cloned") && story.said("both have server_id 1"), "{:#?}", story.news);
}

#[test]
fn servers_without_a_uuid_and_with_the_id_zero_are_told_apart_by_their_hosts() {
    let hosts = ["tidb-0", "tidb-1", "tidb-2"];
    let tidb: Vec<_> = hosts.iter().map(|host| server(host, 0, "")).collect();
    Story::new(&hosts, None).assert_all_well(&tidb, &hosts);
    Story::new(&[], None).assert_all_well(&tidb, &["server-0", "server-0-tidb-1", "server-0-tidb-2"]);
}

#[test]
fn a_server_on_another_host_keeps_its_name() {
    let mut story = Story::new(&[], None);
    for host in ["node-a", "node-b", "node-c"] {
        story.reads(&[server(host, 101, "one"), server("node-x", 102, "two")], 100);
    }
    assert_eq!(story.replicas(), [("server-101".to_owned(), 150), ("server-102".to_owned(), 150)]);
    assert_eq!(story.anomalies(), 0);
}

#[test]
fn a_server_without_a_host_name_has_a_name() {
    let unnamed: Vec<_> = (0..2).map(|_| server("", 1, "")).collect();
    Story::new(&[], None).reads(&unnamed, 10);
    let mut story = Story::new(&[], None);
    story.reads(&[server("", 1, "a"), server("", 1, "b")], 10);
    assert_eq!(story.replicas().iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["server-1", "server-1-other"]);
}

#[test]
fn a_full_host_name_is_that_of_its_pod() {
    let hosts = THREE.map(|name| format!("{name}.mysql.mysql.svc.cluster.local"));
    let full = servers(&hosts.each_ref().map(|host| &**host), own_uuid);
    Story::new(&[], Some(pods(&THREE))).assert_all_well(&full, &THREE);
    Story::new(&THREE, None).assert_all_well(&full, &THREE);
}

#[test]
fn pod_probes_name_servers_on_the_network_of_their_nodes() {
    let on_nodes = servers(&["node-a", "node-b", "node-c"], own_uuid);
    let mut story = Story::new(&[], Some(pods(&THREE)));
    assert!(!story.target.snapshot().servers_known);
    // The first reads come before the pods are known.
    story.reads(&on_nodes, 3);
    for (pod, server) in THREE.iter().zip(&on_nodes) {
        story.pod_probes(pod, server, 3);
    }
    assert!(story.target.snapshot().servers_known);
    story.assert_all_well(&on_nodes, &THREE);
}

/// All three on one node: ports differ, host names do not.
#[test]
fn pod_probes_name_servers_with_one_host_name() {
    let on_node = servers(&["node-a"; 3], own_uuid);
    let mut story = Story::new(&[], Some(pods(&THREE)));
    for (pod, server) in THREE.iter().zip(&on_node) {
        story.pod_probes(pod, server, 3);
    }
    story.assert_all_well(&on_node, &THREE);
}

#[test]
fn without_pod_probes_servers_with_other_host_names_are_the_replicas_seen() {
    let on_nodes = servers(&["node-a", "node-b", "node-c"], own_uuid);
    let mut story = Story::new(&[], Some(pods(&THREE)));
    for pod in THREE {
        story.pod_probe(pod, None);
    }
    story.assert_all_well(&on_nodes, &["server-100", "server-101", "server-102"]);
    assert!(story.target.snapshot().verdict.to_string().contains("3 of the 3 replicas seen answer"));
    let notice = "the servers that answer cannot be matched with the endpoints of the Service, because the endpoints do \
                  not answer at their own addresses; to find missing replicas, list the expected ones";
    assert_eq!(story.notices(), [notice]);
}

#[test]
fn a_server_that_is_no_endpoint_stays_an_anomaly() {
    for probed in [false, true] {
        let mut story = Story::new(&[], Some(pods(&THREE)));
        let all = servers(&["mysql-0", "mysql-1", "mysql-2", "mysql-3"], own_uuid);
        if probed {
            THREE.iter().zip(&all).for_each(|(pod, server)| story.pod_probe(pod, Some(server)));
        }
        story.beside.push(pod("mysql-3"));
        story.reads(&all, 160);
        assert!(
            story.said("mysql-3 answers reads of the Service, but is not one of its endpoints"),
            "{:?}",
            story.news
        );
        assert!(story.anomalies() > 20);
    }
}

#[test]
fn endpoints_without_pods_are_named_by_the_servers_at_their_addresses() {
    let routing = Routing { endpoints: vec![at_address(11), at_address(12)], ..Routing::default() };
    let servers = servers(&["db-a", "db-b"], own_uuid);
    for (expected, names) in [(&[][..], ["server-100", "server-101"]), (&["db-a", "db-b"], ["db-a", "db-b"])] {
        let mut story = Story::new(expected, Some(routing.clone()));
        story.pod_probes("192.0.2.11", &servers[0], 3);
        story.pod_probes("192.0.2.12", &servers[1], 3);
        story.assert_all_well(&servers, &names);
        assert_eq!(story.notices(), [""; 0]);
        let routing = story.target.snapshot().routing.unwrap();
        assert_eq!(routing.endpoints.iter().map(|endpoint| &*endpoint.name).collect::<Vec<_>>(), names);
        // They keep their names when the endpoints change.
        let endpoints = vec![at_address(12), at_address(11)];
        story.target.routed(Some(Routing { endpoints, ..Routing::default() }), Moment::at(story.second));
        story.assert_all_well(&servers, &names);
    }
}

#[test]
fn an_address_where_no_server_answers_is_missing() {
    let routing = Routing { endpoints: vec![at_address(11), at_address(12)], ..Routing::default() };
    let mut story = Story::new(&[], Some(routing));
    let server = server("db-a", 100, "a");
    story.pod_probes("192.0.2.11", &server, 3);
    story.pod_probe("192.0.2.12", None);
    story.reads(&[server], 200);
    assert!(story.said("192.0.2.12 gave none of the last"), "{:#?}", story.news);
    assert_eq!(story.anomalies(), 0);
}

#[test]
fn addresses_that_readscope_cannot_reach_leave_the_replicas_seen() {
    let routing = Routing { endpoints: vec![at_address(11), at_address(12)], ..Routing::default() };
    let mut story = Story::new(&[], Some(routing));
    for address in ["192.0.2.11", "192.0.2.12"] {
        story.pod_probe(address, None);
    }
    let servers = servers(&["db-a", "db-b"], own_uuid);
    story.assert_all_well(&servers, &["server-100", "server-101"]);
}

#[test]
fn an_external_name_is_probed_like_an_address() {
    let mut story = Story::new(&[], Some(Routing { rule: Rule::ExternalName, ..Routing::default() }));
    story.assert_all_well(&servers(&["db-a", "db-b"], own_uuid), &["server-100", "server-101"]);
    let notice = "the Service is an ExternalName and has no endpoints, so it is probed like an address; to find missing \
                  replicas, list the expected ones";
    assert_eq!(story.notices(), [notice]);
}

/// The proxies are pods; the servers are other pods of the namespace, or elsewhere.
#[test]
fn servers_behind_proxies_are_the_replicas() {
    let names = ["pxc-0", "pxc-1", "pxc-2"];
    let proxies = ["pxc-haproxy-0", "pxc-haproxy-1"];
    let servers = servers(&names, own_uuid);
    for pod_probes in [false, true] {
        for (in_namespace, expected) in [(true, &[][..]), (true, &names), (false, &names), (false, &[])] {
            let mut story = Story::new(expected, Some(pods(&proxies)));
            if in_namespace {
                story.beside.extend(names.map(pod));
            }
            let probe = |story: &mut Story, proxy, server: Option<&Identity>| {
                story.pod_probe(proxy, server.filter(|_| pod_probes));
            };
            for turn in 0..4 {
                probe(&mut story, proxies[0], Some(&servers[turn % 3]));
                probe(&mut story, proxies[1], Some(&servers[(turn + 1) % 3]));
            }
            let by_id = ["server-100", "server-101", "server-102"];
            story.assert_all_well(&servers, if in_namespace || !expected.is_empty() { &names } else { &by_id });
            let seen = story.target.snapshot();
            let through = seen.routing.unwrap().to_string().contains("reads go through proxies");
            assert_eq!(through, pod_probes || in_namespace, "{pod_probes} {in_namespace}");
            if through {
                let notice = "reads go through proxies: the endpoints of the Service lead to other servers, and these \
                              count as the replicas";
                let listing = "; to find missing replicas, list the expected ones";
                let advice = if expected.is_empty() { listing } else { "" };
                assert_eq!(story.notices(), [format!("{notice}{advice}")]);
            }
        }
    }
}

/// A proxy in the pod of each server, and a pod's address that another pod has now.
#[test]
fn a_pod_with_a_server_is_a_proxy_only_if_its_server_answers_again() {
    let servers = servers(&THREE, own_uuid);
    for (again, through) in [(false, false), (true, true)] {
        let mut story = Story::new(&[], Some(pods(&THREE)));
        for (pod, server) in THREE.iter().zip(&servers) {
            story.pod_probe(pod, Some(server));
        }
        story.pod_probe("mysql-1", Some(&servers[2]));
        if again {
            story.pod_probe("mysql-1", Some(&servers[1]));
        }
        story.assert_all_well(&servers, &THREE);
        let routing = story.target.snapshot().routing.unwrap();
        assert_eq!(routing.to_string().contains("reads go through proxies"), through);
    }
}

/// The addresses are those of pods of the namespace.
#[test]
fn addresses_of_pods_are_named_by_the_pods() {
    let routing = Routing { endpoints: vec![at_address(11), at_address(12)], ..Routing::default() };
    let mut story = Story::new(&[], Some(routing));
    let servers = servers(&THREE[..2], own_uuid);
    // The pods are listed after the first answers.
    for _ in 0..2 {
        story.pod_probes("192.0.2.11", &servers[0], 3);
        story.pod_probes("192.0.2.12", &servers[1], 3);
        story.beside.extend(["mysql-0", "mysql-1"].map(pod));
    }
    story.assert_all_well(&servers, &THREE[..2]);
    assert!(!story.target.snapshot().routing.unwrap().to_string().contains("proxies"));
}

/// A proxy that led to one server long enough to look like it.
#[test]
fn a_proxy_that_looked_like_a_server_is_recognised_later() {
    let servers = servers(&["db-a", "db-b"], own_uuid);
    let mut story = Story::new(&[], Some(pods(&["haproxy-0", "haproxy-1"])));
    story.pod_probes("haproxy-0", &servers[0], 5);
    story.pod_probes("haproxy-1", &servers[1], 5);
    story.reads(&servers, 30);
    story.pod_probes("haproxy-0", &servers[1], 1);
    story.pod_probes("haproxy-1", &servers[0], 1);
    story.assert_all_well(&servers, &["server-100", "server-101"]);
}

/// `SET GLOBAL server_id` with the ID of another server, and back.
#[test]
fn a_pod_whose_server_changes_its_id_and_changes_it_back_is_one_replica() {
    for pod_probes in [false, true] {
        let mut story = Story::new(&[], Some(pods(&THREE)));
        let right = servers(&THREE, own_uuid);
        let wrong = [right[0].clone(), right[1].clone(), Identity { server_id: 101, ..right[2].clone() }];
        for servers in [&right[..], &wrong, &right] {
            for (pod, server) in THREE.iter().zip(servers).filter(|_| pod_probes) {
                story.pod_probes(pod, server, 3);
            }
            story.reads(servers, 300);
        }
        assert_eq!(story.replicas(), THREE.map(|name| (name.to_owned(), 300)));
        assert_eq!((story.target.snapshot().verdict.name(), story.said("gave none")), ("balanced", false));
    }
}

/// readscope started while the API server or its rights were away, or lost them for a time.
#[test]
fn a_server_has_one_name_after_the_endpoints_become_known() {
    let servers = servers(&["mysql-0", "mysql-1", "mysql-2", "mysql-3"], own_uuid);
    for (outage_first, pod_probes, hosts_on_nodes) in
        [(true, false, false), (true, true, false), (true, true, true), (false, false, false), (false, true, true)]
    {
        let servers: Vec<_> = servers
            .iter()
            .map(|server| Identity {
                host_name: if hosts_on_nodes { "node".to_owned() } else { server.host_name.clone() },
                ..server.clone()
            })
            .collect();
        let names = ["mysql-0", "mysql-1", "mysql-2", "mysql-3"];
        let mut story = Story::new(&[], (!outage_first).then(|| pods(&THREE)));
        if !outage_first {
            for (pod, server) in THREE.iter().zip(&servers) {
                story.pod_probes(pod, server, 3);
            }
            story.reads(&servers[..3], 60);
            story.target.set_endpoints_known(false);
        }
        story.reads(&servers, 200);
        story.target.set_endpoints_known(true);
        story.beside = names.map(pod).into();
        story.target.routed(Some(pods(&names)), Moment::at(story.second));
        let reachable = |name: &str| Reachable {
            pod: pod(name),
            addresses: vec![([10, 0, 0, 1], 3306).into()],
            restarts: 0,
            coming_since: None,
        };
        story.target.reach(names.into_iter().map(reachable).collect(), Moment::at(story.second));
        if pod_probes {
            for (pod, server) in names.iter().zip(&servers) {
                story.pod_probes(pod, server, 3);
            }
        }
        story.assert_all_well(&servers, &names);
    }
}

fn host_and_keys() -> impl Strategy<Value = (usize, usize, u32)> {
    (0..3_usize, 0..3_usize, 0..3_u32)
}

proptest! {
    /// Whatever servers answer, and whatever pod probes find: each read counts for one replica, names are unique, and
    /// two servers that answer in turn are two replicas.
    #[test]
    fn each_read_counts_for_one_replica(
        servers in proptest::collection::vec(host_and_keys(), 1..40),
        found in proptest::collection::vec((0..3_usize, host_and_keys()), 0..20),
        pods_are_known: bool,
    ) {
        let identity = |(host, uuid, id): (usize, usize, u32)| {
            server(["", "mysql-1.mysql", "node-a"][host], id, ["", "uuid-a", "uuid-b"][uuid])
        };
        let mut story = Story::new(&[], pods_are_known.then(|| pods(&THREE)));
        let mut found = found.into_iter();
        for one in &servers {
            story.reads(&[identity(*one)], 1);
            if let (true, Some((pod, server))) = (pods_are_known, found.next()) {
                story.pod_probe(THREE[pod], Some(&identity(server)));
            }
        }
        let replicas = story.replicas();
        let reads: u64 = replicas.iter().map(|(_, reads)| reads).sum();
        prop_assert_eq!(usize::try_from(reads).unwrap(), servers.len(), "{:?}", replicas);
        let mut names: Vec<_> = replicas.iter().map(|(name, _)| name).collect();
        names.dedup();
        prop_assert_eq!(names.len(), replicas.len());

        let (one, other) = (identity(servers[0]), identity(servers[servers.len() - 1]));
        prop_assume!(!pods_are_known && one != other);
        let before = story.replicas();
        story.reads(&[one, other], 12);
        let after = story.replicas();
        let grown = |(name, reads): &&(String, u64)| !before.iter().any(|(known, had)| known == name && had == reads);
        let grown: Vec<_> = after.iter().filter(grown).collect();
        prop_assert!(grown.len() >= 2, "{:?} {:?}", before, after);
    }
}
