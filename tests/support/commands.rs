//! Programs of the machine that a test calls or keeps running. None of them outlives the test's thread.

use std::{
    io::Write as _,
    process::{Child, Command, Output, Stdio},
};

const INSTALL: &str = "`tests/run get` installs what the tests call";

/// A command for a process that the kernel kills when the test's thread ends, however it ends.
pub(crate) fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// Runs a program to its end and returns what it printed. Panics with its output when it fails.
pub(crate) fn run(command: &mut Command) -> String {
    try_run(command).unwrap_or_else(|error| panic!("{command:?} fails: {error}"))
}

/// As `run`, with the status and the output as the error of a program that fails.
pub(crate) fn try_run(command: &mut Command) -> Result<String, String> {
    outcome(output(command.stdin(Stdio::null())))
}

/// As `run`, with its input.
pub(crate) fn run_reading(command: &mut Command, input: &str) -> String {
    outcome(run_with_input(command, input)).unwrap_or_else(|error| panic!("{command:?} fails: {error}"))
}

fn outcome(output: Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).expect("programs print UTF-8"));
    }
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Err(format!("{}\n{stdout}{stderr}", output.status))
}

/// As `run`, with its input; the caller judges the status.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Output {
    let file = tempfile::tempfile().expect("a temporary file can be made");
    std::os::unix::fs::FileExt::write_all_at(&file, input.as_bytes(), 0).expect("a temporary file can be written");
    output(command.stdin(file))
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?} does not start: {error}; {INSTALL}"))
}

/// A running program that a test talks to. It is killed when it is dropped.
pub(crate) struct Interactive(Child);

impl Interactive {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?} does not start: {error}; {INSTALL}")))
    }

    pub(crate) fn send(&mut self, line: &str) {
        let input = self.0.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{line}").expect("it reads its input");
    }
}

impl Drop for Interactive {
    fn drop(&mut self) {
        // Both fail only where the program has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
