//! The set-up of most tests: a read Service with replicated MySQL servers, in the test's own namespace.

use std::{fs, io::Write as _, path::Path, time::Duration};

use tempfile::NamedTempFile;

use crate::{
    balancer::{READ_ADDRESS, route_to},
    mysql::{Fleet, Mysql, PASSWORD},
    namespace::Namespace,
    readscope::Call,
    support::{
        exporter::{Exporter, Metrics},
        waiting::wait_until,
    },
};

/// A probe ends with its timeout, but the machine may be busy.
const WITHIN: Duration = Duration::from_secs(60);

/// The fleet is dropped before its namespace is left.
pub(crate) struct Service {
    pub(crate) fleet: Fleet,
    pub(crate) password: PasswordFile,
    _namespace: Namespace,
}

impl Service {
    pub(crate) fn of(size: usize) -> Self {
        Self::with_settings(size, &["skip-name-resolve=ON"])
    }

    /// With lines for the `my.cnf` of each server. The default resolves clients' names.
    pub(crate) fn with_settings(size: usize, settings: &[&str]) -> Self {
        let namespace = Namespace::enter();
        let fleet = Fleet::start(size, settings);
        route_to(&fleet.addresses());
        Self { fleet, password: PasswordFile::new(PASSWORD), _namespace: namespace }
    }

    /// A call of readscope for this service, without TLS.
    pub(crate) fn call(&self) -> Call {
        self.password.call(READ_ADDRESS).with(&["--tls", "disabled"])
    }
}

/// Blocks further probes, and returns the metrics with the last read.
pub(crate) fn cut_off(probe: &mut Exporter) -> Metrics {
    route_to(&[]);
    wait_until("the last probe that reached a server", WITHIN, || open_connections() == 0);
    // Refused probes from here on are counted after that probe.
    let cut = probe.metrics().failures("refused");
    probe.wait_for("refused probes", |now| now.failures("refused") >= cut + 20)
}

/// Number of connections through the balancer in this namespace.
fn open_connections() -> usize {
    let (to_the_service, established) = ("0101007F:0CEA", "01");
    let connections = fs::read_to_string("/proc/thread-self/net/tcp").expect("/proc is mounted");
    let is_open = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next() == Some(to_the_service) && fields.next() == Some(established)
    };
    connections.lines().filter(is_open).count()
}

/// The probe's password in a file.
pub(crate) struct PasswordFile(NamedTempFile);

impl PasswordFile {
    pub(crate) fn new(password: &str) -> Self {
        let mut file = NamedTempFile::new().expect("a temporary file can be made");
        writeln!(file, "{password}").expect("a temporary file can be written");
        Self(file)
    }

    /// Replaces the file at once, as Kubernetes does with a Secret.
    pub(crate) fn replace(&self, password: &str) {
        let new = Self::new(password);
        fs::rename(new.path(), self.path()).expect("both are in the directory for temporary files");
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A call of readscope with this password.
    pub(crate) fn call(&self, address: &str) -> Call {
        let path = self.path().display().to_string();
        Call::new(&["--address", address, "--password-file", &path])
    }
}

/// The counts of readscope and of the server for the same replica. They should be equal.
pub(crate) fn both_counts(metrics: &Metrics, server: &Mysql) -> (u64, u64) {
    (metrics.reads_of(&server.replica()), server.logins())
}

/// Asserts that a count is within six standard deviations of its expectation. Chance fails once in half a billion tests.
pub(crate) fn assert_share(count: u64, total: u64, share: f64, what: &str) {
    #[allow(clippy::cast_precision_loss, reason = "counts of a test are far below 2^52")]
    let (count, total) = (count as f64, total as f64);
    let deviation = (total * share * (1.0 - share)).sqrt();
    assert!(
        (count - total * share).abs() <= 6.0 * deviation + 1.0,
        "{what}: {count} of {total} is no share of {share:.3}"
    );
}
