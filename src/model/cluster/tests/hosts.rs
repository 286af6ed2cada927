//! The pod of a host name.

use super::builders::{Story, pod};

#[test]
fn a_host_name_leads_to_its_pod() {
    let mut story = Story::of(3);
    let long = "a".repeat(62) + "-b-x7k2p";
    for pod_name in ["db.mysql-0", &long] {
        story.at(6000.0).lists(pod(pod_name));
    }
    let pod_of = |host: &str| story.index.tracked.pod_of_host(&"mysql".into(), host).map(|pod| pod.name.to_string());
    for host in ["mysql-1", "mysql-1.mysql.mysql.svc.cluster.local", "mysql-1."] {
        assert_eq!(pod_of(host).as_deref(), Some("mysql-1"), "{host}");
    }
    assert_eq!(pod_of("db.mysql-0.example").as_deref(), Some("db.mysql-0"));
    assert_eq!(pod_of(&"a".repeat(62)).as_deref(), Some(&*long));
    for host in ["", ".", "mysql", "mysql-", "mysql-10", "node-a", "db"] {
        assert_eq!(pod_of(host), None, "{host}");
    }
}
