//! The metrics of this process, named as in the Prometheus client libraries. Their collector rounds CPU time to whole
//! seconds, which hides the cost of a probe.

use procfs::{
    ProcResult, boot_time_secs, page_size,
    process::{LimitValue, Stat},
    ticks_per_second,
};

use super::{Kind, family::Family};

#[derive(Debug)]
pub(super) struct Process {
    /// Seconds since the epoch; 0 if unknown. Cached, because the system clock may be set later.
    started: f64,
}

impl Default for Process {
    fn default() -> Self {
        let started = || -> ProcResult<f64> {
            let ticks = procfs::process::Process::myself()?.stat()?.starttime;
            Ok(number(boot_time_secs()?) + seconds(ticks))
        };
        Self { started: started().unwrap_or_default() }
    }
}

impl Process {
    /// Values that the kernel does not report are left out.
    pub(super) fn families(&self) -> impl Iterator<Item = Family> {
        self.values().into_iter().filter_map(|(name, kind, help, value)| {
            let mut family = Family::new(name, kind, &[], help);
            family.series(&[], value?);
            Some(family)
        })
    }

    fn values(&self) -> [(&'static str, Kind, &'static str, Option<f64>); 7] {
        let process = procfs::process::Process::myself().ok();
        let process = process.as_ref();
        let stat: Option<Stat> = process.and_then(|process| process.stat().ok());
        let stat = stat.as_ref();
        let cpu = stat.map(|stat| seconds(stat.utime.saturating_add(stat.stime)));
        let files = process.and_then(|process| process.fd_count().ok());
        let files = files.map(|files| number(files.try_into().unwrap_or(u64::MAX)));
        let limits = process.and_then(|process| process.limits().ok());
        let files_max = limits.and_then(|limits| match limits.max_open_files.soft_limit {
            LimitValue::Value(files) => Some(number(files)),
            LimitValue::Unlimited => None,
        });
        let size = stat.map(|stat| number(stat.vsize));
        let resident = stat.map(|stat| number(stat.rss.saturating_mul(page_size())));
        let started = process.map(|_| self.started);
        let threads = stat.map(|stat| number(stat.num_threads.try_into().unwrap_or_default()));
        [
            ("process_cpu_seconds_total", Kind::Counter, "Total user and system CPU time spent in seconds.", cpu),
            ("process_open_fds", Kind::Gauge, "Number of open file descriptors.", files),
            ("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.", files_max),
            ("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory size in bytes.", size),
            ("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.", resident),
            (
                "process_start_time_seconds",
                Kind::Gauge,
                "Start time of the process since unix epoch in seconds.",
                started,
            ),
            ("process_threads", Kind::Gauge, "Number of OS threads in the process.", threads),
        ]
    }
}

fn seconds(ticks: u64) -> f64 {
    number(ticks) / number(ticks_per_second())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus counts in doubles")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn value(name: &str) -> f64 {
        let found = Process::default().values().into_iter().find(|(found, ..)| *found == name);
        found.and_then(|(.., value)| value).unwrap_or_else(|| panic!("no {name}"))
    }

    #[test]
    fn every_metric_has_a_plausible_value() {
        for name in ["process_open_fds", "process_max_fds", "process_threads"] {
            assert!(value(name) >= 1.0, "{name}");
        }
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
        // The year 2020: the value counts from the epoch, not from boot.
        assert!(value("process_start_time_seconds") > 1.577e9);
    }

    #[test]
    fn cpu_time_has_a_resolution_below_one_second() {
        let before = value("process_cpu_seconds_total");
        let bound = Instant::now() + Duration::from_secs(60);
        let after = loop {
            let now = value("process_cpu_seconds_total");
            if now > before {
                break now;
            }
            assert!(Instant::now() < bound, "CPU time did not grow in a minute");
        };
        assert!(after > 0.0);
        let ticks = after * number(ticks_per_second());
        assert!((ticks - ticks.round()).abs() < 1e-3, "{after} is in ticks of the kernel");
    }
}
