//! Options that select a running exporter.

use std::path::PathBuf;

use clap::Args;

use crate::source::exporter::ExporterUrl;

/// Which exporter, and how to ask it.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Ask a running exporter instead of watching and probing, such as `http://127.0.0.1:10306`
    #[arg(long, value_name = "URL")]
    pub attach: Option<ExporterUrl>,
    /// Whom to trust and who to be with --attach, in the form of Prometheus' tools: `basic_auth`, authorization,
    /// `tls_config`
    #[arg(long = "http.config.file", value_name = "FILE", requires = "attach")]
    pub http_config_file: Option<PathBuf>,
}
