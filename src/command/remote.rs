//! Follows a running exporter: its event stream signals changes, its documents have the content.
//!
//! Several targets are polled as well, because their overview is slow. So are exporters behind a buffering proxy.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{CommandError, terminal::Attached};
use crate::{
    cli::AttachArgs,
    config::HttpConfiguration,
    source::exporter::{Events, Exporter, Received},
};

pub(super) const POLL_EVERY: Duration = Duration::from_millis(500);

/// Polling takes at most one part in this many of the time, so that large documents are polled less often.
const POLLING_PART: u32 = 10;

/// A stream sends something every 3 s; a silent one is closed after this time.
const SILENT_AFTER: Duration = Duration::from_secs(7);

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
        let began = Instant::now();
        let events = exporter.events().await;
        // This request shows whether the exporter is reachable, whatever happened to the stream.
        let mut pause = publish(exporter, sender).await;
        if let Ok(mut events) = events {
            follow_stream(exporter, &mut events, sender).await;
            // A stream ends every few minutes and is reopened at once.
            pause = pause.saturating_sub(began.elapsed());
        }
        sleep(pause).await;
    }
}

async fn follow_stream(exporter: &Exporter, events: &mut Events, sender: &watch::Sender<Arc<Attached>>) {
    let (mut last_received, mut received_any) = (Instant::now(), false);
    loop {
        let polls = !received_any || sender.borrow().documents.targets.targets.len() != 1;
        let silence = SILENT_AFTER.saturating_sub(last_received.elapsed());
        let update = match timeout(if polls { silence.min(POLL_EVERY) } else { silence }, events.next()).await {
            Ok(Ok(Some(received))) => {
                (last_received, received_any) = (Instant::now(), true);
                received == Received::Update
            }
            Ok(Ok(None) | Err(_)) => return,
            Err(_) if last_received.elapsed() < SILENT_AFTER => true,
            Err(_) => {
                if received_any {
                    let stale = Some(format!("no data from the exporter for {} s", SILENT_AFTER.as_secs()));
                    let attached = Attached { stale, ..Attached::clone(&sender.borrow()) };
                    sender.send_replace(Arc::new(attached));
                }
                return;
            }
        };
        if update {
            let pause = publish(exporter, sender).await;
            sleep(pause.saturating_sub(POLL_EVERY)).await;
        }
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
