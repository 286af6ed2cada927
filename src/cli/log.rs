//! Log options.

use std::fmt;

use clap::{Args, ValueEnum};

#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// Log level; the environment variable `RUST_LOG` takes precedence
    #[arg(long = "log.level", global = true, value_enum, default_value_t = LogLevel::Info)]
    pub level: LogLevel,
    /// Log format
    #[arg(long = "log.format", global = true, value_enum, default_value_t = LogFormat::Logfmt)]
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogLevel {
    /// The program or a request failed
    Error,
    /// Somebody should look at it
    Warn,
    /// Good to know
    Info,
    /// For developers
    Debug,
    /// For developers, everything
    Trace,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs
    Logfmt,
    /// One JSON object per line
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
