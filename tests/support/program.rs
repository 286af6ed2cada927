//! The built program, called as a user calls it. No process outlives its test.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::waiting::wait_for;

/// Longer than any call takes on a busy machine.
const CALL_WITHIN: Duration = Duration::from_secs(180);

/// A process, which is killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The lines that a process prints, as they come.
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reading: Option<JoinHandle<()>>,
}

/// A call of readscope, which finds none of its variables in the environment.
pub(crate) fn readscope(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_readscope"));
    command.args(arguments);
    clean(&mut command);
    command
}

/// As [`readscope`], with few file descriptors.
pub(crate) fn readscope_with_files(files: u32, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_readscope")]);
    command.args(arguments);
    clean(&mut command);
    command
}

/// As [`readscope`], as a user without the privileges of root.
pub(crate) fn readscope_without_privileges(arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_readscope");
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all", program]);
        command
    } else {
        Command::new(program)
    };
    command.args(arguments);
    clean(&mut command);
    command
}

/// Calls readscope and waits for its end.
pub(crate) fn call(arguments: &[&str]) -> Ended {
    call_with(&mut readscope(arguments))
}

/// As [`call`].
pub(crate) fn call_with(command: &mut Command) -> Ended {
    Program::start(command).ended(CALL_WITHIN)
}

fn clean(command: &mut Command) {
    let ours = |name: &str| name.starts_with("RUST_") || name.starts_with("READSCOPE_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_input(command, Stdio::null())
    }

    pub(crate) fn start_with_input(command: &mut Command, input: impl Into<Stdio>) -> Self {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// As [`start`](Self::start), with a standard output without a reader: a pipe whose other end is closed.
    pub(crate) fn start_unread(command: &mut Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout: Lines::of(std::io::empty()), stderr }
    }

    /// The lines of standard output so far.
    pub(crate) fn output(&self) -> Vec<String> {
        self.stdout.so_far()
    }

    /// The lines of standard error so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// How many lines of the log have all of these in them; quotation marks and apostrophes may be escaped.
    pub(crate) fn logged(&self, parts: &[&str]) -> usize {
        let has_all = |line: &String| {
            let line = line.replace('\\', "");
            parts.iter().all(|part| line.contains(part))
        };
        self.log().iter().filter(|line| has_all(line)).count()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Files and sockets that it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Bytes of memory that it has occupied at most.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix(" kB")).unwrap();
        1024 * peak.trim().parse::<u64>().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, bound: Duration) -> ExitStatus {
        let log = Arc::clone(&self.stderr.lines);
        let bound_over = || format!("the end of the program, whose log is {:?}", snapshot(&log));
        wait_for(&bound_over(), bound, || self.child.try_wait().unwrap())
    }

    /// Waits for its end, and returns all that it has printed.
    pub(crate) fn ended(mut self, bound: Duration) -> Ended {
        let status = self.wait(bound);
        Ended { code: status.code(), stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }
}

impl Drop for Program {
    #[allow(clippy::print_stderr, reason = "the output of a failed test")]
    fn drop(&mut self) {
        // Both fail only where the process has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("a program of the failed test logged {:#?}", self.log());
        }
    }
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                writer.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { lines, reading: Some(reading) }
    }

    fn so_far(&self) -> Vec<String> {
        snapshot(&self.lines)
    }

    /// All of them, once the process has ended.
    fn whole(&mut self) -> String {
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        self.so_far().into_iter().map(|line| line + "\n").collect()
    }
}

fn snapshot(lines: &Mutex<Vec<String>>) -> Vec<String> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Ended {
    /// Everything it printed.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Asserts a usage error: exit code 2, no standard output, all of `parts` in the error.
    pub(crate) fn assert_refused(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {}", self.stderr);
        }
    }
}
