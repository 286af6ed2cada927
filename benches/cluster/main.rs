//! What it costs to know a large namespace, and how late first reads are reported: one table, nothing asserted.
//!
//! The program as it is shipped watches an API server that tells of 5,000 pods and PVCs; what the process occupies with
//! them and without them is what they take, in the model, in the watches and in what the allocator keeps.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod api_server;
mod first_read;
mod objects;
mod process;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use api_server::ApiServer;
use objects::Amount;
use support::{exporter::Exporter, program::readscope, waiting::wait_until};

/// Of each kind.
const MANY: usize = 5000;

/// A line of the table: what, what it came to, what is wanted.
type Row = [String; 3];

fn main() -> io::Result<()> {
    // `cargo test --benches` calls benchmarks without it, and wants to know only that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let mut rows = vec![["what", "measured", "wanted"].map(str::to_owned)];
    rows.extend(memory()?);
    rows.push(processor()?);
    rows.extend(lateness());
    io::stdout().write_all(table(&rows).as_bytes())
}

fn progress(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{what} ...")
}

/// What each pod and each PVC occupies.
fn memory() -> io::Result<Vec<Row>> {
    progress("memory")?;
    let occupied = |pods, pvcs| -> io::Result<u64> { Ok(Watching::start(Amount { pods, pvcs })?.occupied()) };
    let without = occupied(0, 0)?;
    let row = |what: &str, with: u64, wanted: &str| {
        let each = with.saturating_sub(without) / MANY as u64;
        [format!("resident bytes a {what}, of {MANY}"), each.to_string(), wanted.to_owned()]
    };
    let pods = row("pod", occupied(MANY, 0)?, "<= 4096");
    let pvcs = row("pvc", occupied(0, MANY)?, "<= 2048");
    let both = row("pod with its pvc", occupied(MANY, MANY)?, "<= 6144");
    Ok(vec![pods, pvcs, both, ["resident without them".to_owned(), format!("{} kB", without / 1000), String::new()]])
}

/// What a hundred events a second take of a processor.
fn processor() -> io::Result<Row> {
    const LASTING: Duration = Duration::from_secs(10);
    progress("processor time")?;
    let watching = Watching::start(Amount { pods: MANY, pvcs: MANY })?;
    let used = |busy| {
        watching.server.be_busy(busy);
        let before = watching.seconds();
        std::thread::sleep(LASTING);
        (watching.seconds() - before) / LASTING.as_secs_f64()
    };
    let (idle, busy) = (used(false), used(true));
    let measured = format!("{:.1} % of a core ({:.1} % without)", 100.0 * busy, 100.0 * idle);
    Ok(["100 events a second about pods".to_owned(), measured, "<= 3 %".to_owned()])
}

/// How late first reads are reported.
fn lateness() -> [Row; 2] {
    let mut late = first_read::first_reads(1000);
    late.sort_by(|a, b| (a.seconds / a.bound).total_cmp(&(b.seconds / b.bound)));
    let parts = late[989].seconds / late[989].bound;
    late.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let [middle, last] = [499, 989].map(|index| format!("{:.0} ms", 1000.0 * late[index].seconds));
    [
        ["first read by its bound, p99 of 1000 simulated".to_owned(), format!("{parts:.2}"), "<= 1".to_owned()],
        ["first read after the rules, p50 and p99".to_owned(), format!("{middle}, {last}"), String::new()],
    ]
}

/// A readscope that watches an API server.
struct Watching {
    server: ApiServer,
    exporter: Exporter,
    _folder: tempfile::TempDir,
}

impl Watching {
    /// Returns when everything was listed.
    fn start(amount: Amount) -> io::Result<Self> {
        let server = ApiServer::start(amount)?;
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("kubeconfig");
        let clusters = format!("clusters: [{{name: c, cluster: {{server: \"http://{}\"}}}}]", server.address);
        let rest = "users: [{name: u, user: {}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]";
        std::fs::write(&path, format!("apiVersion: v1\nkind: Config\n{clusters}\n{rest}\ncurrent-context: x\n"))?;
        // Nobody answers there, and nobody is asked again.
        let options = ["run", "--service", "mysql/mysql-read", "--address", "127.0.0.1:9", "--interval", "1h"];
        let quiet = ["--burst-interval", "0", "--pod-probe-interval", "0", "--web.listen-address", "127.0.0.1:0"];
        let exporter = Exporter::start(readscope(&options).args(quiet).env("KUBECONFIG", &path));
        let watches = || exporter.metrics().sum("readscope_kube_watch_up", "");
        wait_until("every list", Duration::from_secs(120), || watches() == 8);
        Ok(Self { server, exporter, _folder: folder })
    }

    /// Bytes of memory that it occupies, once that does not grow any more.
    fn occupied(&self) -> u64 {
        let mut before = 0;
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = self.resident();
            if now <= before {
                return now;
            }
            before = now;
        }
    }

    fn resident(&self) -> u64 {
        process::resident(self.exporter.program.id()) as u64
    }

    /// Seconds of processor time so far.
    fn seconds(&self) -> f64 {
        process::seconds(self.exporter.program.id())
    }
}

/// The rows, every column as wide as its widest cell.
fn table(rows: &[Row]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let [first, second] = [0, 1].map(width);
    let line = |[what, measured, wanted]: &Row| format!("{what:first$}  {measured:second$}  {wanted}");
    rows.iter().map(|row| line(row).trim_end().to_owned() + "\n").collect()
}
