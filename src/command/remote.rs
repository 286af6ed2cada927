//! Follows a running exporter by polling its documents.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::sleep};

use super::{CommandError, terminal::Attached};
use crate::{cli::AttachArgs, config::HttpConfiguration, source::exporter::Exporter};

pub(super) const POLL_EVERY: Duration = Duration::from_millis(250);

/// Polling takes at most one part in this many of the time, so that large documents are polled less often.
const POLLING_PART: u32 = 10;

pub(super) fn exporter(args: &AttachArgs) -> Result<Option<Exporter>, CommandError> {
    let Some(url) = &args.attach else { return Ok(None) };
    let configuration = match &args.http_config_file {
        Some(path) => HttpConfiguration::load(path).map_err(CommandError::usage)?,
        None => HttpConfiguration::usual().map_err(CommandError::failure)?,
    };
    Ok(Some(Exporter::new(url.clone(), configuration)))
}

pub(super) async fn follow(exporter: &Exporter, sender: &watch::Sender<Arc<Attached>>) {
    loop {
        let pause = publish(exporter, sender).await;
        sleep(pause).await;
    }
}

/// Returns the pause before the next poll.
async fn publish(exporter: &Exporter, sender: &watch::Sender<Arc<Attached>>) -> Duration {
    let began = Instant::now();
    let attached = match exporter.documents().await {
        Ok(documents) => Attached { documents, stale: None },
        Err(error) => Attached { stale: Some(error.to_string()), ..Attached::clone(&sender.borrow()) },
    };
    sender.send_replace(Arc::new(attached));
    POLL_EVERY.max(POLLING_PART * began.elapsed())
}
