//! Options to use a running exporter.

use std::path::PathBuf;

use clap::Args;

use crate::source::exporter::ExporterUrl;

#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Use the data of a running exporter at this URL, such as `http://127.0.0.1:10306`
    #[arg(long, value_name = "URL")]
    pub attach: Option<ExporterUrl>,
    /// TLS and credentials for --attach, as in Prometheus' HTTP client configuration file (`basic_auth`, `authorization`,
    /// `tls_config`)
    #[arg(long = "http.config.file", value_name = "FILE", requires = "attach")]
    pub http_config_file: Option<PathBuf>,
}
