//! The headline names what is wrong, and where, with each fault of servers, pods, routing and configuration. It is silent
//! while nothing is wrong. With `READSCOPE_FAULT_PICTURES`, the folder gets pictures of the page in each fault.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    cluster::repository,
    kube_proxy::Frozen,
    lab::Lab,
    link::Link,
    support::{
        commands::run,
        exporter::{Exporter, SOON},
        http, obtained,
        waiting::wait_until,
    },
    unreachable::Unreachable,
};

/// Quick enough for a busy machine to find a silent server. Two pod probes of a silent server are a condition.
const OPTIONS: [&str; 12] = [
    "--service",
    "mysql/mysql-read",
    "--web.listen-address",
    "127.0.0.1:0",
    "--interval",
    "200ms",
    "--pod-probe-interval",
    "2s",
    "--timeout",
    "8s",
    "--burst-interval",
    "0s",
];

/// What the headline and one replica's conditions say.
struct Said<'a> {
    status: &'a str,
    /// The replica and the kind of its condition.
    condition: Option<(&'a str, &'a str)>,
    /// Parts of the headline.
    parts: &'a [&'a str],
}

impl Said<'_> {
    fn is_said(&self, target: &Value) -> bool {
        let headline = target["headline"].as_str().unwrap();
        target["status"] == self.status
            && self.parts.iter().all(|part| headline.contains(part))
            && self.condition.is_none_or(|(replica, kind)| {
                let replicas = target["replicas"].as_array().unwrap();
                let conditions = replicas.iter().filter(|one| one["replica"] == replica);
                let mut conditions = conditions.flat_map(|one| one["conditions"].as_array().unwrap());
                conditions.any(|condition| condition["kind"] == kind && condition["text"].is_string())
            })
    }
}

/// Each replica may become not ready only once in a test: otherwise it is flapping for ten minutes.
struct Story<'a> {
    lab: &'a Lab,
    probe: Exporter,
}

impl<'a> Story<'a> {
    fn of(lab: &'a Lab, kubeconfig: &Path) -> Self {
        let mut story = Self { lab, probe: lab.run(kubeconfig, &OPTIONS) };
        story.is_well(3);
        story
    }

    fn says(&mut self, fault: &str, said: &Said) {
        let begun = Instant::now();
        let last = Mutex::new(String::new());
        let target = self.probe.target_until(&format!("what it says about {fault}"), |target| {
            let now = format!("{}: {}", target["status"], target["headline"]);
            if *last.lock().unwrap() != now {
                eprintln!("    {:5.1} s  {now}", begun.elapsed().as_secs_f64());
                *last.lock().unwrap() = now;
            }
            said.is_said(target).then(|| target.clone())
        });
        eprintln!("{:5.1} s  {fault}: {}", begun.elapsed().as_secs_f64(), target["headline"]);
        if let Some(folder) = std::env::var_os("READSCOPE_FAULT_PICTURES") {
            let mut command = Command::new("node");
            command.arg(repository().join("tests/browser/picture.js"));
            command.arg(format!("http://{}/", self.probe.address));
            command.arg(Path::new(&folder).join(fault.replace(' ', "-")));
            command.env("READSCOPE_BROWSER", obtained::browser());
            run(command.env("READSCOPE_PROGRAM", env!("CARGO_BIN_EXE_readscope")));
        }
    }

    fn is_well(&mut self, replicas: usize) {
        self.probe.balanced(replicas);
        let said = Said { status: "ok", condition: None, parts: &[] };
        self.says("nothing", &said);
    }

    /// Breaks something, waits for what is said, and repairs it.
    fn fault(&mut self, fault: &str, breaks: impl FnOnce(&Lab), said: &Said, repairs: impl FnOnce(&Lab)) {
        breaks(self.lab);
        self.says(fault, said);
        repairs(self.lab);
        self.lab.settle();
        self.is_well(3);
    }

    /// Nothing but `ok` is said during the change.
    fn silent(&mut self, change: &str, changes: impl FnOnce(&Lab, &mut Exporter)) {
        let listener = Listener::of(self.probe.address);
        changes(self.lab, &mut self.probe);
        let heard = listener.end();
        assert!(heard.iter().all(|(status, _)| status == "ok"), "{change}: {heard:#?}");
        eprintln!("{change}: {heard:#?}");
    }
}

