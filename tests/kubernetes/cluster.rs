//! A cluster: access to its API server, Services and pods, and commands to change it.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use nix::sched::{CloneFlags, setns};

use crate::support::{
    commands::{mortal, run, run_reading, try_run},
    waiting::wait_until,
};

pub(crate) enum Cluster {
    /// A node of the tests' own, in its folder. It stops with the test program, however that ends.
    Own { directory: PathBuf, node: String },
    /// The cluster of `KUBECONFIG`. The tests must run where its Services and their names are reachable.
    Given { kubeconfig: PathBuf },
}

/// Namespaces of the tests.
const NAMESPACES: &str = "readscope mysql shop";

/// Objects of `deploy/` outside the namespace of MySQL.
const OF_READSCOPE: &str = "-l app.kubernetes.io/name=readscope";

impl Cluster {
    /// Starts one, with DNS and storage.
    pub(crate) fn up() -> Self {
        // The cluster removes it when it stops.
        let directory = tempfile::Builder::new().prefix("rs-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep();
        let owner = std::process::id().to_string();
        let printed = run(Command::new(path("up")).args(["--until-end-of", &owner]).arg(&directory));
        let node = printed.lines().find_map(|line| line.strip_prefix("NODE=")).expect("`up` names the node").to_owned();
        run(Command::new(path("addons")).arg(&directory));
        Self::Own { directory, node }
    }

    /// Stops it; if that fails, it stops with the test program.
    pub(crate) fn down(&self) {
        let _ = self.script("down").status();
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// Moves the calling thread and its later processes into the node's network.
    pub(crate) fn enter(&self) {
        if let Self::Own { node, .. } = self {
            let network = File::open(format!("/proc/{node}/ns/net")).expect("the cluster is running");
            setns(&network, CloneFlags::CLONE_NEWNET).expect("tests with a cluster run as root");
        }
    }

    /// Removes all objects of tests.
    pub(crate) fn wipe(&self) {
        // Volumes are removed only while the provisioner runs.
        self.run("provisioner", &["start"]);
        self.kubectl(&format!("delete namespace {NAMESPACES} --ignore-not-found --timeout=300s"));
        self.kubectl(&format!("delete clusterrole,clusterrolebinding {OF_READSCOPE}"));
        wait_until("the volumes to go", crate::WITHIN, || self.kubectl("get persistentvolumes -o name").is_empty());
    }

    /// Removes readscope, its permissions and its Events.
    pub(crate) fn remove_readscope(&self) {
        self.kubectl("delete namespace readscope shop --ignore-not-found --timeout=300s");
        self.kubectl(&format!("delete clusterrole,clusterrolebinding {OF_READSCOPE}"));
        self.kubectl(&format!("-n mysql delete role,rolebinding {OF_READSCOPE}"));
        self.kubectl("-n mysql delete events --all");
    }

    /// A kubeconfig of its administrator.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Own { directory, .. } => directory.join("kubeconfig"),
            Self::Given { kubeconfig } => kubeconfig.clone(),
        }
    }

    /// The output of kubectl as administrator; panics if kubectl fails. Arguments are separated by spaces.
    pub(crate) fn kubectl(&self, words: &str) -> String {
        run(self.call().args(words.split_whitespace()))
    }

    /// As [`kubectl`](Self::kubectl), with the error of kubectl if it fails.
    pub(crate) fn try_kubectl(&self, words: &str) -> Result<String, String> {
        self.try_kubectl_words(words.split_whitespace())
    }

    /// As [`try_kubectl`](Self::try_kubectl), with arguments that may contain spaces.
    pub(crate) fn try_kubectl_words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String, String> {
        try_run(self.call().args(words))
    }

    /// As [`kubectl`](Self::kubectl), with a standard input.
    pub(crate) fn kubectl_reads(&self, words: &str, input: &str) -> String {
        run_reading(self.call().args(words.split_whitespace()), input)
    }

    /// A call of kubectl as its administrator.
    pub(crate) fn call(&self) -> Command {
        match self {
            Self::Own { .. } => self.script("kubectl"),
            Self::Given { kubeconfig } => {
                let mut command = mortal("kubectl");
                command.env("KUBECONFIG", kubeconfig);
                command
            }
        }
    }

    /// The output of a shell command in which `kubectl` is the administrator's; panics if the command fails.
    pub(crate) fn shell(&self, line: &str) -> String {
        let (script, directory) = (path("kubectl"), self.directory().display());
        let kubectl = format!("kubectl() {{ '{}' '{directory}' \"$@\"; }}", script.display());
        run(Command::new("bash").args(["-c", &format!("set -o pipefail; {kubectl}; {line}")]))
    }

    /// Runs a script of `tests/cluster` on this cluster, and returns its output.
    pub(crate) fn run(&self, script: &str, words: &[&str]) -> String {
        run(self.script(script).args(words))
    }

    /// A call of a script of `tests/cluster` on this cluster.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = mortal(path(name).to_str().expect("the path is text"));
        command.arg(self.directory()).current_dir(repository());
        command
    }

    /// Gives the node an image.
    pub(crate) fn import(&self, archive: &Path) {
        run(self.script("inside").args(["ctr", "--namespace", "k8s.io", "images", "import"]).arg(archive));
    }

    /// A program in the cluster, with the cluster's DNS.
    pub(crate) fn inside(&self, program: &str) -> Command {
        match self {
            Self::Own { .. } => {
                let mut command = self.script("enter");
                command.arg(program);
                command
            }
            Self::Given { .. } => mortal(program),
        }
    }

    /// The share of new connections to a Service by address, from kube-proxy's own rules.
    pub(crate) fn shares(&self, service: &str) -> BTreeMap<String, f64> {
        let share = |line: &str| {
            let (address, share) = line.split_once(' ').expect("an address and its share");
            let (address, _) = address.rsplit_once(':').expect("an address and its port");
            (address.to_owned(), share.parse().expect("a share"))
        };
        self.run("rules", &["shares", service]).lines().map(share).collect()
    }

    fn directory(&self) -> &Path {
        let Self::Own { directory, .. } = self else { panic!("the scripts are for the tests' own clusters") };
        directory
    }
}

/// Where the repository is.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn path(script: &str) -> PathBuf {
    repository().join("tests/cluster").join(script)
}
