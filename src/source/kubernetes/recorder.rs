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
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::model::{
    Event,
    cluster::{ObjectName, Problem},
};

/// Who writes them.
const CONTROLLER: &str = "readscope";

/// One may take so long; what cannot be written meanwhile is dropped once the queue is full.
const WITHIN: Duration = Duration::from_secs(10);

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
        match timeout(WITHIN, api.create(&PostParams::default(), &event)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => {
                let forbidden = matches!(&error, kube::Error::Api(status) if matches!(status.code, 401 | 403));
                Some(Problem { forbidden, text: error.to_string().into() })
            }
            Err(_) => Some(Problem { forbidden: false, text: format!("no answer within {WITHIN:?}").into() }),
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
    use super::*;

    #[test]
    fn an_endless_note_is_cut_where_a_character_ends() {
        let record = Record {
            set: ObjectName::new("mysql", "mysql"),
            uid: "u".into(),
            reason: "ClaimPending".to_owned(),
            note: "ä".repeat(1000),
            warning: true,
            at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(event(record, "probe").note.map(|note| note.len()), Some(NOTE_MAX));
    }
}