/// Collects each status with its headline.
struct Listener {
    over: Arc<AtomicBool>,
    heard: thread::JoinHandle<BTreeSet<(String, String)>>,
}

impl Listener {
    fn of(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let heard = thread::spawn(move || {
            let mut heard = BTreeSet::new();
            while !ends.load(Ordering::Relaxed) {
                let target = &http::get(address, "/api/v1/targets").json()["targets"][0];
                let text = |field: &str| target[field].as_str().unwrap().to_owned();
                heard.insert((text("status"), text("headline")));
                thread::sleep(Duration::from_millis(100));
            }
            heard
        });
        Self { over, heard }
    }

    fn end(self) -> BTreeSet<(String, String)> {
        self.over.store(true, Ordering::Relaxed);
        self.heard.join().unwrap()
    }
}

/// Sends a signal to the MySQL server of a pod, from the node.
fn signal(lab: &Lab, pod: &str, signal: &str) {
    let find = format!(
        "for process in /proc/[0-9]*; do \
           if [[ $(cat $process/comm) == mysqld && $(cat $process/root/etc/hostname) == {pod} ]]; then \
             kill -{signal} ${{process#/proc/}} && found=yes; \
           fi; \
         done 2>/dev/null; [[ ${{found-}} ]]"
    );
    lab.script("inside", &["bash", "-c", &find]);
}

/// Runs a script on the node, in the directory that is the disk of mysql-2.
fn disk(lab: &Lab, script: &str) {
    let script = format!("set -e; cd /var/lib/local-path/*_mysql_data-mysql-2; {script}");
    lab.script("inside", &["bash", "-c", &script]);
}

fn ready(lab: &Lab, pod: &str, change: &str) {
    lab.kubectl(&format!("-n mysql exec {pod} -- {change} /tmp/not-ready"));
}

/// Evicts each pod of MySQL, the next one when the budget allows it. The only node takes them again, as another node would.
fn drain(lab: &Lab) {
    let drained = thread::scope(|scope| {
        let drain = scope.spawn(|| {
            lab.cluster().try_kubectl("drain node1 --pod-selector=app=mysql --delete-emptydir-data --timeout=600s")
        });
        let cordoned = || lab.kubectl("get node node1 -o jsonpath={.spec.unschedulable}") == "true";
        wait_until("the node to be cordoned", SOON, || drain.is_finished() || cordoned());
        lab.kubectl("uncordon node1");
        drain.join().unwrap().unwrap()
    });
    for ordinal in 0..3 {
        assert!(drained.contains(&format!("pod/mysql-{ordinal} evicted")), "{drained}");
    }
    assert!(drained.contains("node/node1 drained"), "{drained}");
}

#[test]
fn the_headline_names_each_fault_and_what_to_do() {
    let lab = Lab::own();
    let mut story = Story::of(&lab, &lab.cluster().kubeconfig());
    faults_of_pods(&mut story);
    faults_of_servers(&mut story);
    faults_of_routing(&mut story);
}

