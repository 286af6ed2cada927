//! Log options.

use std::fmt;

use clap::{Args, ValueEnum};

/// How to log, to standard error.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Least level to log; `RUST_LOG` wins over it
    #[arg(long = "log.level", global = true, value_enum, default_value_t = LogLevel::Info)]
    pub level: LogLevel,
    /// Form of the log's lines
    #[arg(long = "log.format", global = true, value_enum, default_value_t = LogFormat::Logfmt)]
    pub format: LogFormat,
}

/// Levels of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogLevel {
    /// Nothing but what ends the program or a request.
    Error,
    /// What somebody should look at.
    Warn,
    /// What is good to know.
    Info,
    /// For developers.
    Debug,
    /// For developers, everything.
    Trace,
}

/// Forms of the log's lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}
