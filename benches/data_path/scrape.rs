//! What a scrape costs: rendering a snapshot as text, and packing it as the web server does.

use std::{
    io::BufWriter,
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use readscope::{
    clock::Clock,
    model::{Answer, Event, Expectation, Identity, Probe, Snapshot, State, TargetId, TargetSpec, Timings},
    view::metrics::Exposition,
};

use crate::cpu::quantile;

const REPLICAS: u32 = 3;
const ANSWERS_OF_EACH: u32 = 20;

/// Every rendering is measured so often; the median counts.
const TIMES: usize = 31;

const TAKES: &str = "memory takes what is written";

/// One snapshot, rendered again and again.
pub(crate) struct Scrape {
    /// Seconds to render, and to render and pack.
    pub(crate) plain: f64,
    pub(crate) gzip: f64,
    pub(crate) plain_bytes: usize,
    pub(crate) gzip_bytes: usize,
}

/// Measures with so many targets of three replicas each.
pub(crate) fn scrape(targets: u32) -> Scrape {
    let snapshot = snapshot(targets);
    let exposition = Exposition::default();
    let plain = || {
        let mut text = Vec::new();
        exposition.write(&snapshot, &mut text).expect(TAKES);
        text
    };
    let gzip = || {
        let mut gzip = BufWriter::with_capacity(64 * 1024, GzEncoder::new(Vec::new(), Compression::fast()));
        exposition.write(&snapshot, &mut gzip).expect(TAKES);
        gzip.into_inner().expect(TAKES).finish().expect(TAKES)
    };
    // In turns, so that a slower moment of the machine is one of both.
    let times: Vec<(f64, f64)> = (0..TIMES).map(|_| (seconds(plain), seconds(gzip))).collect();
    Scrape {
        plain: quantile(times.iter().map(|(plain, _)| *plain), 2),
        gzip: quantile(times.iter().map(|(_, gzip)| *gzip), 2),
        plain_bytes: plain().len(),
        gzip_bytes: gzip().len(),
    }
}

fn seconds(work: impl Fn() -> Vec<u8>) -> f64 {
    let started = Instant::now();
    std::hint::black_box(work());
    started.elapsed().as_secs_f64()
}

fn snapshot(targets: u32) -> Snapshot {
    let clock = Clock::start();
    let spec = |target| TargetSpec::regular(&format!("team-{target}/mysql-read"), Expectation::Seen);
    let mut state = State::new((0..targets).map(|target| (TargetId(target), spec(target))), Vec::new());
    for target in 0..targets {
        for number in 0..REPLICAS * ANSWERS_OF_EACH {
            let now = clock.now();
            let outcome = Ok(answer(target, number));
            let probe = Probe { sequence: number.into(), started: now, finished: now, outcome };
            state.apply(Event::Probed { target: TargetId(target), probe: Box::new(probe), late: Duration::ZERO }, now);
        }
    }
    state.snapshot(clock.now())
}

fn answer(target: u32, number: u32) -> Answer {
    let ordinal = number % REPLICAS;
    let phase = Duration::from_micros((100 + 37 * number).into());
    Answer {
        identity: Identity {
            server_id: 100 + ordinal,
            server_uuid: Some(format!("{target:08x}-0000-4000-8000-{ordinal:012}")),
            host_name: format!("mysql-{ordinal}"),
            read_only: ordinal > 0,
            version: "9.7.0".to_owned(),
            server_time: None,
            gtid_executed: Some(format!("{target:08x}-0000-4000-8000-{ordinal:012}:1-5")),
        },
        timings: Timings { resolve: phase / 10, login: phase, query: phase / 2, total: 2 * phase },
        address: ([127, 0, 0, 1], 3306).into(),
        status: None,
    }
}
