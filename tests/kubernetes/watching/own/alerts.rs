//! Every alert of `deploy/` fires once and clears once: a real Prometheus scrapes readscope while its servers, network and
//! cluster are broken and restored one after the other, and a real Alertmanager notifies a webhook.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{
    WITHIN,
    kube_proxy::Frozen,
    lab::Lab,
    link::Link,
    support::{
        alertmanager::{Alertmanager, Notification},
        commands::mortal,
        exporter::Exporter,
        prometheus::Prometheus,
        rules::Rules,
        waiting::wait_until,
    },
    unreachable::Unreachable,
};

/// A quarter of an hour takes a minute.
const QUICKER: u64 = 15;

/// Where readscope is scraped, before and after it was gone.
const ADDRESS: &str = "127.0.0.1:10306";

/// Five probes a second, and sixteen in flight: only probes of a silent server use all of them up, even on a busy
/// machine.
const CONFIGURATION: &str = "
defaults: {password_file: password, interval: 200ms, burst_interval: 0s, timeout: 20s, max_in_flight: 16}
targets: [{service: mysql/mysql-read}]
";

#[test]
fn each_alert_fires_once_and_clears_once() {
    let lab = Lab::own();
    let mut run = Run::start(&lab);
    run.five_faults_at_once();
    run.a_replica_gets_too_few_reads();
    run.a_pvc_loses_its_volume();
    run.an_unexpected_server_answers();
    run.one_replica_and_then_all_are_unreachable();
    run.clients_hold_on_to_one_replica();
    run.the_verdict_is_undecided();
    run.probes_are_late();
    run.the_password_is_wrong();
    run.the_api_server_is_unreachable();
    run.readscope_is_gone();

    let notifications = run.alertmanager.notifications();
    let mut counts: BTreeMap<_, BTreeMap<&str, usize>> = BTreeMap::new();
    for notification in &notifications {
        *counts.entry(&notification.labels).or_default().entry(&notification.status).or_default() += 1;
        for text in notification.annotations.values() {
            assert!(!text.is_empty() && !text.contains('<'), "a template failed: {notification:#?}");
        }
    }
    let about_readscope = ["ReadscopeDown", "ReadscopeWatchBroken", "ReadscopeConfigReloadFailed"];
    for notification in &notifications {
        let namespace = if about_readscope.contains(&notification.alert()) { "readscope" } else { "mysql" };
        assert_eq!(notification.labels["namespace"], namespace, "{notification:#?}");
    }
    let repeats = |labels: &BTreeMap<String, String>| REPEATED.iter().any(|name| labels["alertname"].ends_with(name));
    let mut series: BTreeMap<&str, usize> = BTreeMap::new();
    for (labels, count) in counts.iter().filter(|(labels, _)| !repeats(labels)) {
        assert_eq!(count, &BTreeMap::from([("firing", 1), ("resolved", 1)]), "{labels:#?} in {notifications:#?}");
        *series.entry(&labels["alertname"]).or_default() += 1;
    }
    for (alert, count) in series {
        assert_eq!(count, if alert == "ReadscopeWatchBroken" { KINDS } else { 1 }, "{alert} in {notifications:#?}");
    }
    let fired: BTreeSet<String> = notifications.iter().map(|notification| notification.alert().to_owned()).collect();
    assert_eq!(fired, run.rules.alerts());
}

/// Kinds of objects with an alert for broken watches.
const KINDS: usize = 5;

/// Fires also while the machine is too busy, so it may fire more than once.
const BUSY: &str = "ProbesSkipped";

/// Each of them may fire in several faults.
const REPEATED: [&str; 5] = [BUSY, "ReadsFailing", "TargetDegraded", "ReadsFailingSlowly", "Undecided"];

/// The running programs.
struct Run<'a> {
    lab: &'a Lab,
    rules: Rules,
    folder: TempDir,
    link: Link,
    probe: Option<Exporter>,
    alertmanager: Alertmanager,
    /// The alerts of all faults so far.
    expected: BTreeSet<&'static str>,
    began: Instant,
    /// Number of notifications printed so far.
    shown: usize,
    _prometheus: Prometheus,
}

