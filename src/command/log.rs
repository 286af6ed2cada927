//! The log, on standard error.

use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::cli::{LogArgs, LogFormat};

/// Libraries whose own accounts of a failed sample or a broken watch say less than readscope's own, and oftener.
const QUIET: [&str; 5] =
    ["hickory_net=error", "hickory_proto=error", "hickory_resolver=error", "kube_client=off", "kube_runtime=off"];

/// Installs the log; `RUST_LOG` wins over the level that was asked for.
pub(super) fn install(args: &LogArgs) {
    let asked_for = || EnvFilter::new(format!("{},{}", args.level, QUIET.join(",")));
    let set = std::env::var("RUST_LOG").is_ok_and(|filter| !filter.is_empty());
    let filter = if set { EnvFilter::from_default_env() } else { asked_for() };
    let registry = tracing_subscriber::registry().with(filter);
    // It fails where a log is installed already, as when tests run commands in one process: that one serves.
    let _ = match args.format {
        LogFormat::Logfmt => {
            registry.with(tracing_logfmt::builder().with_target(false).layer().with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .json()
                    .flatten_event(true)
                    .with_target(false)
                    .with_writer(std::io::stderr),
            )
            .try_init(),
    };
}
