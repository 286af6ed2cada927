//! Options of `watch`.

use clap::Args;

use super::{AttachArgs, TargetArgs, WHERE};

#[derive(Debug, Args)]
#[command(mut_group(WHERE, |group| group.arg("attach")))]
pub struct WatchArgs {
    #[command(flatten)]
    pub attach: AttachArgs,
    /// Do not watch scale events and PVCs
    #[arg(long)]
    pub no_scale_events: bool,
    /// Validate the configuration, print it and exit
    #[arg(long = "config.check", conflicts_with = "attach")]
    pub config_check: bool,
    #[command(flatten)]
    pub target: TargetArgs,
}
