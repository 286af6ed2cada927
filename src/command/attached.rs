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

use super::{CommandError, screen::Attached};
use crate::{
    cli::AttachArgs,
    config::HttpConfiguration,
    source::exporter::{Events, Exporter, Received},
};

pub(super) const ASKED_EVERY: Duration = Duration::from_millis(500);

/// Polling takes at most one part in this many of the time, so that large documents are polled less often.
const ASKING_PART: u32 = 10;

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
        let mut pause = tell(exporter, sender).await;
        if let Ok(mut events) = events {
            follow_stream(exporter, &mut events, sender).await;
            // A stream ends every few minutes and is reopened at once.
            pause = pause.saturating_sub(began.elapsed());
        }
        sleep(pause).await;
    }
}

async fn follow_stream(exporter: &Exporter, events: &mut Events, sender: &watch::Sender<Arc<Attached>>) {
    let (mut heard, mut said) = (Instant::now(), false);
    loop {
        let by_the_clock = !said || sender.borrow().documents.targets.targets.len() != 1;
        let patience = SILENT_AFTER.saturating_sub(heard.elapsed());
        let news = match timeout(if by_the_clock { patience.min(ASKED_EVERY) } else { patience }, events.next()).await {
            Ok(Ok(Some(told))) => {
                (heard, said) = (Instant::now(), true);
                told == Received::Update
            }
            Ok(Ok(None) | Err(_)) => return,
            Err(_) if heard.elapsed() < SILENT_AFTER => true,
            Err(_) => {
                if said {
                    let silent = format!("the exporter has said nothing for {} s", SILENT_AFTER.as_secs());
                    let last = Attached::clone(&sender.borrow());
                    sender.send_replace(Arc::new(Attached { stale: Some(silent), ..last }));
                }
                return;
            }
        };
        if news {
            let pause = tell(exporter, sender).await;
            sleep(pause.saturating_sub(ASKED_EVERY)).await;
        }
    }
}

/// Returns the pause before the next poll.
async fn tell(exporter: &Exporter, sender: &watch::Sender<Arc<Attached>>) -> Duration {
    let began = Instant::now();
    let told = match exporter.documents().await {
        Ok(documents) => Attached { documents, stale: None },
        Err(error) => Attached { stale: Some(error.to_string()), ..Attached::clone(&sender.borrow()) },
    };
    sender.send_replace(Arc::new(told));
    ASKED_EVERY.max(ASKING_PART * began.elapsed())
}
