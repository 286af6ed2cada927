//! What each command does: it wires sources, model and views together and supervises them.

mod access;
mod attached;
mod check;
mod demo;
mod fleet;
mod log;
mod observation;
mod output;
mod pages;
mod reload;
mod run;
mod sampling;
mod screen;
mod supervisor;
mod wait;
mod watch;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

/// Bad usage or configuration, as the command-line parser itself exits.
const EXIT_USAGE: u8 = 2;

/// The program cannot go on.
const EXIT_FAILURE: u8 = 1;

/// Why a command could not do its work.
#[derive(Debug)]
enum CommandError {
    /// What was asked for is not possible; nothing was started.
    Usage(anyhow::Error),
    /// It was started and cannot go on.
    Failure(anyhow::Error),
}

/// Runs a command to its end and returns the program's exit code. Trouble is told on standard error.
#[must_use]
pub fn execute(cli: &Cli) -> ExitCode {
    log::install(&cli.log);
    let result = match &cli.command {
        Command::Run(args) => run::execute(args),
        Command::Watch(args) => watch::execute(args),
        Command::Check(args) => check::execute(args),
        Command::Wait(args) => wait::execute(args),
        Command::Demo(args) => demo::execute(args),
        Command::Completions { shell } => pages::completions(*shell),
        Command::Man => pages::man(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(CommandError::Usage(error)) => {
            output::complain(&error);
            ExitCode::from(EXIT_USAGE)
        }
        Err(CommandError::Failure(error)) => {
            output::complain(&error);
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

impl CommandError {
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    fn failure(error: impl Into<anyhow::Error>) -> Self {
        Self::Failure(error.into())
    }
}
