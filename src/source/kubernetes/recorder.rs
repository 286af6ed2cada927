//! Milestones as Kubernetes Events on their StatefulSet, so that `kubectl describe` shows them.
//!
//! Each milestone is an Event of its own. The library's recorder would merge Events with the same reason: "mysql-4:
//! first read" would count as a repetition of mysql-3's.
//!
//! With a Lease, only the leader writes. A follower keeps what it would have written; when it becomes the leader, it writes
//! what the previous leader did not.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::{
    api::{
        core::v1::{self as core, ObjectReference},
        events::v1 as events,
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{ListParams, PostParams},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{failure, instance};
use crate::{
    clock::Clock,
    model::{
        Event, Moment,
        cluster::{Held, Leadership, ObjectName, Problem},
    },
};

const CONTROLLER: &str = "readscope";

/// Time limit for one Event. New Events are dropped while the queue is full.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Pause before a retry at a busy API server.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Length of the queue: the Events of a scale event by 16 replicas.
const QUEUE: usize = 256;

/// A leader may have written the Events of this time before its last renewal, or not: two attempts to write one.
const MARGIN: Duration = Duration::from_secs(20);

/// How much the times of one milestone at two readscopes may differ: each sees a first read with its own probes. So long
/// after the change, a new leader looks whether its predecessor has written an Event.
const APART: Duration = Duration::from_secs(30);

/// Events of the previous leader are read in pages.
const PAGE: u32 = 500;

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
    pub at: Moment,
}

pub struct Recorder {
    client: Client,
    records: mpsc::Receiver<Record>,
    instance: String,
    held: Held<Record>,
    leads_since: Option<Moment>,
}

impl Recorder {
    /// The sender queues Events for the recorder.
    pub fn new(client: Client) -> (mpsc::Sender<Record>, Self) {
        let (sender, records) = mpsc::channel(QUEUE);
        (sender, Self { client, records, instance: instance(), held: Held::default(), leads_since: None })
    }

    /// After each Event, reports to `events` whether it was written. Without a Lease, `leadership` never changes.
    pub async fn run(
        mut self,
        mut leadership: watch::Receiver<Option<Leadership>>,
        clock: Clock,
        events: mpsc::Sender<Event>,
        stop: CancellationToken,
    ) {
        let mut elects = true;
        if let Some(now) = leadership.borrow_and_update().clone() {
            self.lead(now, clock.now());
        }
        loop {
            let records = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = leadership.changed(), if elects => {
                    elects = changed.is_ok();
                    let now = leadership.borrow_and_update().clone();
                    let open = now.map(|now| self.lead(now, clock.now())).unwrap_or_default();
                    self.not_written(open).await
                }
                record = self.records.recv() => match record {
                    Some(record) => {
                        let now = clock.now();
                        let passed: Vec<_> = self.held.pass(record, now).into_iter().collect();
                        let is_new = self.leads_since.is_some_and(|since| now.since(since) <= APART);
                        if is_new { self.not_written(passed).await } else { passed }
                    }
                    None => return,
                },
            };
            for record in records {
                let problem = tokio::select! {
                    () = stop.cancelled() => return,
                    problem = self.write(record) => problem,
                };
                if events.send(Event::EventWritten(problem)).await.is_err() {
                    return;
                }
            }
        }
    }

    fn lead(&mut self, leadership: Leadership, now: Moment) -> Vec<Record> {
        let leads = leadership.leads(now);
        self.leads_since = leads.then_some(self.leads_since.unwrap_or(now));
        self.held.change(leadership, MARGIN, now)
    }

    /// Those that no readscope has written. If the Events cannot be read, all of them: twice is better than never.
    async fn not_written(&self, records: Vec<Record>) -> Vec<Record> {
        let mut open = Vec::new();
        let mut written: BTreeMap<ObjectName, Vec<core::Event>> = BTreeMap::new();
        for record in records {
            if !written.contains_key(&record.set) {
                let events = timeout(TIME_LIMIT, self.written(&record.set)).await;
                written.insert(record.set.clone(), events.ok().and_then(Result::ok).unwrap_or_default());
            }
            if !written.get(&record.set).is_some_and(|events| events.iter().any(|event| is_of(event, &record))) {
                open.push(record);
            }
        }
        open
    }

    /// The Events of every readscope about a `StatefulSet`.
    async fn written(&self, set: &ObjectName) -> kube::Result<Vec<core::Event>> {
        // The permission for these Events is there: a pending PVC is explained by them.
        let api = Api::<core::Event>::namespaced(self.client.clone(), &set.namespace);
        let fields = format!("involvedObject.kind=StatefulSet,involvedObject.name={}", set.name);
        let mut params = ListParams::default().fields(&fields).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let page = api.list(&params).await?;
            let own = |event: &core::Event| event.reporting_component.as_deref() == Some(CONTROLLER);
            all.extend(page.items.into_iter().filter(own));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(all),
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
                    Err(error) if matches!(&error, kube::Error::Api(status) if [429, 503].contains(&status.code)) => {
                        busy = Some(failure::problem(&error));
                    }
                    written => return written,
                }
                sleep(RETRY_AFTER).await;
            }
        };
        match timeout(TIME_LIMIT, writing).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(failure::problem(&error)),
            Err(_) => Some(busy.unwrap_or_else(|| failure::silence(TIME_LIMIT))),
        }
    }
}

/// Whether this Event is the record's. Two readscopes measure slightly different times, which end a note.
fn is_of(event: &core::Event, record: &Record) -> bool {
    let what = |note: &str| {
        let ends = [" (", " in ", " for "].into_iter().filter_map(|end| note.find(end));
        note[..ends.min().unwrap_or(note.len())].to_owned()
    };
    let near = |at: &MicroTime| at.0.duration_since(record.at.wall).unsigned_abs() <= APART;
    event.involved_object.uid.as_deref() == Some(&*record.uid)
        && event.reason.as_ref() == Some(&record.reason)
        && event.message.as_deref().map(what) == Some(what(&record.note))
        && event.event_time.as_ref().is_some_and(near)
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
        event_time: Some(MicroTime(at.wall)),
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
            at: Moment::START,
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
