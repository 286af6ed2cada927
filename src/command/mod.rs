//! The commands: each connects sources, model and views, and supervises them.

mod check;
mod configuration;
mod demo;
mod log;
mod output;
mod pages;
mod probing;
mod remote;
mod run;
mod session;
mod state_task;
mod supervisor;
mod targets;
mod terminal;
mod wait;
mod watch;
mod web_access;

use std::process::ExitCode;

use crate::cli::{Cli, Command};

/// Invalid usage or configuration; the same code as clap's.
const EXIT_USAGE: u8 = 2;

const EXIT_FAILURE: u8 = 1;

#[derive(Debug)]
enum CommandError {
    /// The request is not possible; nothing was started.
    Usage(anyhow::Error),
    /// A started command cannot continue.
    Failure(anyhow::Error),
}

/// Returns the program's exit code. Errors go to standard error.
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

    fn into_usage(self) -> Self {
        match self {
            Self::Usage(error) | Self::Failure(error) => Self::Usage(error),
        }
    }
}
