//! What a process takes of the machine, as the kernel counts it.

/// How many ticks of `/proc/PID/stat` make a second, on every Linux.
const TICKS: f64 = 100.0;

/// Seconds of processor time since it was started.
pub(crate) fn seconds(id: u32) -> f64 {
    let stat = read(id, "stat");
    let (_, after_name) = stat.rsplit_once(") ").unwrap();
    let ticks = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / TICKS
}

/// Bytes of memory that it occupies.
pub(crate) fn resident(id: u32) -> usize {
    status(id, "VmRSS:")
}

/// The most bytes of memory that it has occupied.
#[allow(dead_code, reason = "one benchmark uses it")]
pub(crate) fn peak(id: u32) -> usize {
    status(id, "VmHWM:")
}

fn status(id: u32, key: &str) -> usize {
    let status = read(id, "status");
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_suffix(" kB")).unwrap();
    1024 * line.trim().parse::<usize>().unwrap()
}

fn read(id: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{id}/{file}")).unwrap()
}
