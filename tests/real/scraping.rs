//! The metrics as Prometheus reads them.

use std::time::Duration;

use crate::{
    balancer::route_to,
    prometheus::{Prometheus, check_metrics},
    service::{Service, cut_off},
    support::waiting::wait_until,
};

/// Prometheus scrapes every second, but the machine may be busy.
const WITHIN: Duration = Duration::from_secs(30);

#[test]
fn promtool_accepts_the_metrics() {
    let service = Service::of(2);
    let mut probe = service.call().with(&["--interval", "20ms", "--expect", "mysql-0", "--expect", "mysql-1"]).run();
    probe.wait_for("20 reads", |now| now.reads() >= 20);
    cut_off(&mut probe);
    let output = check_metrics(probe.metrics().text());
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn prometheus_has_the_reads_that_the_servers_counted() {
    let service = Service::of(3);
    let expected = ["--expect", "mysql-0", "--expect", "mysql-1", "--expect", "mysql-2"];
    // The servers start after Prometheus has scraped the zeros.
    route_to(&[]);
    let mut probe = service.call().with(&["--interval", "10ms"]).with(&expected).run();
    let prometheus = Prometheus::scraping(probe.address);
    let reads = |expression: &str| prometheus.query(expression, "replica");
    wait_until("the zeros to be scraped", WITHIN, || {
        let scraped = reads("count_over_time(readscope_reads_total[1m])");
        scraped.len() == 3 && scraped.values().all(|&count| count >= 2.0)
    });

    route_to(&service.fleet.addresses());
    probe.wait_for("600 reads", |now| now.reads() >= 600);
    cut_off(&mut probe);
    let theirs: Vec<u64> = service.fleet.members().iter().map(|server| server.logins()).collect();
    wait_until("the last counts to be scraped", WITHIN, || {
        let scraped = reads("readscope_reads_total");
        service.fleet.members().iter().zip(&theirs).all(|(server, &count)| {
            scraped.get(&server.name).is_some_and(|value| value.to_string() == count.to_string())
        })
    });

    let increase = reads("sum by (replica) (increase(readscope_reads_total[1m]))");
    for (server, &count) in service.fleet.members().iter().zip(&theirs) {
        #[allow(clippy::cast_precision_loss, reason = "counts of a test are far below 2^52")]
        let ratio = increase[&server.name] / count as f64;
        // The last scrape may be a second old; Prometheus extrapolates from the ten before it.
        assert!((0.999..1.15).contains(&ratio), "{}: {increase:?} of {theirs:?}", server.name);
    }
    assert_eq!(reads("up")[""].to_string(), "1");
}
