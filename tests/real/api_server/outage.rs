//! An API server that was healthy and then refuses.

use std::time::Duration;

use super::{exporter, notices, watches_up};
use crate::support::{
    api_server::{ApiServer, Mode},
    exporter::{Exporter, SOON},
    replicas::Replicas,
    waiting::wait_until,
};

/// Longer than it takes until a server is called unexpected, with one probe a second.
const MORE_PROBES: u64 = 45;

const STATUS: &str =
    r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"try later","reason":"Busy","code":429}"#;
const PAGE: &str = "<html>\n<body>Sign in</body></html>";

#[test]
fn a_broken_watch_is_reported_with_its_reason_and_recovers() {
    let answered = |status: &str| format!("the API server answered HTTP {status}");
    let page = format!("{} with a page that is not from Kubernetes", answered("404"));
    let outages = [
        (Mode::Refuses("429 Too Many Requests", STATUS), answered("429 Busy: try later")),
        (Mode::Refuses("429 Too Many Requests\r\nRetry-After: 300", "slow down"), answered("429: slow down")),
        (Mode::Refuses("503 Service Unavailable", ""), answered("503: ")),
        (Mode::Refuses("504 Gateway Timeout", "upstream"), answered("504: upstream")),
        (Mode::Refuses("404 Not Found\r\nContent-Type: text/html", PAGE), page),
        (Mode::Refuses("200 OK\r\nContent-Type: text/html", PAGE), "the response is not from Kubernetes: ".to_owned()),
        (Mode::HangsUp, "the request to the API server failed: connection closed before message completed".to_owned()),
    ];
    let replicas = Replicas::of(&[1, 2, 3], 1);
    let api_server = ApiServer::start(Mode::Serves(vec![1, 2, 3]));
    let exporter = exporter(&api_server, &replicas);
    wait_until("every list", SOON, || watches_up(&exporter) == 3);
    for (outage, reason) in outages {
        let logged = |parts: &[&str]| exporter.program.logged(parts);
        let broken = "failed to watch endpointslices in namespace mysql, retrying: ";
        let (before, recovered) =
            (logged(&[broken, &reason]), logged(&["watching endpointslices in namespace mysql again"]));
        api_server.set(outage.clone());
        wait_until(&format!("the end of the watches: {outage:?}"), SOON, || watches_up(&exporter) == 0);
        assert_eq!(logged(&[broken, &reason]), before + 1, "{outage:?} {:#?}", exporter.program.log());
        let shown = notices(&exporter);
        for resource in ["services", "endpointslices", "pods"] {
            let sentence = format!("failed to watch {resource} in namespace mysql, retrying: ");
            assert!(shown.iter().any(|notice| notice.starts_with(&sentence) && notice.contains(&reason)), "{shown:#?}");
        }
        api_server.set(Mode::Serves(vec![1, 2, 3]));
        wait_until("every watch again", SOON, || watches_up(&exporter) == 3);
        assert_eq!(logged(&["watching endpointslices in namespace mysql again"]), recovered + 1);
        assert_eq!(notices(&exporter), [""; 0]);
    }
    for line in exporter.program.log() {
        assert!(!line.contains("Status {") && !line.contains("<html>") && !line.contains("ServiceError"), "{line}");
    }
}

#[test]
fn a_server_whose_pod_came_during_an_outage_is_not_unexpected() {
    let replicas = Replicas::of(&[1, 2, 3], 1);
    let api_server = ApiServer::start(Mode::Serves(vec![1, 2, 3]));
    let mut exporter = exporter(&api_server, &replicas);
    wait_until("every list", SOON, || watches_up(&exporter) == 3);
    exporter.wait_for_reads(3);
    api_server.set(Mode::Refuses("503 Service Unavailable", STATUS));
    wait_until("the end of the watches", SOON, || watches_up(&exporter) == 0);
    replicas.add(4);
    let new = |exporter: &Exporter| {
        exporter.metrics().series("readscope_reads_total").filter(|(_, reads)| *reads > 0).count()
    };
    wait_until("a read of the new server", SOON, || new(&exporter) == 4);
    wait_for_probes(&exporter, MORE_PROBES);
    assert_no_anomaly(&exporter);

    api_server.set(Mode::Serves(vec![1, 2, 3, 4]));
    wait_until("every watch again", SOON, || watches_up(&exporter) == 3);
    wait_for_probes(&exporter, MORE_PROBES);
    assert_no_anomaly(&exporter);
    assert_eq!(notices(&exporter), [""; 0]);
    let target = exporter.target();
    let of_pods: Vec<_> =
        target["replicas"].as_array().unwrap().iter().filter(|replica| replica["expected_share"] != 0.0).collect();
    assert!(of_pods.len() == 4 && of_pods.iter().all(|replica| replica["expected_share"] == 0.25), "{target:#}");

    // A server that is no endpoint is still found.
    replicas.add(9);
    let anomalies = || exporter.metrics().sum("readscope_anomalies_total", "no_endpoint");
    wait_until("the anomaly", Duration::from_secs(600), || anomalies() > 0);
}

fn wait_for_probes(exporter: &Exporter, more: u64) {
    let probes = || exporter.metrics().sum("readscope_probes_total", "");
    let before = probes();
    wait_until("probes", Duration::from_secs(600), || probes() >= before + more);
}

fn assert_no_anomaly(exporter: &Exporter) {
    let metrics = exporter.metrics();
    assert_eq!(metrics.sum("readscope_anomalies_total", ""), 0, "{}", metrics.text());
    assert_eq!(exporter.program.logged(&["not one of its endpoints"]), 0, "{:#?}", exporter.program.log());
}
