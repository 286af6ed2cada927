//! Replicas come and go while readscope runs.

use crate::{
    balancer::route_to,
    service::{Service, both_counts, cut_off},
};

#[test]
fn a_new_server_is_in_the_metrics_with_its_first_read() {
    let mut service = Service::of(3);
    let mut probe = service.call().with(&["--interval", "10ms"]).run();
    probe.wait_for("50 reads", |now| now.reads() >= 50);
    assert_eq!(probe.target()["replicas"].as_array().map(Vec::len), Some(3));

    service.fleet.add();
    let replica = service.fleet.members()[3].replica();
    assert_eq!(probe.metrics().reads_of(&replica), 0, "nothing routes to it yet");
    route_to(&service.fleet.addresses());
    let now = probe.wait_for("the fourth", |now| now.reads_of(&replica) >= 1);
    assert!(now.has("readscope_replica_info", &replica));
    assert_eq!(probe.target()["replicas"].as_array().map(Vec::len), Some(4));

    let last = cut_off(&mut probe);
    for server in service.fleet.members() {
        let (ours, theirs) = both_counts(&last, server);
        assert_eq!(ours, theirs, "{}", server.name);
    }
}

#[test]
fn the_series_of_a_removed_server_end_after_the_grace_period() {
    let mut service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "10ms", "--forget-after", "2s"]).run();
    let removed = service.fleet.members()[1].replica();
    probe.wait_for("both", |now| now.reads_of(&removed) >= 20);

    route_to(&service.fleet.addresses()[..1]);
    service.fleet.member(1).kill();
    let kept = service.fleet.primary().replica();
    let now = probe.wait_for("the end of its series", |now| !now.mentions(&removed));
    assert!(now.mentions(&kept));
    assert_eq!(probe.target()["replicas"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_expected_replica_has_0_reads_from_the_start() {
    let service = Service::of(1);
    let call = service.call().with(&["--interval", "20ms", "--forget-after", "1s"]);
    let mut probe = call.with(&["--expect", "mysql-0", "--expect", "mysql-1"]).run();
    let now = probe.wait_for("reads", |now| now.reads_of("mysql-0") >= 20);
    assert!(now.has("readscope_reads_total", "mysql-1"));
    let later = probe.wait_for("two seconds of reads", |now| now.reads_of("mysql-0") >= 120);
    assert!(later.has("readscope_reads_total", "mysql-1"), "what is expected is never forgotten");
    assert_eq!(later.reads_of("mysql-1"), 0);
}
