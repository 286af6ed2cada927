//! A running `readscope run` with one target.

use std::{net::SocketAddr, process::Command, time::Duration};

use serde_json::Value;

use super::{
    http,
    program::{Program, readscope},
    waiting::{wait_for, wait_until},
};

/// Long enough for a busy machine; usually a second or two are enough.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Exporter {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

/// One scrape.
pub(crate) struct Metrics(String);

/// Many probes in little time, with a short timeout.
pub(crate) const QUICK: [&str; 6] = ["--tls", "disabled", "--interval", "10ms", "--timeout", "300ms"];

/// Many probes in little time, with a timeout that a busy machine does not reach.
pub(crate) const PATIENT: [&str; 6] = ["--tls", "disabled", "--interval", "10ms", "--timeout", "30s"];

/// The arguments of an exporter of `target` that listens at a free port, and further ones.
pub(crate) fn arguments(target: SocketAddr, further: &[&str]) -> Vec<String> {
    let target = target.to_string();
    // The servers of these tests answer one query.
    let usual = ["run", "--address", &target, "--web.listen-address", "127.0.0.1:0", "--clients-interval", "0"];
    usual.iter().chain(further).map(|&argument| argument.to_owned()).collect()
}

impl Exporter {
    /// Starts a [`QUICK`] exporter of `target`.
    pub(crate) fn of(target: SocketAddr) -> Self {
        Self::with(target, &QUICK)
    }

    /// Starts an exporter of `target` with further options.
    pub(crate) fn with(target: SocketAddr, further: &[&str]) -> Self {
        Self::start(readscope(&[]).args(arguments(target, further)))
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let mut program = Program::start(command);
        let address = wait_for("the program to listen", SOON, || {
            let address = program.log().iter().find_map(|line| listening_at(line));
            assert!(address.is_some() || program.is_running(), "it ends instead of listening: {:?}", program.log());
            address
        });
        Self { program, address }
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let answer = http::try_get(self.address, "/metrics");
        let answer = answer.unwrap_or_else(|error| panic!("no scrape ({error}): {:#?}", self.program.log()));
        assert_eq!(answer.status, 200, "{answer:?}");
        Metrics(answer.text())
    }

    /// Its one target, from the API.
    pub(crate) fn target(&self) -> Value {
        http::get(self.address, "/api/v1/targets").json()["targets"][0].clone()
    }

    /// Scrapes until the condition holds.
    pub(crate) fn wait_until(&mut self, what: &str, holds: impl Fn(&Metrics) -> bool) -> Metrics {
        wait_for(what, SOON, || {
            assert!(self.program.is_running(), "waiting for {what}, it ends: {:#?}", self.program.log());
            Some(self.metrics()).filter(&holds)
        })
    }

    pub(crate) fn wait_for_reads(&mut self, more: u64) -> Metrics {
        let before = self.metrics().reads();
        self.wait_until("reads", |metrics| metrics.reads() >= before + more)
    }

    pub(crate) fn wait_for_failures(&mut self, reason: &str, more: u64) -> Metrics {
        let before = self.metrics().failures(reason);
        self.wait_until(&format!("failures ({reason})"), |metrics| metrics.failures(reason) >= before + more)
    }

    /// Waits until the program has at most this many open files and sockets.
    pub(crate) fn wait_until_open_files(&self, at_most: usize) {
        wait_until("files and sockets to be closed", SOON, || self.program.open_files() <= at_most);
    }
}

impl Metrics {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The series of a metric whose values are whole: what is in the braces, and the value.
    pub(crate) fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.lines().filter_map(move |line| {
            let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
            Some((labels, value.parse().unwrap()))
        })
    }

    /// The sum of the series of a metric whose labels contain `label`.
    pub(crate) fn sum(&self, name: &str, label: &str) -> u64 {
        self.series(name).filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum()
    }

    pub(crate) fn reads(&self) -> u64 {
        self.sum("readscope_reads_total", "")
    }

    pub(crate) fn up(&self) -> u64 {
        self.sum("readscope_target_up", "")
    }

    pub(crate) fn failures(&self, reason: &str) -> u64 {
        self.sum("readscope_probe_failures_total", &format!("reason=\"{reason}\""))
    }

    pub(crate) fn all_failures(&self) -> u64 {
        self.sum("readscope_probe_failures_total", "")
    }
}

/// The address in the log line of the listener.
fn listening_at(line: &str) -> Option<SocketAddr> {
    let field = line.contains("listening for HTTP").then(|| line.split("address=").nth(1))??;
    field.split_whitespace().next()?.trim_matches('"').parse().ok()
}
