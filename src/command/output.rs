//! Results go to standard output, fatal errors to standard error.

use std::io::{self, Write};

/// Prints a result and a line break.
pub(super) fn line(text: &str) -> io::Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints a result. A closed pipe is not an error.
pub(super) fn bytes(content: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

pub(super) fn complain(error: &anyhow::Error) {
    // The exit code still reports the failure if standard error is closed.
    let _ = writeln!(io::stderr().lock(), "error: {error:#}");
}
