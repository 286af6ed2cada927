//! Options of `watch`.

use clap::Args;

use super::{AttachArgs, TargetArgs, WHERE};

/// Options of `watch`.
#[derive(Debug, Args)]
#[command(mut_group(WHERE, |group| group.arg("attach")))]
pub struct WatchArgs {
    /// A running exporter instead.
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Where to probe.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Probe only: no scale events and PVCs
    #[arg(long)]
    pub no_scale_events: bool,
    /// Validate the options, print what would run, and exit
    #[arg(long = "config.check", conflicts_with = "attach")]
    pub config_check: bool,
}
