//! The program as it is shipped: how soon it has its first answer, and what it takes of the machine while it runs.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{mysql::PASSWORD, servers::Server, sql::USER, support::waiting::wait_for};

/// How many ticks of `/proc/PID/stat` make a second, on every Linux.
const TICKS: f64 = 100.0;

/// A running `readscope run`.
pub(crate) struct Exporter {
    process: Mortal,
    http: SocketAddr,
}

/// A process that is killed when it is dropped.
struct Mortal(Child);

/// An answer to one scrape.
pub(crate) struct Scraped {
    pub(crate) seconds: f64,
    pub(crate) body: Vec<u8>,
}

/// The program that was built together with this one, by the same profile as `cargo build --release`.
pub(crate) fn built() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_readscope"))
}

/// The program for an empty image, if it has been built:
/// `RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target x86_64-unknown-linux-gnu`.
pub(crate) fn built_static() -> Option<PathBuf> {
    let targets = built().parent()?.parent()?.to_owned();
    Some(targets.join("x86_64-unknown-linux-gnu/release/readscope")).filter(|path| path.exists())
}

/// Seconds from the start of a process to the line of its log that tells of the first answer.
pub(crate) fn first_answer(program: &Path, server: &Server) -> f64 {
    let mut command = call(program, server, 10306);
    let started = Instant::now();
    let mut process = Mortal::spawn(command.stderr(Stdio::piped()));
    let lines = BufReader::new(process.0.stderr.take().expect("it is a pipe")).lines().map_while(Result::ok);
    let mut printed = Vec::new();
    for line in lines {
        if line.contains(": first read (server_id ") {
            return started.elapsed().as_secs_f64();
        }
        printed.push(line);
    }
    panic!("readscope ends without an answer: {printed:?}");
}

impl Exporter {
    /// Starts it with an interval; `port` is for its HTTP side.
    pub(crate) fn start(program: &Path, server: &Server, port: u16, interval: &str) -> Self {
        let mut command = call(program, server, port);
        command.args(["--interval", interval, "--max-in-flight", "32"]).stderr(Stdio::null());
        Self::listening(&mut command, (Ipv4Addr::LOCALHOST, port).into())
    }

    /// Starts it with ten probes a second, and a reading of the status counters after each interval.
    pub(crate) fn with_readings(program: &Path, server: &Server, port: u16, interval: &str) -> Self {
        let mut command = call(program, server, port);
        command.args(["--interval", "100ms", "--clients-interval", interval]).stderr(Stdio::null());
        Self::listening(&mut command, (Ipv4Addr::LOCALHOST, port).into())
    }

    fn listening(command: &mut Command, http: SocketAddr) -> Self {
        let exporter = Self { process: Mortal::spawn(command), http };
        wait_for("readscope to listen", Duration::from_secs(10), || TcpStream::connect(exporter.http).ok());
        exporter
    }

    /// Returns when so many probes are over, with their number.
    pub(crate) fn wait_for_probes(&self, enough: f64) -> f64 {
        wait_for("probes", Duration::from_secs(120), || Some(self.probes()).filter(|probes| *probes >= enough))
    }

    fn probes(&self) -> f64 {
        let scraped = scrapes(self.http, 1, "identity").remove(0);
        let text = String::from_utf8(scraped.body).expect("metrics are text");
        let mut values = text.lines().filter_map(|line| line.strip_prefix("readscope_probes_total{")?.split_once("} "));
        values.next().and_then(|(_, value)| value.parse().ok()).expect("a scrape tells the number of probes")
    }

    /// Scrapes over one connection, as Prometheus does.
    pub(crate) fn scrapes(&self, times: usize, encoding: &str) -> Vec<Scraped> {
        scrapes(self.http, times, encoding)
    }

    /// Bytes of memory that it occupies.
    pub(crate) fn memory(&self) -> usize {
        let status = fs::read_to_string(self.proc("status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux tells it");
        1024 * line.trim().trim_end_matches(" kB").parse::<usize>().expect("it is a number of kB")
    }

    /// Seconds of processor time since it was started.
    pub(crate) fn processor(&self) -> f64 {
        let stat = fs::read_to_string(self.proc("stat")).expect("it runs");
        let (_, after_name) = stat.rsplit_once(") ").expect("the name is in brackets");
        let ticks = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().expect("it is a number"));
        ticks.sum::<f64>() / TICKS
    }

    /// The same to the nanosecond, without threads that have ended.
    pub(crate) fn running(&self) -> f64 {
        let threads = fs::read_dir(self.proc("task")).expect("it runs").flatten();
        let nanoseconds = threads.filter_map(|thread| {
            let schedstat = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            schedstat.split(' ').next()?.parse::<f64>().ok()
        });
        nanoseconds.sum::<f64>() / 1e9
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.process.0.id().to_string()).join(file)
    }
}

impl Mortal {
    fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}")))
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        // Both fail only where the process has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn call(program: &Path, server: &Server, port: u16) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("READSCOPE_")) {
        command.env_remove(name);
    }
    command
        .env_remove("RUST_LOG")
        .env("READSCOPE_PASSWORD", PASSWORD)
        .args(["run", "--tls", "disabled", "--user", USER, "--address", &server.address().to_string()])
        .args(["--web.listen-address", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn scrapes(http: SocketAddr, times: usize, encoding: &str) -> Vec<Scraped> {
    let mut answers = BufReader::new(TcpStream::connect(http).expect("readscope listens"));
    answers.get_ref().set_nodelay(true).expect("it is a TCP connection");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {http}\r\nAccept-Encoding: {encoding}\r\n\r\n");
    let scrape = |_| {
        let started = Instant::now();
        answers.get_mut().write_all(request.as_bytes()).expect("readscope reads the request");
        let mut length = 0;
        loop {
            let mut line = String::new();
            answers.read_line(&mut line).expect("readscope answers");
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().expect("it is a number");
                }
                None if line == "\r\n" => break,
                _ => assert!(!line.is_empty(), "readscope hangs up"),
            }
        }
        let mut body = vec![0; length];
        answers.read_exact(&mut body).expect("readscope sends the whole body");
        Scraped { seconds: started.elapsed().as_secs_f64(), body }
    };
    (0..times).map(scrape).collect()
}
