//! The whole program at an API server that refuses, hangs up or is not Kubernetes, and at kubeconfigs that cannot log in.

mod login;
mod outage;
mod ways;

use crate::support::{api_server::ApiServer, exporter::Exporter, program::readscope, replicas::Replicas};

fn exporter(api_server: &ApiServer, replicas: &Replicas) -> Exporter {
    let address = replicas.address.to_string();
    let arguments = ["run", "--service", "mysql/mysql-read", "--address", &address, "--no-scale-events"];
    let further =
        ["--tls", "disabled", "--timeout", "30s", "--pod-probe-interval", "0s", "--web.listen-address", "127.0.0.1:0"];
    let mut command = readscope(&[&arguments[..], &further].concat());
    for proxy in ["HTTPS_PROXY", "https_proxy"] {
        command.env_remove(proxy);
    }
    Exporter::start(command.env("KUBECONFIG", api_server.kubeconfig()))
}

fn watches_up(exporter: &Exporter) -> u64 {
    exporter.metrics().sum("readscope_kube_watch_up", "")
}

fn notices(exporter: &Exporter) -> Vec<String> {
    let notices = exporter.target()["notices"].clone();
    notices.as_array().unwrap().iter().map(|notice| notice.as_str().unwrap().to_owned()).collect()
}
