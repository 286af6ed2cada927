//! A PVC without a provisioner.

use serde_json::Value;

use crate::{WITHIN, lab::Lab, support::waiting::wait_until};

#[test]
fn a_pending_pvc_is_reported_with_its_reason_and_advice() {
    let lab = Lab::own();
    let mut probe = lab.readscope("mysql/mysql-read", &["--interval", "100ms"]);
    probe.scrape_until("reads", |now| now.reads() >= 10);
    lab.script("provisioner", &["stop"]);
    lab.scale(4);
    let sentence = probe.target_until("the notice", |target| {
        let notices = target["notices"].as_array()?;
        let about = |notice: &&Value| notice.as_str().is_some_and(|notice| notice.starts_with("PVC data-mysql-3"));
        Some(notices.iter().find(about)?.as_str()?.to_owned())
    });
    assert!(sentence.contains("ExternalProvisioning: Waiting for a volume to be created"), "{sentence}");
    assert!(sentence.contains("check that the provisioner of its storage class runs"), "{sentence}");
    // The log has it with the next tick.
    let warning =
        ["level=warn", "PVC data-mysql-3 has been pending for", "check that the provisioner of its storage class runs"];
    wait_until("the warning", WITHIN, || probe.program.logged(&warning) == 1);
    let pvc = pvc(&probe.target()).unwrap();
    assert_eq!((&pvc["phase"], &pvc["reason"]), (&Value::from("Pending"), &Value::from("ExternalProvisioning")));
    assert_eq!((&pvc["requested"], &pvc["capacity"]), (&Value::from("1Gi"), &Value::Null));
    let pending = pvc["pending_seconds"].as_f64().unwrap();
    assert!(pending >= 30.0, "{pending}");
    let text = probe.metrics().text().to_owned();
    let series = "readscope_persistentvolumeclaim_pending_seconds{namespace=\"mysql\",statefulset=\"mysql\",persistentvolumeclaim=\"data-mysql-3\"} ";
    let shown = text.lines().find_map(|line| line.strip_prefix(series)?.parse::<f64>().ok());
    assert!(shown.is_some_and(|shown| shown >= pending), "{shown:?} {pending}");

    lab.script("provisioner", &["start"]);
    probe.finished_events(1);
    let bound = probe.target_until("the bound pvc", |target| pvc_if(target, |pvc| pvc["phase"] == "Bound"));
    assert_eq!((&bound["capacity"], &bound["storage_class"]), (&Value::from("1Gi"), &Value::from("local-path")));
    assert_eq!(bound["access_modes"], "RWO");
    assert!(bound["volume"].is_string() && bound["pending_seconds"].is_null() && bound["reason"].is_null(), "{bound}");
    wait_until("the notice", WITHIN, || probe.program.logged(&["PVC data-mysql-3 is bound"]) == 1);
    assert_eq!(
        probe.metrics().count("readscope_persistentvolumeclaim_bind_seconds", &["bind_mode=\"WaitForFirstConsumer\""]),
        1
    );
}

fn pvc(target: &Value) -> Option<Value> {
    pvc_if(target, |_| true)
}

fn pvc_if(target: &Value, holds: impl Fn(&Value) -> bool) -> Option<Value> {
    let pvcs = target["pvcs"].as_array()?;
    pvcs.iter().find(|pvc| pvc["pvc"] == "data-mysql-3" && holds(pvc)).cloned()
}
