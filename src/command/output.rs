//! Standard output for results, standard error for what ends the program.

use std::io::{self, Write};

/// Prints a result and a line break. A reader that went away is no error: it has seen enough.
pub(super) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints bytes as they are.
pub(super) fn bytes(content: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(content).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says why the program ends, with the whole chain of causes.
pub(super) fn complain(error: &anyhow::Error) {
    // Where nobody can be told, the exit code still says it.
    let _ = writeln!(io::stderr().lock(), "error: {error:#}");
}
