//! Milestones as Kubernetes Events on their `StatefulSet`, so that `kubectl describe` tells them too.
//!
//! Each is created by itself. The library's own recorder would count an Event with the same reason up instead, and
//! "mysql-4 answered its first read" would become the second time of what mysql-3 did.

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

use crate::model::{
    Event,
    cluster::{ObjectName, Problem},
};

/// Who writes them.
const CONTROLLER: &str = "readscope";

/// One may take so long; what cannot be written meanwhile is dropped once the queue is full.
const WITHIN: Duration = Duration::from_secs(10);

/// An API server that is busy is asked again after this time.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// As many may wait to be written: those of a scale event by 16 replicas.
const WAITING_MAX: usize = 256;

/// The API server takes no longer note.
const NOTE_MAX: usize = 1024;

/// An Event to be written.
#[derive(Debug)]
pub struct Record {
    /// The `StatefulSet` that it is about.
    pub set: ObjectName,
    /// The `StatefulSet`'s uid.
    pub uid: Arc<str>,
    /// In a word, such as `FirstRead`.
    pub reason: String,
    /// In a sentence.
    pub note: String,
    /// Somebody should look.
    pub warning: bool,
    /// When it happened.
    pub at: Timestamp,
}

/// Writes Events.
pub struct Recorder {
    client: Client,
    records: mpsc::Receiver<Record>,
    instance: String,
}

impl Recorder {
    /// A recorder, and where to put what it is to write.
    pub(super) fn new(client: Client) -> (mpsc::Sender<Record>, Self) {
        let (sender, records) = mpsc::channel(WAITING_MAX);
        // A pod's own name.
        let instance = std::env::var("HOSTNAME").ok().filter(|name| (1..=128).contains(&name.len()));
        (sender, Self { client, records, instance: instance.unwrap_or_else(|| CONTROLLER.to_owned()) })
    }

    /// Writes what is put in until `stop`, and tells `events` whether it can.
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
            if events.send(Event::Recorded(problem)).await.is_err() {
                return;
            }
        }
    }

    /// Writes one; returns why it could not.
    async fn write(&self, record: Record) -> Option<Problem> {
        let api = Api::<events::Event>::namespaced(self.client.clone(), &record.set.namespace);
        let event = event(record, &self.instance);
        let mut busy = None;
        let writing = async {
            loop {
                match api.create(&PostParams::default(), &event).await {
                    // The server wrote nothing. After 504 it may have, and the Event would be there twice.
                    Err(kube::Error::Api(status)) if matches!(status.code, 429 | 503) => {
                        busy = Some(status.to_string());
                    }
                    written => return written,
                }
                sleep(AGAIN_AFTER).await;
            }
        };
        match timeout(WITHIN, writing).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                let forbidden = matches!(&error, kube::Error::Api(status) if matches!(status.code, 401 | 403));
                Some(Problem { forbidden, text: error.to_string().into() })
            }
            Err(_) => {
                let text = busy.unwrap_or_else(|| format!("no answer within {WITHIN:?}"));
                Some(Problem { forbidden: false, text: text.into() })
            }
        }
    }
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

    /// What comes of writing to an API server that answers so many times with this code, and then writes; and how often it
    /// was asked.
    async fn written(code: u16, times: usize) -> (Option<Problem>, usize) {
        let asked = Arc::new(AtomicUsize::new(0));
        let requests = Arc::clone(&asked);
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
        (problem, asked.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_api_server_is_asked_again_within_the_time() {
        assert_eq!(written(503, 2).await, (None, 3));
        assert_eq!(written(429, 1).await, (None, 2));
        let (problem, asked) = written(503, usize::MAX).await;
        assert!(problem.is_some_and(|problem| problem.text.contains("busy") && !problem.forbidden));
        assert_eq!(asked, 10);
        let (problem, asked) = written(504, usize::MAX).await;
        assert!(problem.is_some() && asked == 1, "{problem:?} {asked}");
    }

    #[test]
    fn an_endless_note_is_cut_where_a_character_ends() {
        assert_eq!(event(record(&"ä".repeat(1000)), "probe").note.map(|note| note.len()), Some(NOTE_MAX));
    }
}
