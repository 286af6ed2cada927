//! A cluster of one node, for one test.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

/// A running cluster with DNS and storage; it goes down when it is dropped, or with the test program.
pub(crate) struct Cluster {
    directory: TempDir,
}

impl Cluster {
    /// Brings one up.
    pub(crate) fn start() -> Self {
        let cluster = Self { directory: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() };
        let process = std::process::id().to_string();
        text(Self::script("up", &["--until-end-of", &process]).arg(cluster.directory.path()));
        text(&mut cluster.on("addons"));
        cluster
    }

    /// What kubectl prints as cluster-admin; panics when it fails. Words are separated by spaces.
    pub(crate) fn kubectl(&self, words: &str) -> String {
        self.try_kubectl(words).unwrap_or_else(|error| panic!("kubectl {words}: {error}"))
    }

    /// What kubectl prints, or what it says when it fails.
    pub(crate) fn try_kubectl(&self, words: &str) -> Result<String, String> {
        self.try_kubectl_words(words.split_whitespace())
    }

    /// As [`try_kubectl`](Self::try_kubectl), of words that may have spaces in them.
    pub(crate) fn try_kubectl_words<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String, String> {
        outcome(&self.on("kubectl").args(words).output().unwrap())
    }

    /// As [`kubectl`](Self::kubectl), with this for its standard input.
    pub(crate) fn kubectl_reads(&self, words: &str, input: &str) -> String {
        let mut command = self.on("kubectl");
        command.args(words.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        outcome(&child.wait_with_output().unwrap()).unwrap_or_else(|error| panic!("kubectl {words}: {error}"))
    }

    /// What a shell prints for a line in which `kubectl` is cluster-admin's; panics when it fails.
    pub(crate) fn shell(&self, line: &str) -> String {
        let script = repository().join("tests/cluster/kubectl");
        let kubectl = format!("kubectl() {{ '{}' '{}' \"$@\"; }}", script.display(), self.directory.path().display());
        text(Command::new("bash").args(["-c", &format!("set -o pipefail; {kubectl}; {line}")]).stdin(Stdio::null()))
    }

    /// Runs a script of `tests/cluster` on this cluster.
    pub(crate) fn run(&self, script: &str, words: &[&str]) {
        text(self.on(script).args(words));
    }

    /// Gives the node an image.
    pub(crate) fn import(&self, archive: &Path) {
        text(self.on("inside").args(["ctr", "--namespace", "k8s.io", "images", "import"]).arg(archive));
    }

    /// A program of this machine in the node's network, which finds the cluster's names.
    pub(crate) fn inside(&self, program: &str) -> Command {
        let mut command = self.on("enter");
        command.arg(program);
        command
    }

    /// What this gives in the node's network.
    pub(crate) fn within<T>(&self, ask: impl FnOnce() -> T) -> T {
        let node = fs::read_to_string(self.directory.path().join("pid")).unwrap();
        let _outside = Outside(File::open("/proc/thread-self/ns/net").unwrap());
        let network = File::open(format!("/proc/{}/ns/net", node.trim())).unwrap();
        setns(&network, CloneFlags::CLONE_NEWNET).unwrap();
        ask()
    }

    /// A script of `tests/cluster`, on this cluster.
    fn on(&self, script: &str) -> Command {
        let mut command = Self::script(script, &[]);
        command.arg(self.directory.path());
        command
    }

    fn script(name: &str, options: &[&str]) -> Command {
        let mut command = Command::new(repository().join("tests/cluster").join(name));
        command.args(options).current_dir(repository()).stdin(Stdio::null());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Whatever the test came to, nothing of the cluster may be left; a failure of this is told by its own output.
        let _ = self.on("down").status();
    }
}

/// Where the thread goes back to.
struct Outside(File);

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = setns(&self.0, CloneFlags::CLONE_NEWNET);
    }
}

/// Where the repository is.
pub(crate) fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a command prints; panics when it fails.
pub(crate) fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    outcome(&output).unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn outcome(output: &Output) -> Result<String, String> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
    }
}