impl<'a> Run<'a> {
    fn start(lab: &'a Lab) -> Self {
        let rules = Rules::quicker_by(QUICKER);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        write("password", "readscope");
        write("readscope.yaml", CONFIGURATION);
        let link = Link::new();
        link.kubeconfig(lab, folder.path());
        // Its removal is a transaction that mysql-2 lacks later.
        lab.sql("mysql-0", "CREATE DATABASE IF NOT EXISTS alerts");
        let probe = observing(lab, folder.path());
        let alertmanager = Alertmanager::start();
        let configuration = format!(
            "global: {{scrape_interval: 4s, scrape_timeout: 4s, evaluation_interval: 1s}}
rule_files: ['{}']
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}
scrape_configs: [{{job_name: readscope, honor_labels: true, static_configs: [{{targets: ['{ADDRESS}'], labels: {{namespace: readscope}}}}]}}]\n",
            write("rules.yaml", rules.text()).display(),
            alertmanager.address
        );
        // Alertmanager takes an alert for resolved when it is not sent again within four times this delay.
        let mut launcher = mortal("nice");
        launcher.args(["-n", "-10"]);
        let prometheus = Prometheus::start(launcher, &configuration, &["--rules.alert.resend-delay=10s"]);
        let (expected, began) = (BTreeSet::new(), Instant::now());
        Self {
            lab,
            rules,
            folder,
            link,
            probe: Some(probe),
            alertmanager,
            expected,
            began,
            shown: 0,
            _prometheus: prometheus,
        }
    }

    /// An invalid configuration, a duplicate `server_id`, a replica that no longer replicates, and a new one whose PVC is
    /// not provisioned.
    fn five_faults_at_once(&mut self) {
        let configuration = self.folder.path().join("readscope.yaml");
        fs::write(&configuration, "targets: [{service: mysql}]").unwrap();
        self.lab.sql("mysql-2", "SET GLOBAL server_id = 101; STOP REPLICA SQL_THREAD");
        self.lab.sql("mysql-0", "DROP DATABASE alerts");
        self.lab.script("provisioner", &["stop"]);
        self.lab.scale(4);
        let five = ["ConfigReloadFailed", "DuplicateServerId", "StaleReads", "PVCPending", "ScaleStuck"];
        self.fire(&five);
        let mut said = |alert| self.alertmanager.description(alert);
        let both = said("DuplicateServerId");
        assert!(
            both.contains("server_id 101 is used by") && both.contains("mysql-1") && both.contains("mysql-2"),
            "{both}"
        );
        assert!(
            said("StaleReads").contains(
                "of the reads of mysql-2 lack transactions that the primary had committed. Replication lag: "
            )
        );
        assert!(
            said("ScaleStuck").starts_with("mysql/mysql: mysql-3 is stuck after milestone "),
            "{}",
            said("ScaleStuck")
        );

        fs::write(&configuration, CONFIGURATION).unwrap();
        self.lab.sql("mysql-2", "SET GLOBAL server_id = 102; START REPLICA SQL_THREAD");
        self.lab.script("provisioner", &["start"]);
        self.clear(&five);
        self.probe.as_mut().unwrap().balanced(4);
    }

    /// The rules of the probe's node leave one replica a twenty-fifth.
    fn a_replica_gets_too_few_reads(&mut self) {
        let frozen = Frozen::kube_proxy(self.lab);
        frozen.starve_first_endpoint();
        self.fire(&["ReadsUnbalanced"]);
        let said = self.alertmanager.description("ReadsUnbalanced");
        assert!(said.contains("% of the reads go to a replica other than expected. Culprit: mysql-"), "{said}");
        drop(frozen);
        self.clear(&["ReadsUnbalanced"]);
    }

    /// The volume of a replica is deleted, then created again.
    fn a_pvc_loses_its_volume(&mut self) {
        let pvc = self.lab.object("pvc/data-mysql-2");
        let name = pvc["spec"]["volumeName"].as_str().unwrap();
        let mut volume = self.lab.object(&format!("pv/{name}"));
        // Before the PVC is deleted, a finalizer protects its volume.
        self.lab.kubectl(&format!("delete pv {name} --wait=false"));
        self.lab.kubectl(&format!(r#"patch pv {name} --type=merge --patch={{"metadata":{{"finalizers":null}}}}"#));
        self.fire(&["PVCLost"]);
        for field in ["uid", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            volume["metadata"].as_object_mut().unwrap().remove(field);
        }
        let path = self.folder.path().join("volume.json");
        fs::write(&path, volume.to_string()).unwrap();
        self.lab.kubectl(&format!("create --filename={}", path.display()));
        self.clear(&["PVCLost"]);
    }

    /// The rules still route to a replica that is not ready.
    fn an_unexpected_server_answers(&mut self) {
        let ready = |change| self.lab.kubectl(&format!("-n mysql exec mysql-1 -- {change} /tmp/not-ready"));
        let frozen = Frozen::kube_proxy(self.lab);
        ready("touch");
        self.fire(&["UnexpectedServer"]);
        ready("rm");
        drop(frozen);
        self.clear(&["UnexpectedServer"]);
        self.probe.as_mut().unwrap().balanced(4);
    }

    /// First one ready replica refuses connections, then all do.
    fn one_replica_and_then_all_are_unreachable(&mut self) {
        let some = ["ReadsFailing", "ReadsFailingSlowly", "ReplicaNotReceivingReads"];
        let mut unreachable = vec![Unreachable::new(self.lab, "mysql-1")];
        self.fire(&some);
        let said = self.alertmanager.description("ReplicaNotReceivingReads");
        assert!(said.starts_with("mysql/mysql-read: mysql-1 got no reads in the last"), "{said}");
        assert!(self.alertmanager.description("ReadsFailing").ends_with("Most frequent reason: refused."));
        unreachable.extend(["mysql-0", "mysql-2", "mysql-3"].map(|pod| Unreachable::new(self.lab, pod)));
        self.fire(&["TargetDown"]);
        drop(unreachable);
        self.clear(&some);
        self.clear(&["TargetDown"]);
        self.probe.as_mut().unwrap().balanced(4);
    }

    /// All clients are connected to one replica, and stay.
    fn clients_hold_on_to_one_replica(&mut self) {
        let inside = |script: &str| {
            let words = ["-n", "mysql", "exec", "mysql-1", "--", "bash", "-c", script];
            self.lab.cluster().try_kubectl_words(words).unwrap();
        };
        inside(
            "for client in {1..30}; do
                mysql --no-defaults --execute='SELECT SLEEP(3600)' >/dev/null 2>&1 </dev/null &
            done",
        );
        self.fire(&["ClientsUneven"]);
        let said = self.alertmanager.description("ClientsUneven");
        assert!(said.contains("client connections by replica: mysql-1 3"), "{said}");
        inside(
            "mysql --no-defaults --batch --skip-column-names --execute=\"SELECT CONCAT('KILL ', id, ';')
                FROM information_schema.processlist WHERE info = 'SELECT SLEEP(3600)'\" | mysql --no-defaults",
        );
        self.clear(&["ClientsUneven"]);
    }

    /// The Service keeps readscope on one replica.
    fn the_verdict_is_undecided(&mut self) {
        let affinity = |affinity| {
            self.lab.kubectl(&format!(
                r#"-n mysql patch service mysql-read --type=merge --patch={{"spec":{{"sessionAffinity":"{affinity}"}}}}"#
            ))
        };
        affinity("ClientIP");
        self.fire(&["Undecided"]);
        // It also fires while many probes fail.
        let said = "mysql/mysql-read: undecided for more than an hour. Reason now: session_affinity.";
        let notifications = self.alertmanager.notifications();
        assert!(notifications.iter().any(|each| each.annotations["description"] == said), "{notifications:#?}");
        affinity("None");
        self.clear(&["Undecided"]);
        self.probe.as_mut().unwrap().balanced(4);
    }

    fn probes_are_late(&mut self) {
        let stopped = |run: &Self, signal| run.probe.as_ref().unwrap().program.signal(signal);
        self.expected.insert(BUSY);
        wait_until("skipped probes", WITHIN, || {
            // Most of the time it gets no CPU, and enough for scrapes: it is not down.
            stopped(self, Signal::SIGSTOP);
            sleep(Duration::from_secs(1));
            stopped(self, Signal::SIGCONT);
            self.probe.as_ref().unwrap().metrics();
            count(&self.alertmanager.notifications(), BUSY, "firing") > 0
        });
        self.clear(&[BUSY]);
    }

    fn the_password_is_wrong(&mut self) {
        let password = self.folder.path().join("password");
        fs::write(&password, "wrong").unwrap();
        self.fire(&["ProbingPaused"]);
        fs::write(&password, "readscope").unwrap();
        self.clear(&["ProbingPaused"]);
        self.probe.as_mut().unwrap().balanced(4);
    }

    fn the_api_server_is_unreachable(&mut self) {
        self.link.cut();
        self.fire(&["WatchBroken"; KINDS]);
        self.link.restore();
        self.clear(&["WatchBroken"]);
    }

    fn readscope_is_gone(&mut self) {
        self.probe = None;
        self.fire(&["Down"]);
        self.probe = Some(observing(self.lab, self.folder.path()));
        self.clear(&["Down"]);
    }

    /// Waits until these alerts fire, as often as they are listed, and no others.
    fn fire(&mut self, alerts: &[&'static str]) {
        self.expected.extend(alerts);
        wait_until(&format!("{alerts:?} to fire"), WITHIN, || {
            let notifications = self.notifications();
            let often = |alert| alerts.iter().filter(|other| **other == alert).count();
            alerts.iter().all(|alert| {
                count(&notifications, alert, "firing") >= count(&notifications, alert, "resolved") + often(*alert)
            })
        });
    }

    /// Waits until all notifications of these alerts are resolved.
    fn clear(&mut self, alerts: &[&'static str]) {
        wait_until(&format!("{alerts:?} to clear"), WITHIN, || {
            let notifications = self.notifications();
            let fired = |alert| if alert == BUSY { 1 } else { count(&notifications, alert, "firing") };
            alerts.iter().all(|alert| count(&notifications, alert, "resolved") >= fired(*alert))
        });
    }

    fn notifications(&mut self) -> Vec<Notification> {
        if let Some(probe) = &mut self.probe {
            assert!(probe.program.is_running(), "it ends: {:#?}", probe.program.log());
        }
        let notifications = self.alertmanager.notifications();
        for notification in &notifications {
            let alert = notification.alert().strip_prefix("Readscope").unwrap();
            assert!(REPEATED.contains(&alert) || self.expected.contains(alert), "unexpected: {notification:#?}");
        }
        for Notification { status, labels, .. } in &notifications[self.shown..] {
            eprintln!("{:6.1} s  {status:8}  {}", self.began.elapsed().as_secs_f64(), labels["alertname"]);
        }
        self.shown = notifications.len();
        notifications
    }
}

fn count(notifications: &[Notification], alert: &str, status: &str) -> usize {
    notifications.iter().filter(|each| each.status == status && each.alert() == format!("Readscope{alert}")).count()
}

fn observing(lab: &Lab, folder: &Path) -> Exporter {
    let configuration = folder.join("readscope.yaml");
    let options = ["--config.file", configuration.to_str().unwrap(), "--web.listen-address", ADDRESS];
    let mut probe = lab.run(&folder.join("kubeconfig"), &options);
    probe.target_until("balanced reads", |target| (target["verdict"] == "balanced").then_some(()));
    probe
}
