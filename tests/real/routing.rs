//! Alerts about a database go to the team of its namespace: a real Prometheus with the rules of `deploy/`, and a real
//! Alertmanager with a tree of routes.

use std::{fs, time::Duration};

use crate::{
    namespace::Namespace,
    program::mortal,
    prometheus::Prometheus,
    support::{
        alertmanager::Alertmanager,
        exporter::Exporter,
        program::readscope,
        rules::Rules,
        waiting::{wait_for, wait_until},
    },
};

const WITHIN: Duration = Duration::from_secs(120);

/// No API server and no MySQL is there.
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: 'http://127.0.0.1:1'}}]
users: [{name: nobody, user: {}}]
contexts: [{name: gone, context: {cluster: gone, user: nobody}}]
current-context: gone
";

#[test]
fn an_alert_goes_to_the_team_of_the_namespace_of_the_database() {
    let _namespace = Namespace::enter();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut call = readscope(&["run", "--service", "shop/db-read", "--address", "127.0.0.1:1", "--interval", "50ms"]);
    call.args(["--web.listen-address", "127.0.0.1:0"]).env("KUBECONFIG", write("kubeconfig", KUBECONFIG));
    let probe = Exporter::start(&mut call);
    let team =
        "{matchers: ['namespace=\"shop\"'], receiver: shop}, {matchers: ['namespace=\"mysql\"'], receiver: mysql}";
    let mut alertmanager = Alertmanager::routing(team, &["shop", "mysql"]);
    let configuration = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: ['{}']
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}
scrape_configs: [{{job_name: readscope, honor_labels: true,
  static_configs: [{{targets: ['{}'], labels: {{namespace: readscope}}}}]}}]\n",
        write("rules.yaml", Rules::quicker_by(30).text()).display(),
        alertmanager.address,
        probe.address
    );
    let _prometheus = Prometheus::start(mortal("env"), &configuration, &[]);
    let down = wait_for("the alert about the database", WITHIN, || {
        alertmanager.notifications().into_iter().find(|each| each.alert() == "ReadscopeTargetDown")
    });
    assert_eq!((&*down.receiver, &*down.labels["target"]), ("shop", "shop/db-read"), "{down:#?}");
    // An alert about readscope itself.
    wait_until("the alert about the watches", WITHIN, || {
        alertmanager.notifications().iter().any(|each| each.alert() == "ReadscopeWatchBroken")
    });
    for each in alertmanager.notifications() {
        let receiver = if each.labels["namespace"] == "shop" { "shop" } else { "default" };
        assert_eq!(each.receiver, receiver, "{each:#?}");
        assert_eq!(each.labels.contains_key("target"), receiver == "shop", "{each:#?}");
    }
}
