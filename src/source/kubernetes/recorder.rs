//! Milestones as Kubernetes Events on their StatefulSet, so that `kubectl describe` shows them.
//!
//! Each milestone is an Event of its own. The library's recorder would merge Events with the same reason: "mysql-4:
//! first read" would count as a repetition of mysql-3's.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1 as events},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::failure;
use crate::model::{
    Event,
    cluster::{ObjectName, Problem},
};

const CONTROLLER: &str = "readscope";

/// Time limit for one Event. New Events are dropped while the queue is full.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Pause before a retry at a busy API server.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Length of the queue: the Events of a scale event by 16 replicas.
const QUEUE: usize = 256;

/// Maximum bytes that the API server accepts.
const NOTE_MAX: usize = 1024;

#[derive(Debug)]
pub struct Record {
    pub set: ObjectName,
    pub uid: Arc<str>,
    /// One word, such as `FirstRead`.
    pub reason: String,
    /// One sentence.
    pub note: String,
    pub warning: bool,
    pub at: Timestamp,
}

pub struct Recorder {
    client: Client,
    records: mpsc::Receiver<Record>,
    instance: String,
}

impl Recorder {
    /// The sender queues Events for the recorder.
    pub(super) fn new(client: Client) -> (mpsc::Sender<Record>, Self) {
        let (sender, records) = mpsc::channel(QUEUE);
        // The pod's own name.
        let instance = std::env::var("HOSTNAME").ok().filter(|name| (1..=128).contains(&name.len()));
        (sender, Self { client, records, instance: instance.unwrap_or_else(|| CONTROLLER.to_owned()) })
    }

    /// After each Event, reports to `events` whether it was written.
    pub async fn run(mut self, events: mpsc::Sender<Event>, stop: CancellationToken) {
        loop {
            let record = tokio::select! {
                () = stop.cancelled() => return,
                record = self.records.recv() => match record {
                    Some(record) => record,
                    None => return,
                },
            };
            let problem = tokio::select! {
                () = stop.cancelled() => return,
                problem = self.write(record) => problem,
            };
            if events.send(Event::EventWritten(problem)).await.is_err() {
                return;
            }
        }
    }

    /// Returns the reason if the Event could not be written.
    async fn write(&self, record: Record) -> Option<Problem> {
        let api = Api::<events::Event>::namespaced(self.client.clone(), &record.set.namespace);
        let event = event(record, &self.instance);
        let mut busy = None;
        let writing = async {
            loop {
                match api.create(&PostParams::default(), &event).await {
                    // The server wrote nothing. After 504 it may have written the Event, and a retry would write it
                    // twice.
                    Err(error) if is_status(&error, [429, 503]) => {
                        busy = Some(failure::reason(&error));
                    }
                    written => return written,
                }
                sleep(RETRY_AFTER).await;
            }
        };
        match timeout(TIME_LIMIT, writing).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                Some(Problem { forbidden: is_status(&error, [401, 403]), text: failure::reason(&error).into() })
            }
            Err(_) => {
                let text = busy.unwrap_or_else(|| format!("no response within {TIME_LIMIT:?}"));
                Some(Problem { forbidden: false, text: text.into() })
            }
        }
    }
}

fn is_status(error: &kube::Error, codes: [u16; 2]) -> bool {
    matches!(error, kube::Error::Api(status) if codes.contains(&status.code))
}

fn event(record: Record, instance: &str) -> events::Event {
    let Record { set, uid, reason, mut note, warning, at } = record;
    if let Some((end, _)) = note.char_indices().find(|(start, c)| start + c.len_utf8() > NOTE_MAX) {
        note.truncate(end);
    }
    let (namespace, name) = (set.namespace.to_string(), set.name.to_string());
    events::Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        regarding: Some(ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some("StatefulSet".to_owned()),
            name: Some(name),
            namespace: Some(namespace),
            uid: Some(uid.to_string()),
            ..ObjectReference::default()
        }),
        type_: Some(if warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(reason),
        action: Some("Observe".to_owned()),
        note: Some(note),
        event_time: Some(MicroTime(at)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..events::Event::default()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use hyper::{Request, Response};
    use kube::client::Body;
    use serde_json::json;
    use tower::service_fn;

    use super::*;

    fn record(note: &str) -> Record {
        Record {
            set: ObjectName::new("mysql", "mysql"),
            uid: "u".into(),
            reason: "FirstRead".to_owned(),
            note: note.to_owned(),
            warning: true,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    /// The result and the number of requests at an API server that answers `times` requests with `code` and then
    /// accepts.
    async fn written(code: u16, times: usize) -> (Option<Problem>, usize) {
        let count = Arc::new(AtomicUsize::new(0));
        let requests = Arc::clone(&count);
        let server = service_fn(move |_: Request<Body>| {
            let busy = requests.fetch_add(1, Ordering::Relaxed) < times;
            let status =
                json!({"kind": "Status", "status": "Failure", "message": "busy", "reason": "Any", "code": code});
            let event = json!({"metadata": {"name": "mysql-1"}, "eventTime": null});
            let (code, body) = if busy { (code, status) } else { (201, event) };
            let answer = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
            async { Ok::<_, Infallible>(answer.expect("the status is one")) }
        });
        let (_, recorder) = Recorder::new(Client::new(server, "mysql"));
        let problem = recorder.write(record("mysql-3: first read")).await;
        (problem, count.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_to_a_busy_api_server_is_retried_until_the_time_limit() {
        assert_eq!(written(503, 2).await, (None, 3));
        assert_eq!(written(429, 1).await, (None, 2));
        let (problem, requests) = written(503, usize::MAX).await;
        assert!(problem.is_some_and(|problem| problem.text.contains("busy") && !problem.forbidden));
        assert_eq!(requests, 10);
        let (problem, requests) = written(504, usize::MAX).await;
        assert!(problem.is_some() && requests == 1, "{problem:?} {requests}");
    }

    #[test]
    fn a_long_note_is_cut_at_a_character_boundary() {
        assert_eq!(event(record(&"ä".repeat(1000)), "probe").note.map(|note| note.len()), Some(NOTE_MAX));
    }
}
