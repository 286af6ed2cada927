//! What is typed after `watch`.

use clap::Args;

use super::{TargetArgs, WHERE};
use crate::source::exporter::ExporterUrl;

/// Options of `watch`.
#[derive(Debug, Args)]
#[command(mut_group(WHERE, |group| group.arg("attach")))]
pub struct WatchArgs {
    /// Show what a running exporter sees instead of watching and sampling, such as `http://127.0.0.1:10306`
    #[arg(long, value_name = "URL")]
    pub attach: Option<ExporterUrl>,
    /// Where to sample.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Sample only: no scale events and claims
    #[arg(long)]
    pub no_lifecycle: bool,
    /// Validate the options, print what would run, and exit
    #[arg(long = "config.check", conflicts_with = "attach")]
    pub config_check: bool,
}
