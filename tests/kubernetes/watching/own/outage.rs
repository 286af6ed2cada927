//! An outage of the API server: changes during it are visible afterwards.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{lab::Lab, link::Link, scaled_replica::ScaledReplica, support::exporter::Exporter};

/// Minimum length of the outage.
const AWAY: Duration = Duration::from_secs(30);

#[test]
fn after_an_outage_the_state_is_right_and_nothing_is_counted_twice() {
    let lab = Lab::own();
    let folder = tempfile::tempdir().unwrap();
    let link = Link::new();
    let kubeconfig = link.kubeconfig(&lab, folder.path());
    let mut probe = lab.readscope_as(&kubeconfig, "mysql/mysql-read", &["--interval", "50ms"]);
    probe.scrape_until("reads", |now| now.reads() >= 50);
    lab.scale(4);
    probe.finished_events(1);
    lab.scale(3);
    probe.finished_events(2);
    lab.settle();
    let before = probe.metrics();
    let (first_volume, first_address) = (volume(&probe), address(&probe, "mysql-1"));

    let cut = Instant::now();
    lab.script("component", &["kill", "kube-apiserver"]);
    link.cut();
    let reads = probe.metrics().reads();
    let now = probe.scrape_until("reads while the API server is away", |now| now.reads() >= reads + 100);
    assert_eq!(now.sum("readscope_target_up", ""), 1);
    lab.script("component", &["start", "kube-apiserver"]);
    lab.script("component", &["restart", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]);
    // readscope sees none of this: a pod and a PVC are replaced by others with the same names.
    lab.kubectl("-n mysql delete pvc data-mysql-3 --timeout=120s");
    lab.kubectl("-n mysql delete pod mysql-1 --timeout=120s");
    lab.settle();
    lab.scale(4);
    lab.settle();
    let reads = probe.metrics().reads();
    probe.scrape_until("the outage to last", |now| now.reads() >= reads + 10 && cut.elapsed() >= AWAY);
    assert_eq!(probe.scale_events().len(), 2, "the new scale event is not visible yet");
    link.restore();

    let again = ScaledReplica::only(&probe.finished_events(3)[0]);
    assert_eq!(again.value()["replica"], "mysql-3");
    let address_now = probe.target_until("the replaced pod", |target| {
        endpoint(target, "mysql-1").filter(|address| *address != first_address)
    });
    assert_eq!(lab.object("pod/mysql-1")["status"]["podIP"], *address_now);
    probe.target_until("the replaced PVC", |target| volume_of(target).filter(|now| *now != first_volume));
    probe.target_until("four expected replicas", |target| {
        let replicas = target["replicas"].as_array()?;
        let quarter = |replica: &&Value| replica["expected_share"] == 0.25;
        (replicas.iter().filter(quarter).count() == 4).then_some(())
    });
    let now = probe.scrape_until("every watch to be up again", |now| {
        now.sum("readscope_kube_watch_up", "") == now.series("readscope_kube_watch_up").count() as u64
    });
    assert_eq!(now.sum("readscope_scale_events_total", "direction=\"up\""), 2);
    for (name, labels) in [
        ("readscope_persistentvolumeclaim_bind_seconds", ""),
        ("readscope_scale_phase_seconds", "phase=\"provision\""),
        ("readscope_scale_phase_seconds", "phase=\"become_ready\""),
        ("readscope_scale_phase_seconds", "phase=\"to_ready\""),
        ("readscope_scale_phase_seconds", "phase=\"terminate\""),
    ] {
        let (before, now) = (before.count(name, &[labels]), now.count(name, &[labels]));
        assert_eq!(before, now, "{name} {labels}: unseen changes are not measured");
    }
    assert_eq!(now.sum("readscope_anomalies_total", ""), 0);
}

fn volume(probe: &Exporter) -> String {
    let events = probe.scale_events();
    assert_eq!(ScaledReplica::only(&events[1]).value()["pvc_reused"], false);
    volume_of(&probe.target()).expect("the PVC stays when its replica goes")
}

fn volume_of(target: &Value) -> Option<String> {
    let pvcs = target["pvcs"].as_array()?;
    let pvc = pvcs.iter().find(|pvc| pvc["pvc"] == "data-mysql-3" && pvc["phase"] == "Bound")?;
    Some(pvc["volume"].as_str()?.to_owned())
}

fn address(probe: &Exporter, replica: &str) -> String {
    endpoint(&probe.target(), replica).unwrap()
}

fn endpoint(target: &Value, replica: &str) -> Option<String> {
    let endpoints = target["routing"]["endpoints"].as_array()?;
    let endpoint = endpoints.iter().find(|endpoint| endpoint["replica"] == replica && endpoint["routed"] == true)?;
    Some(endpoint["addresses"][0].as_str()?.to_owned())
}