fn faults_of_pods(story: &mut Story) {
    let missing = |parts| Said { status: "degraded", condition: Some(("mysql-0", "missing")), parts };
    story.fault(
        "a primary without a node",
        |lab| {
            lab.kubectl("cordon node1");
            lab.kubectl("-n mysql delete pod mysql-0");
        },
        &missing(&["2 of 3 replicas serve", "mysql-0 is Pending", "unschedulable"]),
        |lab| drop(lab.kubectl("uncordon node1")),
    );
    story.fault(
        "a replica that is not ready",
        |lab| ready(lab, "mysql-1", "touch"),
        &Said {
            status: "degraded",
            condition: Some(("mysql-1", "missing")),
            parts: &["2 of 3 replicas serve", "mysql-1 is not ready"],
        },
        |lab| ready(lab, "mysql-1", "rm"),
    );
    story.fault(
        "a server that is killed",
        |lab| signal(lab, "mysql-0", "KILL"),
        &Said { status: "degraded", condition: None, parts: &["mysql-0"] },
        |_| {},
    );
    story.fault(
        "a container that crashes",
        |lab| {
            let spoil = ["-n", "mysql", "exec", "mysql-2", "--", "bash", "-c", "echo nonsense=1 >>/conf/my.cnf"];
            lab.cluster().try_kubectl_words(spoil).unwrap();
            signal(lab, "mysql-2", "KILL");
        },
        &Said {
            status: "degraded",
            condition: Some(("mysql-2", "missing")),
            parts: &["2 of 3 replicas serve", "mysql-2 is not ready", "CrashLoopBackOff"],
        },
        |lab| {
            // Another pod gets a small disk for the same data.
            lab.kubectl("cordon node1");
            lab.kubectl("-n mysql delete pod mysql-2");
            disk(
                lab,
                "size=$(du --summarize --block-size=1M . | cut -f1); data=$(mktemp -d); cp -a . $data; \
                 mount -t tmpfs -o size=$((size + 40))M disk $PWD; cp -a $data/. $PWD; rm -r $data",
            );
            lab.kubectl("uncordon node1");
        },
    );
    story.fault(
        "a new replica without a node",
        |lab| {
            lab.kubectl("cordon node1");
            lab.scale(4);
        },
        &Said {
            status: "degraded",
            condition: Some(("mysql-3", "missing")),
            parts: &["3 of 4 replicas serve", "mysql-3 is Pending"],
        },
        |lab| {
            lab.kubectl("uncordon node1");
            lab.scale(3);
        },
    );
}

fn faults_of_servers(story: &mut Story) {
    story.fault(
        "a server that accepts connections and never greets",
        |lab| signal(lab, "mysql-2", "STOP"),
        &Said { status: "degraded", condition: Some(("mysql-2", "cannot_serve")), parts: &["mysql-2"] },
        |lab| signal(lab, "mysql-2", "CONT"),
    );
    story.fault(
        "a server without free connections",
        |lab| lab.sql("mysql-2", "SET GLOBAL max_user_connections = 1; SET GLOBAL offline_mode = ON"),
        &Said { status: "degraded", condition: Some(("mysql-2", "cannot_serve")), parts: &["mysql-2", "offline mode"] },
        |lab| lab.sql("mysql-2", "SET GLOBAL max_user_connections = 0; SET GLOBAL offline_mode = OFF"),
    );
    story.fault(
        "a replica that no longer replicates",
        |lab| {
            lab.sql("mysql-2", "STOP REPLICA SQL_THREAD");
            lab.sql("mysql-0", "CREATE DATABASE faults");
        },
        &Said { status: "degraded", condition: Some(("mysql-2", "stale")), parts: &["mysql-2", "behind"] },
        |lab| {
            lab.sql("mysql-2", "START REPLICA SQL_THREAD");
            lab.sql("mysql-0", "DROP DATABASE faults");
        },
    );
    story.fault(
        "a full disk",
        |lab| {
            disk(lab, "dd if=/dev/zero of=fill bs=4k status=none || [[ -s fill ]]");
            lab.sql("mysql-0", "CREATE DATABASE faults; CREATE TABLE faults.large (content LONGBLOB)");
            lab.sql("mysql-0", "INSERT INTO faults.large VALUES (REPEAT('x', 4000000))");
        },
        &Said { status: "degraded", condition: Some(("mysql-2", "stale")), parts: &["mysql-2", "behind", "its disk"] },
        |lab| {
            disk(lab, "rm fill");
            lab.sql("mysql-2", "START REPLICA");
            lab.sql("mysql-0", "DROP DATABASE faults");
            // The pod keeps it; the next one continues with the older data.
            disk(lab, "umount --lazy $PWD");
        },
    );
    let mut closed = Vec::new();
    closed.push(Unreachable::new(story.lab, "mysql-1"));
    let one = Said { status: "degraded", condition: Some(("mysql-1", "cannot_serve")), parts: &["mysql-1", "refused"] };
    story.says("one server that refuses connections", &one);
    closed.extend(["mysql-0", "mysql-2"].map(|pod| Unreachable::new(story.lab, pod)));
    story.says("servers that all refuse", &Said { status: "down", condition: None, parts: &["refused"] });
    drop(closed);
    story.is_well(3);
}

