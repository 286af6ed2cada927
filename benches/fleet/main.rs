//! What a thousand targets with five replicas each cost in one process, whether each of them costs what one does, and what
//! a hundred open pages cost: one table of ratios, nothing asserted.
//!
//! The program as it is shipped probes read Services that are in another process, on loopback. The table goes to standard
//! output, progress to standard error.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../data_path/cpu.rs"]
mod cpu;
#[path = "../cluster/process.rs"]
mod process;
#[path = "../../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "other benchmarks use more of it")]
#[path = "../data_path/table.rs"]
mod table;

mod observer;
mod pages;
mod servers;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use cpu::quantile;
use observer::{Observer, Scraped};
use table::{Row, size, time};

const MANY: usize = 1000;

/// How long each number of targets is probed for the figures.
const LASTING: Duration = Duration::from_secs(30);

/// How often it is scraped, and its configuration loaded; the median counts.
const TIMES: usize = 21;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, argument, number] = &arguments[..]
        && argument == servers::ARGUMENT
    {
        return servers::serve(number.parse().unwrap());
    }
    // `cargo test --benches` calls benchmarks without it, and wants to know only that they start.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let mut rows = Vec::new();
    // As many probes a second of few targets as of many, as far as one target can be asked so often.
    let fewer = [(1, Duration::from_micros(2500)), (10, Duration::from_millis(10)), (100, Duration::from_millis(100))];
    let (mut one, mut hundred) = (None, None);
    for (targets, interval) in fewer {
        progress(&format!("{targets} targets"))?;
        let observer = Observer::start(targets, interval)?;
        let taken = observer.probe(LASTING);
        let each = *one.get_or_insert(taken.each);
        rows.push(cost(targets, taken.each, each));
        hundred = Some((median(&observer.scrapes(TIMES, "identity")?), observer.series()));
    }
    progress("open pages")?;
    let pages = pages::pages(LASTING)?;
    progress(&format!("{MANY} targets"))?;
    let mut observer = Observer::start(MANY, Duration::from_secs(1))?;
    let taken = observer.probe(LASTING);
    rows.push(cost(MANY, taken.each, one.unwrap()));
    let limit = |limit: f64, text: &str| (limit, text.to_owned());
    let percent = |part: f64| (part, format!("{:.1} % of a core", 100.0 * part));
    rows.push(Row::single("processor, 1,000 probes a second", percent(taken.processor), percent(0.45)).wanted("<= 1"));
    rows.push(Row::single("probes start late, p99", time(taken.delay), limit(0.02, "20 ms")).wanted("<= 1"));
    rows.extend(scraping(&observer, hundred.unwrap())?);
    rows.extend(reloading(&mut observer)?);
    rows.push(Row::single("memory in the end", size(observer.resident()), size(96_000_000)).wanted("<= 1"));
    rows.push(
        Row::single("most memory, of the limit of deploy/", size(observer.peak()), size(128 << 20)).wanted("<= 1"),
    );
    rows.extend(pages);
    io::stdout().write_all(table::table(&rows).as_bytes())
}

fn cost(targets: usize, each: f64, of_one: f64) -> Row {
    let with = (of_one, format!("{} (1 target)", time(of_one).1));
    Row::single(&format!("processor time a probe, targets: {targets}"), time(each), with).wanted("0.9-1.1")
}

#[expect(clippy::cast_precision_loss, reason = "no size comes near 2^52")]
fn scraping(observer: &Observer, (hundred, series_then): (f64, usize)) -> io::Result<[Row; 5]> {
    progress("scrapes")?;
    let (plain, gzip) = (observer.scrapes(TIMES, "identity")?, observer.scrapes(TIMES, "gzip")?);
    let (seconds, series) = (median(&plain), observer.series());
    let (bytes, packed) = (plain[0].bytes, gzip[0].bytes);
    let with = |(value, text): (f64, String), with: &str| (value, format!("{text} ({with})"));
    let (each, each_then) = (seconds / series as f64, hundred / series_then as f64);
    let limit = || (0.12, "120 ms".to_owned());
    Ok([
        Row::single(&format!("scrape, {series} series"), time(seconds), limit()).wanted("<= 1"),
        Row::single("scrape, gzip", time(median(&gzip)), limit()),
        Row::single("scrape's size, gzip", size(packed), with(size(bytes), "plain")),
        Row::single("scrape, each series", time(each), with(time(each_then), "100 targets")).wanted("about 1"),
        Row::single("memory after the scrapes", size(observer.resident()), size(96_000_000)).wanted("<= 1"),
    ])
}

fn reloading(observer: &mut Observer) -> io::Result<[Row; 3]> {
    progress("reloads with one target changed")?;
    let changed: Vec<usize> = (0..TIMES).map(|number| 40 * number + 7).collect();
    let lost = observer.lost(&changed)?;
    let seconds: Vec<f64> = changed.iter().map(|target| observer.reload(*target)).collect::<io::Result<_>>()?;
    std::thread::sleep(Duration::from_secs(5));
    // Probes in flight at the first count may have been counted since.
    let lost = observer.lost(&changed)?.saturating_sub(lost);
    let limit = || (0.1, "100 ms".to_owned());
    let row =
        |what, quarters| Row::single(what, time(quantile(seconds.iter().copied(), quarters)), limit()).wanted("<= 1");
    #[expect(clippy::cast_precision_loss, reason = "as few as may be")]
    let lost = Row::single("probes lost by the reloads", (lost as f64, lost.to_string()), (1.0, "1".to_owned()));
    Ok([row("reload of 1,000 targets, one changed, median", 2), row("the same, slowest", 4), lost.wanted("0")])
}

fn median(scrapes: &[Scraped]) -> f64 {
    quantile(scrapes.iter().map(|scraped| scraped.seconds), 2)
}

fn progress(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "measuring: {what}")
}
