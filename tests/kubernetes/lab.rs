//! The lab in the cluster: three MySQL servers in the `StatefulSet` `mysql/mysql`, read through `mysql/mysql-read`.

use std::{path::Path, process::Command};

use serde_json::Value;

use crate::{
    WITHIN,
    cluster::Cluster,
    scaled_replica::ScaledReplica,
    support::{
        exporter::{Exporter, Metrics},
        http,
        program::readscope,
        waiting::{wait_for, wait_until},
    },
    turn::Turn,
};

pub(crate) struct Lab {
    turn: Turn,
}

impl Lab {
    /// The lab with its three replicas, in whatever cluster there is.
    pub(crate) fn anywhere() -> Self {
        Self::with(Turn::given_lab())
    }

    /// The lab in a cluster of the tests' own.
    pub(crate) fn own() -> Self {
        Self::with(Turn::own_lab())
    }

    fn with(turn: Turn) -> Self {
        let lab = Self { turn };
        lab.make();
        // What an earlier test left.
        lab.kubectl("-n mysql delete pvc data-mysql-3 --ignore-not-found --timeout=120s");
        lab
    }

    /// Makes it as it is in the beginning, or again.
    pub(crate) fn make(&self) {
        self.kubectl(concat!("apply -f ", env!("CARGO_MANIFEST_DIR"), "/tests/cluster/mysql.yaml"));
        self.scale(3);
        self.settle();
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.turn
    }

    pub(crate) fn kubectl(&self, words: &str) -> String {
        self.cluster().kubectl(words)
    }

    pub(crate) fn apply(&self, manifest: &str) {
        self.cluster().kubectl_reads("apply -f -", manifest);
    }

    pub(crate) fn script(&self, name: &str, arguments: &[&str]) -> String {
        self.cluster().run(name, arguments)
    }

    pub(crate) fn scale(&self, replicas: u32) {
        self.kubectl(&format!("-n mysql scale statefulset/mysql --replicas={replicas}"));
    }

    /// Waits until all replicas are ready, and those that are too many are gone.
    pub(crate) fn settle(&self) {
        self.kubectl("-n mysql rollout status statefulset/mysql --timeout=400s");
        wait_until("superfluous replicas to go", WITHIN, || {
            let set = self.object("statefulset/mysql");
            set["status"]["replicas"] == set["spec"]["replicas"]
        });
    }

    /// Executes statements on the server in a pod, as root.
    pub(crate) fn sql(&self, pod: &str, statements: &str) {
        let mysql = format!("mysql --no-defaults --execute=\"{statements}\"");
        self.cluster().try_kubectl_words(["-n", "mysql", "exec", pod, "--", "bash", "-c", &mysql]).unwrap();
    }

    /// The object, as JSON.
    pub(crate) fn object(&self, name: &str) -> Value {
        serde_json::from_str(&self.kubectl(&format!("-n mysql get {name} -o json"))).unwrap()
    }

    /// `readscope run` of a Service in the cluster, as its administrator. Its timeout is one that a busy machine does not reach.
    pub(crate) fn readscope(&self, service: &str, options: &[&str]) -> Exporter {
        self.readscope_as(&self.cluster().kubeconfig(), service, options)
    }

    /// As [`readscope`](Self::readscope), with the account of this kubeconfig.
    pub(crate) fn readscope_as(&self, kubeconfig: &Path, service: &str, options: &[&str]) -> Exporter {
        let usual = ["--service", service, "--web.listen-address", "127.0.0.1:0", "--timeout", "20s"];
        self.run(kubeconfig, &[&usual, options].concat())
    }

    /// `readscope run` with a configuration file, as the cluster's administrator.
    pub(crate) fn readscope_of(&self, file: &Path) -> Exporter {
        let file = file.to_str().unwrap();
        let options = ["--config.file", file, "--web.enable-lifecycle", "--web.listen-address", "127.0.0.1:0"];
        self.run(&self.cluster().kubeconfig(), &options)
    }

    /// `readscope run` with these options and the account of this kubeconfig.
    pub(crate) fn run(&self, kubeconfig: &Path, options: &[&str]) -> Exporter {
        Exporter::start(&mut self.call(kubeconfig, &[&["run"], options].concat()))
    }

    /// readscope with these arguments and the account of this kubeconfig.
    pub(crate) fn call(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let call = readscope(arguments);
        let mut command = self.cluster().inside("env");
        self.environment(&mut command, kubeconfig);
        command.arg(call.get_program()).args(call.get_args());
        for (name, _) in call.get_envs().filter(|(_, value)| value.is_none()) {
            command.env_remove(name);
        }
        command
    }

    fn environment(&self, command: &mut Command, kubeconfig: &Path) {
        command.arg(format!("KUBECONFIG={}", kubeconfig.display())).arg("READSCOPE_PASSWORD=readscope");
        if self.cluster().is_own() {
            command.arg("NODE_NAME=node1");
        }
        // Other work on the machine must not delay readscope.
        command.args(["nice", "-n", "-10"]);
    }

    /// A kubeconfig with which a program is a `ServiceAccount` of the namespace `mysql`; it is in the folder.
    pub(crate) fn account(&self, name: &str, folder: &Path) -> std::path::PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.script("account", &["mysql", name])).unwrap();
        path
    }
}

/// Queries to a running readscope.
impl Exporter {
    /// Scrapes until the condition holds.
    pub(crate) fn scrape_until(&mut self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        wait_for(what, WITHIN, || {
            assert!(self.program.is_running(), "waiting for {what}, it ends: {:#?}", self.program.log());
            Some(self.metrics()).filter(&holds)
        })
    }

    /// Reads the target until `answer` finds a value in it.
    pub(crate) fn target_until<T>(&mut self, what: &str, answer: impl Fn(&Value) -> Option<T>) -> T {
        wait_for(what, WITHIN, || {
            assert!(self.program.is_running(), "waiting for {what}, it ends: {:#?}", self.program.log());
            answer(&self.target())
        })
    }

    /// Waits until this number of replicas is balanced.
    pub(crate) fn balanced(&mut self, replicas: usize) {
        let sentence = format!("{replicas} of {replicas} replicas answer");
        self.target_until("balanced reads", |target| {
            let said = target["verdict"] == "balanced" && target["reason"].as_str()?.contains(&sentence);
            said.then_some(())
        });
    }

    /// Its scale events, newest first.
    pub(crate) fn scale_events(&self) -> Vec<Value> {
        let body = http::get(self.address, "/api/v1/scale-events").json();
        body["scale_events"].as_array().unwrap().clone()
    }

    /// Waits until this number of scale events has finished; newest first.
    pub(crate) fn finished_events(&mut self, count: usize) -> Vec<Value> {
        wait_for("the end of the scale event", WITHIN, || {
            assert!(self.program.is_running(), "it ends: {:#?}", self.program.log());
            let events = self.scale_events();
            assert!(events.len() <= count, "more than {count}: {events:#?}");
            let over = events.len() == count && events.iter().all(ScaledReplica::all_seen_off);
            over.then_some(events)
        })
    }
}

/// The count of a histogram, over all series whose labels contain these.
impl Metrics {
    pub(crate) fn count(&self, name: &str, labels: &[&str]) -> u64 {
        let series = format!("{name}_count");
        let wanted = |series: &&(&str, u64)| labels.iter().all(|label| series.0.contains(label));
        self.series(&series).filter(|series| wanted(&series)).map(|(_, value)| value).sum()
    }
}
