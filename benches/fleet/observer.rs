//! The program as it is shipped, with as many targets as there are read Services.

use std::{
    collections::BTreeMap,
    fs, io,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    process,
    servers::ReadServices,
    support::{
        exporter::{Exporter, Metrics},
        http,
        program::readscope,
        waiting::wait_until,
    },
};

/// Long enough for every target to have its first answers, on a busy machine.
const SOON: Duration = Duration::from_secs(120);

/// A readscope and what it observes.
pub(crate) struct Observer {
    pub(crate) services: ReadServices,
    exporter: Exporter,
    file: PathBuf,
    interval: Duration,
    /// The target of this number has another interval.
    changed: Option<usize>,
    _folder: TempDir,
}

/// What a time of probing took.
pub(crate) struct Taken {
    /// The part of one processor.
    pub(crate) processor: f64,
    /// Processor time of each probe, in seconds.
    pub(crate) each: f64,
    /// Of 100 probes 99 started so soon after their time, in seconds.
    pub(crate) delay: f64,
}

/// A scrape over HTTP.
pub(crate) struct Scraped {
    pub(crate) seconds: f64,
    pub(crate) bytes: usize,
}

impl Observer {
    /// Returns when every target has an answer of some replicas.
    pub(crate) fn start(targets: usize, interval: Duration) -> io::Result<Self> {
        let services = ReadServices::start(targets)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("readscope.yaml");
        fs::write(&file, configuration(&services.ports, interval, None))?;
        let arguments = ["run", "--config.file", file.to_str().unwrap(), "--web.listen-address", "127.0.0.1:0"];
        let exporter = Exporter::start(readscope(&arguments).arg("--web.enable-lifecycle"));
        let observer = Self { services, exporter, file, interval, changed: None, _folder: folder };
        let least = || observer.probes().into_values().min().unwrap_or_default();
        wait_until("probes of every target", SOON, || least() >= 5);
        Ok(observer)
    }

    /// Lets it probe for a time.
    pub(crate) fn probe(&self, lasting: Duration) -> Taken {
        let (before, used) = (self.exporter.metrics(), self.processor());
        let began = Instant::now();
        sleep(lasting);
        let (used, lasted) = (self.processor() - used, began.elapsed());
        let after = self.exporter.metrics();
        let probes = |metrics: &Metrics| metrics.sum("readscope_probes_total", "");
        #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
        let taken = (probes(&after) - probes(&before)) as f64;
        Taken {
            processor: used / lasted.as_secs_f64(),
            each: used / taken,
            delay: quantile_between(&delays(&before), &delays(&after), 0.99),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.exporter.address
    }

    pub(crate) fn resident(&self) -> usize {
        process::resident(self.exporter.program.id())
    }

    pub(crate) fn peak(&self) -> usize {
        process::peak(self.exporter.program.id())
    }

    pub(crate) fn series(&self) -> usize {
        self.exporter.metrics().text().lines().filter(|line| !line.starts_with('#')).count()
    }

    /// Scrapes so often, as Prometheus does, and returns the time of each.
    pub(crate) fn scrapes(&self, times: usize, encoding: &str) -> io::Result<Vec<Scraped>> {
        let scrape = |_| {
            let mut answer = BufReader::new(TcpStream::connect(self.exporter.address)?);
            let head = format!("Host: here\r\nConnection: close\r\nAccept-Encoding: {encoding}\r\n");
            let started = Instant::now();
            answer.get_mut().write_all(format!("GET /metrics HTTP/1.1\r\n{head}\r\n").as_bytes())?;
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                answer.read_line(&mut line)?;
            }
            let mut body = Vec::new();
            answer.read_to_end(&mut body)?;
            Ok(Scraped { seconds: started.elapsed().as_secs_f64(), bytes: body.len() })
        };
        (0..times).map(scrape).collect()
    }

    /// Changes one target in the file and has that loaded; the seconds until it is in force.
    pub(crate) fn reload(&mut self, changed: usize) -> io::Result<f64> {
        self.changed = Some(changed);
        let next = self.file.with_extension("next");
        fs::write(&next, configuration(&self.services.ports, self.interval, self.changed))?;
        fs::rename(next, &self.file)?;
        let began = Instant::now();
        let loaded = http::request(self.exporter.address, "POST", "/-/reload", "");
        assert_eq!(loaded.status, 200, "{loaded:?}");
        Ok(began.elapsed().as_secs_f64())
    }

    /// How many probes were not taken, failed, or were taken and not counted, of those targets that never changed.
    pub(crate) fn lost(&mut self, changed: &[usize]) -> io::Result<u64> {
        let metrics = self.exporter.metrics();
        let probes = self.probes();
        let connections = self.services.connections()?;
        let kept = connections.iter().enumerate().filter(|(target, _)| !changed.contains(target));
        // One may be under way, or over and not shown yet.
        let uncounted = |(target, connections): (usize, &u64)| (connections - probes[&target]).saturating_sub(1);
        let sum = |name| metrics.sum(name, "");
        Ok(sum("readscope_probes_skipped_total")
            + sum("readscope_probe_failures_total")
            + kept.map(uncounted).sum::<u64>())
    }

    /// Seconds of processor time.
    fn processor(&self) -> f64 {
        process::seconds(self.exporter.program.id())
    }

    /// By the number of the target.
    fn probes(&self) -> BTreeMap<usize, u64> {
        let metrics = self.exporter.metrics();
        let number = |labels: &str| labels.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        metrics.series("readscope_probes_total").map(|(labels, probes)| (number(labels), probes)).collect()
    }
}

fn configuration(ports: &[u16], interval: Duration, changed: Option<usize>) -> String {
    let target = |(number, port): (usize, &u16)| {
        let name = format!("  - name: mysql-read/{number}\n    address: 127.0.0.1:{port}\n");
        if changed == Some(number) { name + "    timeout: 2900ms\n" } else { name }
    };
    let targets: String = ports.iter().enumerate().map(target).collect();
    format!("defaults: {{tls: {{mode: disabled}}, interval: {interval:?}}}\ntargets:\n{targets}")
}

/// How many probes started at most so late, in seconds; the last one counts all.
fn delays(metrics: &Metrics) -> Vec<(f64, u64)> {
    let bound = |labels: &str| labels.trim_start_matches("le=").trim_matches('"').parse::<f64>().unwrap();
    let buckets = metrics.series("readscope_probe_delay_seconds_bucket");
    buckets.map(|(labels, count)| (bound(&labels.replace("+Inf", "inf")), count)).collect()
}

/// The delay that the part `part` of what came between is at most, evenly spread within a bucket.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
fn quantile_between(before: &[(f64, u64)], after: &[(f64, u64)], part: f64) -> f64 {
    let buckets: Vec<(f64, f64)> =
        before.iter().zip(after).map(|(before, after)| (after.0, (after.1 - before.1) as f64)).collect();
    let wanted = part * buckets.last().unwrap().1;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if count >= wanted {
            return if bound.is_finite() {
                lower + (bound - lower) * (wanted - below) / (count - below)
            } else {
                lower
            };
        }
        (lower, below) = (bound, count);
    }
    lower
}
