//! The cluster: brought up once for all tests, which take turns in it. It goes down when the tests end, however they end.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use nix::sched::{CloneFlags, setns};

use crate::program::{mortal, run};

/// Where the pods, the Services and the API server of a cluster are reached.
pub(crate) enum Cluster {
    /// A node of the tests' own, in its folder.
    Own { directory: PathBuf, node: String },
    /// The one that `KUBECONFIG` names; the tests have to run where its Services are reached and their names are known.
    Given { kubeconfig: PathBuf },
}

/// A test's turn. Its thread is in the network of the node until this is dropped, and so is what it starts.
pub(crate) struct Turn {
    pub(crate) cluster: &'static Cluster,
    outside: File,
    _mine: MutexGuard<'static, ()>,
}

static OWN: OnceLock<Cluster> = OnceLock::new();
static GIVEN: OnceLock<Option<Cluster>> = OnceLock::new();
static TURNS: Mutex<()> = Mutex::new(());

impl Turn {
    /// A turn in the cluster that `KUBECONFIG` names, or else in the tests' own.
    pub(crate) fn anywhere() -> Self {
        let given = || Some(Cluster::Given { kubeconfig: std::env::var_os("KUBECONFIG")?.into() });
        Self::take(|| GIVEN.get_or_init(given).as_ref().unwrap_or_else(own))
    }

    /// A turn in the tests' own cluster.
    pub(crate) fn own() -> Self {
        Self::take(own)
    }

    fn take(cluster: impl FnOnce() -> &'static Cluster) -> Self {
        // A test that failed has left the cluster as it was; each test begins by making it right.
        let turn = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
        let outside = File::open("/proc/thread-self/ns/net").unwrap();
        let cluster = cluster();
        if let Cluster::Own { node, .. } = cluster {
            let network = File::open(format!("/proc/{node}/ns/net")).expect("the cluster is running");
            setns(&network, CloneFlags::CLONE_NEWNET).expect("tests with a cluster run as root");
        }
        Self { cluster, outside, _mine: turn }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = setns(&self.outside, CloneFlags::CLONE_NEWNET);
    }
}

fn own() -> &'static Cluster {
    OWN.get_or_init(|| {
        // A short path, because containerd's sockets are below it; the cluster removes it when it goes down.
        let directory = tempfile::Builder::new().prefix("rs-").tempdir_in("/tmp").unwrap().keep();
        let owner = std::process::id().to_string();
        let told = run(Command::new(script("up")).args(["--until-end-of", &owner]).arg(&directory));
        let node = told.lines().find_map(|line| line.strip_prefix("NODE=")).expect("`up` names the node").to_owned();
        run(Command::new(script("addons")).arg(&directory));
        Cluster::Own { directory, node }
    })
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster").join(name)
}

impl Cluster {
    /// A kubeconfig of its administrator.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Own { directory, .. } => directory.join("kubeconfig"),
            Self::Given { kubeconfig } => kubeconfig.clone(),
        }
    }

    /// A call of kubectl as its administrator.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Own { .. } => self.script("kubectl", &[]),
            Self::Given { kubeconfig } => {
                let mut command = mortal("kubectl");
                command.env("KUBECONFIG", kubeconfig);
                command
            }
        };
        command.args(arguments);
        command
    }

    /// A program in the cluster, which finds the cluster's names.
    pub(crate) fn inside(&self, program: &str) -> Command {
        match self {
            Self::Own { .. } => self.script("enter", &[program]),
            Self::Given { .. } => mortal(program),
        }
    }

    /// A call of one of the scripts in `tests/cluster`.
    pub(crate) fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let Self::Own { directory, .. } = self else {
            panic!("tests/cluster/{name} is for the tests' own cluster");
        };
        let path = script(name);
        let mut command = mortal(path.to_str().expect("the path is text"));
        command.arg(directory).args(arguments);
        command
    }

    /// Which part of new connections to a Service each address gets, by kube-proxy's own rules.
    pub(crate) fn shares(&self, service: &str) -> BTreeMap<String, f64> {
        let told = run(&mut self.script("rules", &["shares", service]));
        let share = |line: &str| {
            let (address, share) = line.split_once(' ').expect("an address and its share");
            let (address, _) = address.rsplit_once(':').expect("an address and its port");
            (address.to_owned(), share.parse().expect("a share"))
        };
        told.lines().map(share).collect()
    }
}
