//! Expected shares, compared with kube-proxy's own rules.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    WITHIN,
    lab::Lab,
    support::{exporter::Exporter, waiting::wait_for},
};

const SERVICES: &str = r"
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: mysql-sticky, namespace: mysql}
  spec: {selector: {app: mysql}, ports: [{port: 3306}], sessionAffinity: ClientIP}
- apiVersion: v1
  kind: Service
  metadata: {name: mysql-local, namespace: mysql}
  spec: {selector: {app: mysql}, ports: [{port: 3306}], internalTrafficPolicy: Local}
- apiVersion: v1
  kind: Service
  metadata: {name: mysql-all, namespace: mysql}
  spec: {selector: {app: mysql}, ports: [{port: 3306}], publishNotReadyAddresses: true}
";

const NAMES: [&str; 4] = ["mysql/mysql-read", "mysql/mysql-sticky", "mysql/mysql-local", "mysql/mysql-all"];

#[test]
fn expected_shares_equal_those_of_kube_proxys_rules() {
    let lab = Lab::own();
    lab.apply(SERVICES);
    let probes = NAMES.map(|service| (service, lab.readscope(service, &["--interval", "50ms"])));
    for (service, probe) in &probes {
        assert_eq!(agreed(&lab, service, probe, 3).len(), 3);
    }
    let why = |probe: &Exporter| probe.target()["routing"]["why"].as_str().unwrap().to_owned();
    let [plain, sticky, local, all] = probes.each_ref().map(|(_, probe)| probe);
    assert_eq!(why(plain), "the Service spreads connections evenly over its ready endpoints");
    assert!(why(sticky).contains("until 3 h after its last connection (sessionAffinity: ClientIP)"), "{}", why(sticky));
    assert_eq!(sticky.target()["routing"]["affinity_seconds"], 10800.0);
    assert!(why(local).contains("internalTrafficPolicy: Local"), "{}", why(local));

    lab.kubectl("-n mysql exec mysql-1 -- touch /tmp/not-ready");
    for (service, probe) in &probes[..3] {
        let shares = agreed(&lab, service, probe, 2);
        assert!(!shares.contains_key("mysql-1"), "{service}: {shares:?}");
    }
    let target = plain.target();
    let replicas = target["replicas"].as_array().unwrap();
    let unready = replicas.iter().find(|replica| replica["replica"] == "mysql-1").unwrap();
    assert_eq!(unready["why"], "the Service does not route to it from here: it is not ready");
    // A Service with publishNotReadyAddresses routes to it.
    assert_eq!(agreed(&lab, "mysql/mysql-all", all, 3).len(), 3);
    wait_for("the words", WITHIN, || why(all).contains("publishNotReadyAddresses").then_some(()));

    lab.kubectl("-n mysql exec mysql-1 -- rm /tmp/not-ready");
    for (service, probe) in &probes {
        agreed(&lab, service, probe, 3);
    }
    lab.kubectl("-n mysql delete service mysql-sticky mysql-local mysql-all");
}

/// Waits until the expected shares of this number of replicas agree with the rules; returns them.
fn agreed(lab: &Lab, service: &str, probe: &Exporter, replicas: usize) -> BTreeMap<String, f64> {
    wait_for(&format!("{service} to be as its rules are"), WITHIN, || {
        let expected = expected(&probe.target())?;
        let mut rules = lab.cluster().shares(service);
        let by_rules: BTreeMap<_, _> =
            expected.iter().filter_map(|(name, (address, _))| Some((name.clone(), rules.remove(address)?))).collect();
        let alike = |(name, (_, share)): (&String, &(String, f64))| {
            by_rules.get(name).is_some_and(|by_rules| (by_rules - share).abs() < 1e-4)
        };
        (rules.is_empty() && expected.len() == replicas && expected.iter().all(alike)).then_some(by_rules)
    })
}

/// The address and the share of each expected replica.
fn expected(target: &Value) -> Option<BTreeMap<String, (String, f64)>> {
    let endpoints = target["routing"]["endpoints"].as_array()?;
    let address = |name: &str| {
        let endpoint = endpoints.iter().find(|endpoint| endpoint["replica"] == name)?;
        Some(endpoint["addresses"][0].as_str()?.to_owned())
    };
    let replicas = target["replicas"].as_array()?.iter();
    let share = |replica: &Value| {
        let share = replica["expected_share"].as_f64().filter(|share| *share > 0.0)?;
        let name = replica["replica"].as_str()?;
        Some((name.to_owned(), (address(name)?, share)))
    };
    Some(replicas.filter_map(share).collect())
}
