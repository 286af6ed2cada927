//! Whether the data path is as cheap and as quick as it should be: one run, one table of ratios, nothing asserted.
//!
//! Everything that a ratio compares is measured in turns on the same machine and the same real server, so that the
//! ratio means something where the times do not. The table goes to standard output, progress to standard error.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

// What the tests start real servers with.
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/real/mysql.rs"]
mod mysql;
#[path = "../../tests/real/namespace.rs"]
mod namespace;
#[path = "../../tests/real/run_directory.rs"]
mod run_directory;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/real/sql.rs"]
mod sql;
#[path = "../../tests/support/mod.rs"]
mod support;

use support::{commands as program, obtained};

mod clients;
mod cpu;
mod exporter;
mod raw_client;
mod readings;
mod scrape;
mod servers;
mod table;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use cpu::{Client, compare, quantile};
use exporter::{Exporter, built, built_static, first_answer};
use servers::Server;
use table::{Row, size, time};

fn main() -> io::Result<()> {
    // `cargo test --benches` calls benchmarks without it, and wants to know only that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let server = Server::start();
    let mut rows = processor(&server)?;
    rows.extend(start(&server)?);
    rows.extend(running(&server)?);
    rows.extend(scraping(&server)?);
    progress("readings of the status counters")?;
    rows.extend([readings::of_readscope(&server), readings::of_the_server(&server)]);
    rows.extend(binaries()?);
    io::stdout().write_all(table::table(&rows).as_bytes())
}

/// Processor time of clients that take probes as quickly as they can.
fn processor(server: &Server) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (concurrency, wanted) in [(1, "<= 1.25"), (8, "<= 1.35"), (64, "<= 1.35")] {
        let what = format!("CPU a probe, {concurrency} at once");
        progress(&what)?;
        let mut ours = clients::prober(server, concurrency, 640);
        let mut against = |name: &str, mut theirs: Client<'_>, pairs: usize, wanted| {
            let before = server.connections();
            let comparison = compare(&mut ours, &mut theirs, pairs);
            // A client that is quick because it does not do what it should would make a fine ratio.
            let taken = (u64::from(ours.slice) + u64::from(theirs.slice)) * (pairs as u64 + 1);
            let seen = server.connections() - before;
            assert!(seen >= taken, "{taken} probes against {name} took {seen} connections");
            rows.push(Row::compared(&what, name, &comparison).wanted(wanted));
        };
        against("raw client", clients::raw(server, concurrency, 640), 25, wanted);
        against("sysbench", clients::sysbench(server, concurrency, 3200), 6, "< 1");
        against("mysqlslap", clients::mysqlslap(server, concurrency, 3200), 6, "< 1");
        if concurrency == 1 {
            against("the lab's shell loop", clients::shell_loop(server, 40), 6, "<= 0.0167");
        }
    }
    Ok(rows)
}

/// From the start of the process to its first answer.
fn start(server: &Server) -> io::Result<Vec<Row>> {
    progress("first answer")?;
    let program = built();
    let seconds: Vec<f64> = (0..20).map(|_| first_answer(&program, server)).collect();
    let limit = (0.1, "100 ms".to_owned());
    let row = |what, quarters| {
        let measured = time(quantile(seconds.iter().copied(), quarters));
        Row::single(what, measured, limit.clone()).wanted("<= 1")
    };
    Ok(vec![row("first answer after the start, median of 20", 2), row("first answer after the start, last of 20", 4)])
}

/// What the whole program takes while it probes as quickly as it may.
fn running(server: &Server) -> io::Result<Vec<Row>> {
    const INTERVAL: Duration = Duration::from_micros(2500);
    const PROBES: u32 = 10_000;

    progress("10,000 probes of the whole program")?;
    let start = |(port, program)| Exporter::start(program, server, port, "2.5ms");
    let (dynamic, static_one) = (built(), built_static());
    let exporter = start((10306, &dynamic));
    let static_exporter = static_one.as_ref().map(|program| start((10307, program)));
    let raw = clients::paced_raw(server, INTERVAL, PROBES);
    let probes = exporter.wait_for_probes(PROBES.into());

    let what = "CPU a probe, the whole program at 400 a second";
    let compared_with = (raw, format!("{} (raw client at the same pace)", time(raw).1));
    let mut rows = vec![
        Row::single(what, time(exporter.processor() / probes), compared_with),
        memory("memory after 10,000 probes", &exporter),
    ];
    if let Some(exporter) = static_exporter {
        exporter.wait_for_probes(PROBES.into());
        rows.push(memory("memory after 10,000 probes, static build", &exporter));
    }
    Ok(rows)
}

fn memory(what: &str, exporter: &Exporter) -> Row {
    Row::single(what, size(exporter.memory()), size(16_000_000)).wanted("<= 1")
}

fn scraping(server: &Server) -> io::Result<Vec<Row>> {
    progress("scrapes")?;
    let (one, thousand) = (scrape::scrape(1), scrape::scrape(1000));
    let mut rows = Vec::new();
    for (what, this) in [("1 target", &one), ("1,000 targets", &thousand)] {
        let with = |(value, text): (f64, String), with: &str| (value, format!("{text} ({with})"));
        if this.plain_bytes > one.plain_bytes {
            rows.push(Row::single(&format!("scrape, {what}"), time(this.plain), with(time(one.plain), "1 target")));
            rows.push(Row::single(
                &format!("scrape's size, {what}"),
                size(this.plain_bytes),
                with(size(one.plain_bytes), "1 target"),
            ));
        }
        rows.push(Row::single(&format!("scrape, {what}, gzip"), time(this.gzip), with(time(this.plain), "plain")));
        rows.push(Row::single(
            &format!("scrape's size, {what}, gzip"),
            size(this.gzip_bytes),
            with(size(this.plain_bytes), "plain"),
        ));
    }
    let exporter = Exporter::start(&built(), server, 10306, "1s");
    exporter.wait_for_probes(1.0);
    for (what, encoding, alone) in [("plain", "identity", one.plain), ("gzip", "gzip", one.gzip)] {
        let seconds = quantile(exporter.scrapes(200, encoding).iter().map(|scraped| scraped.seconds), 2);
        let compared_with = (alone, format!("{} (rendering alone)", time(alone).1));
        rows.push(Row::single(&format!("scrape over HTTP, 1 target, {what}"), time(seconds), compared_with));
    }
    Ok(rows)
}

fn binaries() -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let named = [("binary", Some(built())), ("binary, static build", built_static())];
    for (what, path) in named.into_iter().filter_map(|(what, path)| Some((what, path?))) {
        let bytes = usize::try_from(path.metadata()?.len()).unwrap_or(usize::MAX);
        rows.push(Row::single(what, size(bytes), size(18_000_000)).wanted("<= 1"));
    }
    Ok(rows)
}

fn progress(what: &str) -> io::Result<()> {
    writeln!(io::stderr(), "measuring: {what}")
}
