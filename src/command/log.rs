//! The log: on standard error, or in memory while the terminal is drawn there.

mod line;

use std::{
    collections::VecDeque,
    io::{self, Write},
};

use parking_lot::Mutex;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use self::line::Lines;
use crate::cli::LogArgs;

/// Libraries that log failed probes and broken watches more often and with less detail than readscope.
const QUIET: [&str; 5] =
    ["hickory_net=error", "hickory_proto=error", "hickory_resolver=error", "kube_client=off", "kube_runtime=off"];

const LINES_MAX: usize = 500;

const LINE_BYTES_MAX: usize = 4096;

/// The last lines, oldest first; `None` while lines go to standard error.
static KEPT: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

#[derive(Clone, Copy, Debug)]
struct Outlet;

pub(super) fn keep() {
    *KEPT.lock() = Some(VecDeque::new());
}

pub(super) fn write_again() {
    *KEPT.lock() = None;
}

/// Oldest first.
pub(super) fn kept() -> Vec<String> {
    KEPT.lock().iter().flatten().cloned().collect()
}

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = KEPT.lock();
        let Some(lines) = &mut *kept else {
            drop(kept);
            io::stderr().lock().write_all(bytes)?;
            return Ok(bytes.len());
        };
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if lines.len() == LINES_MAX {
                lines.pop_front();
            }
            let line = &line[..line.len().min(LINE_BYTES_MAX)];
            lines.push_back(String::from_utf8_lossy(line).into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `RUST_LOG` overrides the level of the arguments.
pub(super) fn install(args: &LogArgs) {
    let from_args = || EnvFilter::new(format!("{},{}", args.level, QUIET.join(",")));
    let set = std::env::var("RUST_LOG").is_ok_and(|filter| !filter.is_empty());
    let filter = if set { EnvFilter::from_default_env() } else { from_args() };
    let lines = tracing_subscriber::fmt::layer().event_format(Lines(args.format)).with_writer(|| Outlet);
    // Fails if a log is installed already, for example when tests run commands in one process.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
