//! A namespace is deleted with everything in it, and created again.

use serde_json::Value;

use crate::lab::Lab;

#[test]
fn replicas_of_a_recreated_namespace_go_and_come() {
    let lab = Lab::anywhere();
    let mut probe = lab.readscope("mysql/mysql-read", &["--interval", "50ms"]);
    probe.scrape_until("reads", |now| now.reads() >= 50);
    lab.kubectl("delete namespace mysql --timeout=300s");
    let gone = probe.finished_events(1);
    assert_eq!((&gone[0]["from"], &gone[0]["to"]), (&Value::from(3), &Value::from(0)));
    let target = probe.target_until("the end of the Service", |target| {
        target["routing"]["endpoints"].as_array().is_none_or(Vec::is_empty).then(|| target.clone())
    });
    assert_eq!(target["pvcs"], Value::Array(Vec::new()));

    let before = probe.metrics().reads();
    lab.make();
    let events = probe.finished_events(2);
    assert_eq!((&events[0]["from"], &events[0]["to"]), (&Value::from(0), &Value::from(3)));
    for member in events[0]["replicas"].as_array().unwrap() {
        assert_eq!(member["pvc_reused"], false, "{member:#?}");
        assert!(member["milestones"]["first_read"].is_string(), "{member:#?}");
    }
    let now = probe.scrape_until("reads of the new servers", |now| now.reads() >= before + 100);
    assert_eq!(now.count("readscope_persistentvolumeclaim_bind_seconds", &[]), 3);
    assert_eq!(now.count("readscope_scale_phase_seconds", &["phase=\"to_first_read\""]), 3);
    let shares: Vec<f64> = probe.target_until("the expected shares", |target| {
        let replicas = target["replicas"].as_array()?;
        let shares: Vec<_> = replicas.iter().map(|replica| replica["expected_share"].as_f64().unwrap()).collect();
        (shares.iter().filter(|share| **share > 0.0).count() == 3).then_some(shares)
    });
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
}
