//! A million probes of a real cluster, with scale events, reloads, scrapes and open pages throughout. Prints what the process
//! holds, and how that grows.

#![expect(clippy::cast_precision_loss, reason = "counts of a test")]

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use crate::{
    lab::Lab,
    support::{
        exporter::Metrics,
        http,
        waiting::{wait_for, wait_until},
    },
};

/// `READSCOPE_SOAK_PROBES` sets another number.
const PROBES: u64 = 1_000_000;

/// A thousand probes a second take a quarter of an hour, on a machine that has time for them.
const WITHIN: Duration = Duration::from_secs(4 * 3600);

/// The last one comes and goes, and its probes are not counted.
const SERVICES: [&str; 4] = ["soak-0", "soak-1", "soak-2", "comes-and-goes"];
const PAGES: usize = 8;

/// The memory limit of `deploy/`.
const MEMORY_BYTES: f64 = 128.0 * 1024.0 * 1024.0;

/// What the process holds after so many probes.
struct Held {
    probes: f64,
    memory: f64,
    files: f64,
    threads: f64,
    series: f64,
}

impl Held {
    fn of(metrics: &Metrics) -> Self {
        let value = |name: &str| -> f64 {
            let text = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
            text.parse().unwrap()
        };
        Self {
            probes: probes(metrics) as f64,
            memory: value("process_resident_memory_bytes"),
            files: value("process_open_fds"),
            threads: value("process_threads"),
            series: metrics.text().lines().filter(|line| !line.starts_with('#')).count() as f64,
        }
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probes, memory, files, threads, series } = self;
        write!(f, "{probes:9} probes {:6.1} MB {files:4} files {threads:3} threads {series:5} series", memory / 1e6)
    }
}

/// Growth in a million probes, by least squares.
fn growth(all: &[Held], of: fn(&Held) -> f64) -> f64 {
    let mean = |value: &dyn Fn(&Held) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
    let (at, value) = (mean(&|held| held.probes), mean(&|held| of(held)));
    let covariance = mean(&|held| (held.probes - at) * (of(held) - value));
    covariance / mean(&|held| (held.probes - at).powi(2)) * 1e6
}

fn probes(metrics: &Metrics) -> u64 {
    metrics.sum("readscope_probes_total", "target=\"mysql/soak-")
}

fn write(file: &Path, services: &[&str]) {
    let targets: Vec<_> = services.iter().map(|name| format!("  - service: mysql/{name}\n")).collect();
    let next = file.with_extension("next");
    std::fs::write(&next, format!("defaults: {{interval: 4ms, timeout: 20s}}\ntargets:\n{}", targets.concat()))
        .unwrap();
    std::fs::rename(next, file).unwrap();
}

/// Opens the page's stream of events again and again.
fn watch(address: SocketAddr, over: &AtomicBool) {
    while !over.load(Relaxed) {
        let mut stream = http::connect(address);
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let (opened, mut bytes) = (Instant::now(), [0; 8192]);
        while opened.elapsed() < Duration::from_secs(20) && !over.load(Relaxed) {
            assert!(stream.read(&mut bytes).unwrap() > 0, "the stream ends");
        }
    }
}

/// Ends the other threads, also when the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn a_million_probes_leave_nothing_behind() {
    let goal = std::env::var("READSCOPE_SOAK_PROBES").map_or(PROBES, |number| number.parse().unwrap());
    let lab = Lab::own();
    let service = |name: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: mysql}}, \
             spec: {{selector: {{app: mysql}}, ports: [{{port: 3306}}]}}}}\n"
        )
    };
    lab.apply(&SERVICES.map(service).join("---\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("readscope.yaml");
    write(&file, &SERVICES);
    let mut probe = lab.readscope_of(&file);
    probe.scrape_until("reads of every target", |now| {
        SERVICES.iter().all(|name| now.sum("readscope_reads_total", &format!("target=\"mysql/{name}\"")) > 0)
    });

    let (over, address) = (AtomicBool::new(false), probe.address);
    let mut all: Vec<Held> = Vec::new();
    let (mut reloads, began) = (0, Instant::now());
    let last = thread::scope(|scope| {
        for _ in 0..PAGES {
            scope.spawn(|| watch(address, &over));
        }
        let scaling = scope.spawn(|| {
            let mut events = 0;
            while !over.load(Relaxed) {
                lab.scale(if events % 2 == 0 { 4 } else { 3 });
                lab.settle();
                events += 1;
            }
            events
        });
        let end = End(&over);
        let last = wait_for("the probes", WITHIN, || {
            let now = probe.metrics();
            let compressed = http::request(address, "GET", "/metrics", "Accept-Encoding: gzip\r\n");
            assert_eq!(compressed.header("content-encoding"), Some("gzip"));
            let held = Held::of(&now);
            if all.last().is_none_or(|last| held.probes >= last.probes + goal as f64 / 20.0) {
                eprintln!("{held}");
                all.push(held);
                reloads += 1;
                write(&file, &SERVICES[..4 - reloads % 2]);
                wait_until("the reload", Duration::from_secs(60), || {
                    probe.program.logged(&["configuration reloaded"]) == reloads
                });
            }
            thread::sleep(Duration::from_secs(1));
            (probes(&now) >= goal || !probe.program.is_running()).then_some(now)
        });
        drop(end);
        eprintln!("{} scale events, {reloads} reloads, {:.0?}", scaling.join().unwrap(), began.elapsed());
        last
    });
    assert!(probe.program.is_running(), "it ends: {:#?}", probe.program.log());
    let (early, late) = all.split_at(all.len() / 2);
    for (name, of) in [
        ("bytes", (|held| held.memory) as fn(&Held) -> f64),
        ("files", |held| held.files),
        ("threads", |held| held.threads),
        ("series", |held| held.series),
    ] {
        eprintln!("growth in a million probes: {:.1} {name}", growth(late, of));
    }
    let most = |part: &[Held], of: fn(&Held) -> f64| part.iter().map(of).fold(0.0, f64::max);
    assert!(most(&all, |held| held.memory) < MEMORY_BYTES);
    assert!(most(&all, |held| held.threads) < 32.0);
    // Connections in flight, watches and streams.
    assert!(most(&all, |held| held.files) < 32.0 * 5.0 + 50.0);
    assert!(most(late, |held| held.series) <= most(early, |held| held.series));
    // Those that reach a replica which stops.
    assert!(last.all_failures() * 1000 < probes(&last), "{} failures", last.all_failures());
    assert_eq!(probe.program.logged(&["panicked"]), 0);
    lab.scale(3);
    lab.kubectl(&format!("-n mysql delete service {}", SERVICES.join(" ")));
}
