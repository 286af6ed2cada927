//! The `readscope` program; the library documents what it does.

use std::process::ExitCode;

use readscope::{cli::Cli, command, panics};

fn main() -> ExitCode {
    // Only one provider is compiled in. Naming it prevents ambiguity if a dependency adds another one. An error means
    // that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    panics::silence_contained();
    command::execute(&Cli::read())
}
