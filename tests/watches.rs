//! Events of a watch for everything that an API server may do to it, with the real Kubernetes client over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use readscope::{
    model::{
        Event, WatchUpdate,
        cluster::{Change, Kind, Object},
    },
    source::kubernetes::{Namespaces, Scope, Watcher, client},
};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch as latest},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// The response to a request for pods.
enum Reply {
    /// A list of these pods, with its resource version.
    Pods(u32, &'static [&'static str]),
    /// A watch that sends these events and ends.
    Events(Vec<Value>),
    /// A watch that sends these events, then its connection breaks.
    Broken(Vec<Value>),
    /// A watch that sends a part of this event, then its connection breaks.
    Half(Value),
    /// A watch that sends these events and stays open.
    Lasting(Vec<Value>),
    Refused(u16),
}

/// An API server that sends these replies to requests for pods, in order. It refuses all other requests.
struct ApiServer {
    replies: Mutex<VecDeque<Reply>>,
    /// Requests for pods: `list`, or `watch` with its resource version.
    requests: Mutex<Vec<String>>,
}

impl ApiServer {
    fn start(replies: impl Into<VecDeque<Reply>>) -> (Arc<Self>, kube::Client) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Arc::new(Self { replies: Mutex::new(replies.into()), requests: Mutex::default() });
        let serving = Arc::clone(&server);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = Arc::clone(&serving);
                // A client may close its connection at any time.
                thread::spawn(move || server.serve(&client));
            }
        });
        (server, client(kube::Config::new(url.parse().unwrap())).unwrap())
    }

    fn serve(&self, mut client: &TcpStream) -> io::Result<()> {
        let mut requests = BufReader::new(client).lines();
        while let Some(request) = requests.next().transpose()? {
            for header in requests.by_ref() {
                if header?.is_empty() {
                    break;
                }
            }
            let target = request.split(' ').nth(1).unwrap_or_default();
            let (path, query) = target.split_once('?').unwrap_or((target, ""));
            if !path.ends_with("/pods") {
                client.write_all(&refused(403))?;
                continue;
            }
            let parameter = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            let request = match parameter("watch") {
                Some(_) => format!("watch {}", parameter("resourceVersion").unwrap_or_default()),
                None => "list".to_owned(),
            };
            self.requests.lock().unwrap().push(request);
            let reply = self.replies.lock().unwrap().pop_front();
            match reply {
                Some(Reply::Pods(version, names)) => {
                    let items: Vec<_> = names.iter().map(|name| pod(name, version)).collect();
                    let list = json!({"metadata": {"resourceVersion": version.to_string()}, "items": items});
                    client.write_all(&answer(200, &list))?;
                }
                Some(Reply::Events(events)) => {
                    client.write_all(&watch(&events))?;
                    client.write_all(b"0\r\n\r\n")?;
                }
                Some(Reply::Broken(events)) => return client.write_all(&watch(&events)),
                Some(Reply::Half(event)) => {
                    let whole = watch(&[event]);
                    return client.write_all(&whole[..whole.len() - 30]);
                }
                Some(Reply::Lasting(events)) => {
                    client.write_all(&watch(&events))?;
                    thread::park();
                }
                Some(Reply::Refused(code)) => client.write_all(&refused(code))?,
                None => thread::park(),
            }
        }
        Ok(())
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(code: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {code} Answer\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    format!("{head}\r\n\r\n{body}").into_bytes()
}

fn status(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "no", "reason": "Any", "code": code})
}

fn refused(code: u16) -> Vec<u8> {
    answer(code, &status(code))
}

fn watch(events: &[Value]) -> Vec<u8> {
    let mut response =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for event in events {
        let line = event.to_string();
        response.extend(format!("{:x}\r\n{line}\n\r\n", line.len() + 1).into_bytes());
    }
    response
}

fn pod(name: &str, version: u32) -> Value {
    let metadata = json!({"name": name, "namespace": "mysql", "uid": name, "resourceVersion": version.to_string()});
    json!({"metadata": metadata, "spec": {"containers": []}, "status": {}})
}

fn event(kind: &str, name: &str, version: u32) -> Value {
    json!({"type": kind, "object": pod(name, version)})
}