fn faults_of_routing(story: &mut Story) {
    let lab = story.lab;
    let frozen = Frozen::kube_proxy(lab);
    let address = frozen.forget_first_endpoint();
    let pods = lab.object("pods --selector=app=mysql");
    let pods = pods["items"].as_array().unwrap();
    let forgotten = pods.iter().find(|pod| pod["status"]["podIP"] == *address).expect("it is a pod");
    let name = forgotten["metadata"]["name"].as_str().unwrap();
    let said = Said { status: "degraded", condition: Some((name, "not_routed")), parts: &[name, "kube-proxy"] };
    story.says("a replica that kube-proxy forgot", &said);
    drop(frozen);
    story.is_well(3);

    for _ in 0..3 {
        for (change, is) in [("touch", "false"), ("rm", "true")] {
            ready(lab, "mysql-1", change);
            lab.kubectl(&format!("-n mysql wait --for=condition=Ready={is} pod/mysql-1 --timeout=120s"));
        }
    }
    let said = Said { status: "degraded", condition: Some(("mysql-1", "flapping")), parts: &["mysql-1"] };
    story.says("readiness that flaps", &said);
}

#[test]
fn a_wrong_configuration_is_down_with_its_cause() {
    let lab = Lab::own();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "wrong").unwrap();
    let file = folder.path().join("readscope.yaml");
    let defaults =
        "{password_file: password, interval: 200ms, burst_interval: 0s, pod_probe_interval: 2s, timeout: 8s}";
    fs::write(&file, format!("defaults: {defaults}\ntargets: [{{service: mysql/mysql-read}}]")).unwrap();
    let probe = lab.readscope_of(&file);
    let mut story = Story { lab: &lab, probe };
    let said = Said { status: "down", condition: None, parts: &["auth", "password"] };
    story.says("a wrong password", &said);
    fs::write(&password, "readscope").unwrap();
    story.is_well(3);

    let selector = r#"-n mysql patch service mysql-read --type=merge --patch={"spec":{"selector":{"app":""#;
    story.fault(
        "a Service that selects no pod",
        |lab| drop(lab.kubectl(&format!("{selector}none\"}}}}}}"))),
        &Said { status: "down", condition: None, parts: &["selector"] },
        |lab| drop(lab.kubectl(&format!("{selector}mysql\"}}}}}}"))),
    );
    story.probe = lab.readscope("mysql/mysql-reads", &[]);
    story.says(
        "a Service that does not exist",
        &Said { status: "down", condition: None, parts: &["the Service does not exist"] },
    );
}

#[test]
fn nothing_is_said_where_nothing_is_wrong() {
    let lab = Lab::own();
    let folder = tempfile::tempdir().unwrap();
    let link = Link::new();
    let kubeconfig = link.kubeconfig(&lab, folder.path());
    let mut story = Story::of(&lab, &kubeconfig);
    story.silent("a roll-out", |lab, probe| {
        lab.kubectl("-n mysql rollout restart statefulset/mysql");
        lab.settle();
        probe.balanced(3);
    });
    story.silent("scaling up", |lab, probe| {
        lab.scale(4);
        probe.finished_events(1);
        probe.balanced(4);
    });
    story.silent("scaling down", |lab, probe| {
        lab.scale(3);
        lab.settle();
        probe.finished_events(2);
        probe.balanced(3);
    });
    story.silent("a drain with a disruption budget", |lab, probe| {
        lab.kubectl("-n mysql create poddisruptionbudget mysql --selector=app=mysql --max-unavailable=1");
        drain(lab);
        lab.settle();
        probe.balanced(3);
    });
    for (outage, freezes, said) in [
        ("an API server that is away", false, "Connection"),
        ("an API server that freezes", true, "no response within 14 s"),
    ] {
        story.silent(outage, |_, probe| {
            if freezes {
                link.freeze();
            } else {
                link.cut();
            }
            probe.target_until("the notice", |target| target["notices"].to_string().contains(said).then_some(()));
            link.restore();
            probe
                .target_until("the end of the notice", |target| target["notices"].as_array()?.is_empty().then_some(()));
            probe.balanced(3);
        });
    }
    story.probe = lab.run(&kubeconfig, &OPTIONS);
    let listener = Listener::of(story.probe.address);
    story.is_well(3);
    let heard = listener.end();
    assert!(heard.iter().all(|(status, _)| ["ok", "unknown"].contains(&&**status)), "a restart: {heard:#?}");
}
