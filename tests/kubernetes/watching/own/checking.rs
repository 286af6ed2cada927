//! `check` during and after a roll-out, and with an endpoint that gets no reads.

use std::process::Output;

use crate::{kube_proxy::Frozen, lab::Lab};

/// `check --service` for 20 s at the end.
fn check(lab: &Lab, options: &[&str]) -> Output {
    let usual = ["check", "--service", "mysql/mysql-read", "--interval", "100ms", "--for", "20s", "--timeout", "20s"];
    lab.call(&lab.cluster().kubeconfig(), &[&usual, options].concat()).output().unwrap()
}

/// The line after the table.
fn sentence(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_check_waits_for_a_rollout_and_still_finds_an_endpoint_without_reads() {
    let lab = Lab::own();
    for change in
        ["rollout restart statefulset/mysql", "scale statefulset/mysql --replicas=4", "delete pod mysql-1 --wait=false"]
    {
        lab.kubectl(&format!("-n mysql {change}"));
        let output = check(&lab, &[]);
        assert_eq!(output.status.code(), Some(0), "{change}: {output:?}");
        let replicas = if change.contains("restart") { 3 } else { 4 };
        assert!(
            sentence(&output).contains(&format!("{replicas} of {replicas} replicas answer")),
            "{change}: {output:?}"
        );
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(log.contains("the check waits, because StatefulSet mysql/mysql has "), "{change}: {log}");
    }
    lab.scale(3);
    lab.settle();
    let frozen = Frozen::kube_proxy(&lab);
    frozen.forget_first_endpoint();
    let output = check(&lab, &[]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(sentence(&output).starts_with("Missing: mysql-"), "{output:?}");
    drop(frozen);

    // Without waiting, a pod that is not ready is missing.
    lab.kubectl("-n mysql exec mysql-1 -- touch /tmp/not-ready");
    lab.kubectl("-n mysql wait --for=condition=Ready=false pod/mysql-1 --timeout=120s");
    let output = check(&lab, &["--no-wait"]);
    lab.kubectl("-n mysql exec mysql-1 -- rm /tmp/not-ready");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(sentence(&output).starts_with("Degraded: 2 of 3 replicas serve: mysql-1 is not ready"), "{output:?}");
}