fn bookmark(version: u32) -> Value {
    let metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
    json!({"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {}}})
}

/// The events of the watch of pods, in short, until they are complete.
async fn watched(client: kube::Client, until: impl Fn(&[String]) -> bool) -> Vec<String> {
    let (_namespaces, now) = latest::channel(Namespaces::from(["mysql".into()]));
    let (events, mut received) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(Watcher::new(client, Scope::Routing).run(now, events, stop.clone()));
    let mut seen = Vec::new();
    let receiving = async {
        while !until(&seen) {
            match received.recv().await.unwrap() {
                Event::Cluster { watch, update } if watch.kind == Kind::Pod => seen.push(short(update)),
                _ => {}
            }
        }
    };
    let in_time = timeout(Duration::from_secs(120), receiving).await;
    assert!(in_time.is_ok(), "only {seen:#?}");
    stop.cancel();
    watching.await.unwrap();
    seen
}

fn short(update: WatchUpdate) -> String {
    match update {
        WatchUpdate::Listed => "all listed".to_owned(),
        WatchUpdate::Broken(problem) if problem.forbidden => "forbidden".to_owned(),
        WatchUpdate::Broken(_) => "broken".to_owned(),
        WatchUpdate::Change(change) => match *change {
            Change::Applied(Object::Pod(pod), receipt) => format!("{} {receipt:?}", pod.name.name),
            Change::Deleted(_, name, receipt) => format!("{} gone {receipt:?}", name.name),
            Change::Applied(..) => "no pod".to_owned(),
        },
    }
}

fn has(last: &'static str) -> impl Fn(&[String]) -> bool {
    move |seen| seen.last().is_some_and(|seen| seen == last)
}

#[tokio::test]
async fn a_watch_resumes_after_its_end_and_lists_after_a_compaction() {
    let (server, client) = ApiServer::start([
        Reply::Pods(10, &["a", "b"]),
        Reply::Events(vec![event("MODIFIED", "a", 11)]),
        Reply::Events(vec![event("ADDED", "c", 12)]),
        Reply::Events(vec![json!({"type": "ERROR", "object": status(410)})]),
        Reply::Pods(30, &["b", "c", "d"]),
        Reply::Lasting(vec![event("DELETED", "b", 31)]),
    ]);
    let seen = watched(client, has("b gone Live")).await;
    let lists = ["a Listed", "b Listed", "all listed", "a Live", "c Live"];
    let again = ["b Listed", "c Listed", "d Listed", "a gone Listed", "all listed", "b gone Live"];
    assert_eq!(seen, [&lists[..], &again].concat(), "no error is reported");
    assert_eq!(server.requests(), ["list", "watch 10", "watch 11", "watch 12", "list", "watch 30"]);
}

#[tokio::test]
async fn a_list_after_a_broken_watch_shows_what_was_missed() {
    let (server, client) = ApiServer::start([
        Reply::Refused(500),
        Reply::Pods(10, &["a"]),
        // A broken connection is not reported if the next one can resume.
        Reply::Broken(vec![event("ADDED", "b", 11)]),
        Reply::Events(vec![json!({"type": "NONSENSE"})]),
        Reply::Pods(20, &["b"]),
        // The history is compacted before the watch starts.
        Reply::Refused(410),
        Reply::Pods(30, &["b", "c"]),
        Reply::Lasting(vec![event("ADDED", "d", 31)]),
    ]);
    let seen = watched(client, has("d Live")).await;
    let first = ["broken", "a Listed", "all listed", "b Live", "broken"];
    let second = ["b Listed", "a gone Listed", "all listed", "broken"];
    let third = ["b Listed", "c Listed", "all listed", "d Live"];
    assert_eq!(seen, [&first[..], &second, &third].concat());
    let requests = ["list", "list", "watch 10", "watch 11", "list", "watch 20", "list", "watch 30"];
    assert_eq!(server.requests(), requests);
}

#[tokio::test]
async fn half_a_watch_event_is_delivered_once_and_whole() {
    let (server, client) = ApiServer::start([
        Reply::Pods(10, &["a"]),
        Reply::Half(event("ADDED", "b", 11)),
        Reply::Lasting(vec![event("ADDED", "b", 11), event("ADDED", "c", 12)]),
    ]);
    assert_eq!(watched(client, has("c Live")).await, ["a Listed", "all listed", "b Live", "c Live"]);
    assert_eq!(server.requests(), ["list", "watch 10", "watch 10"]);
}

#[tokio::test]
async fn an_overloaded_api_server_is_reported_at_once() {
    for code in [429, 503, 504] {
        let (server, client) = ApiServer::start([Reply::Refused(code), Reply::Lasting(Vec::new())]);
        let seen = timeout(Duration::from_secs(20), watched(client, has("broken"))).await;
        assert_eq!(seen.ok(), Some(vec!["broken".to_owned()]), "{code}");
        assert_eq!(server.requests(), ["list"], "{code}");
    }
}

#[tokio::test]
async fn loss_and_return_of_a_permission_are_reported() {
    let (server, client) = ApiServer::start([
        Reply::Pods(10, &["a"]),
        Reply::Events(Vec::new()),
        Reply::Refused(403),
        Reply::Refused(403),
        Reply::Pods(20, &["b"]),
        Reply::Lasting(vec![event("ADDED", "c", 21)]),
    ]);
    let seen = watched(client, has("c Live")).await;
    let withdrawn = ["a Listed", "all listed", "forbidden", "forbidden"];
    let back = ["b Listed", "a gone Listed", "all listed", "c Live"];
    assert_eq!(seen, [&withdrawn[..], &back].concat());
    assert_eq!(server.requests(), ["list", "watch 10", "watch 10", "list", "list", "watch 20"]);
}

#[tokio::test]
async fn unknown_fields_are_ignored_and_the_resource_version_is_kept() {
    // Unknown fields, null instead of a missing field, and managed fields.
    let mut strange = pod("a", 10);
    strange["metadata"]["managedFields"] = json!([{"manager": "kubelet", "fieldsV1": {"f:status": {}}}]);
    strange["status"] = json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "no address"}], "conditions": null, "new": [1]});
    let (server, client) = ApiServer::start([
        Reply::Pods(9, &[]),
        Reply::Events(vec![json!({"type": "ADDED", "object": strange})]),
        Reply::Events(vec![bookmark(15)]),
        Reply::Lasting(vec![event("DELETED", "a", 16)]),
    ]);
    assert_eq!(watched(client, has("a gone Live")).await, ["all listed", "a Live", "a gone Live"]);
    assert_eq!(server.requests(), ["list", "watch 9", "watch 10", "watch 15"]);
}
