//! Whether the API server responds at all. A watch without changes looks the same as a watch of a frozen API server.

use std::time::Duration;

use hyper::{Request, Uri};
use kube::{Client, runtime::watcher};
use tokio::{
    sync::watch as latest,
    time::{sleep, timeout},
};

/// With the pause, less than 20 s, and shorter than [`GRACE`](crate::model::base::GRACE): a server is not called unexpected
/// because of endpoints that nobody updates.
const WITHIN: Duration = Duration::from_secs(14);
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("no response within {} s", WITHIN.as_secs())]
struct Silent;

/// Sends to `silences` whenever the API server gave no response in time. Every response counts, also a refusal.
pub(super) async fn pulse(client: Client, silences: latest::Sender<()>) {
    loop {
        let mut request = Request::new(Vec::new());
        // An overloaded API server does not queue this request.
        *request.uri_mut() = Uri::from_static("/livez");
        if timeout(WITHIN, client.request_text(request)).await.is_err() {
            silences.send_replace(());
        }
        sleep(PAUSE).await;
    }
}

pub(super) fn silent() -> watcher::Error {
    watcher::Error::WatchFailed(kube::Error::Service(Box::new(Silent)))
}
