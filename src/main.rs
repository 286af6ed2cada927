//! The `readscope` program; see the library for what it does.

use std::process::ExitCode;

use clap::Parser;
use readscope::{cli::Cli, command, panics};

fn main() -> ExitCode {
    // One provider is compiled in; named here, a dependency that brings another one cannot make the choice ambiguous.
    // It fails where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    panics::silence_contained();
    command::execute(&Cli::parse())
}
