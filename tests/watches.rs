//! What an API server may do to a watch, and what is told of it: by the real client of Kubernetes, over HTTP.

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
    source::kubernetes::{Namespaces, Watcher, client},
};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch as latest},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What is answered to a question about pods.
enum Reply {
    /// A list of these pods, which is so old.
    Pods(u32, &'static [&'static str]),
    /// A watch that tells this and ends, as each does after a while.
    Events(Vec<Value>),
    /// The same of a connection that breaks.
    Broken(Vec<Value>),
    /// The same of a watch that goes on.
    Lasting(Vec<Value>),
    Refused(u16),
}

/// An API server that gives these answers, one after the other, to whoever asks for pods, and lets nobody read anything
/// else.
struct ApiServer {
    replies: Mutex<VecDeque<Reply>>,
    /// The questions about pods: `list`, or `watch` with since when.
    asked: Mutex<Vec<String>>,
}

impl ApiServer {
    fn start(replies: impl Into<VecDeque<Reply>>) -> (Arc<Self>, kube::Client) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Arc::new(Self { replies: Mutex::new(replies.into()), asked: Mutex::default() });
        let serving = Arc::clone(&server);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = Arc::clone(&serving);
                // Who hangs up has heard enough.
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
            let asked = match parameter("watch") {
                Some(_) => format!("watch {}", parameter("resourceVersion").unwrap_or_default()),
                None => "list".to_owned(),
            };
            self.asked.lock().unwrap().push(asked);
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

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
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
    let mut told = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for event in events {
        let line = event.to_string();
        told.extend(format!("{:x}\r\n{line}\n\r\n", line.len() + 1).into_bytes());
    }
    told
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

/// What the watch of pods tells, in short, until it has told enough.
async fn told(client: kube::Client, until: impl Fn(&[String]) -> bool) -> Vec<String> {
    let (_namespaces, now) = latest::channel(Namespaces::from(["mysql".into()]));
    let (events, mut received) = mpsc::channel(64);
    let stop = CancellationToken::new();
    let watching = tokio::spawn(Watcher::new(client, false).run(now, events, stop.clone()));
    let mut told = Vec::new();
    let telling = async {
        while !until(&told) {
            match received.recv().await.unwrap() {
                Event::Cluster { watch, update } if watch.kind == Kind::Pod => told.push(short(update)),
                _ => {}
            }
        }
    };
    let in_time = timeout(Duration::from_secs(120), telling).await;
    assert!(in_time.is_ok(), "no more than {told:#?}");
    stop.cancel();
    watching.await.unwrap();
    told
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
    move |told| told.last().is_some_and(|told| told == last)
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_and_a_history_that_is_gone_is_begun_with_a_list() {
    let (server, client) = ApiServer::start([
        Reply::Pods(10, &["a", "b"]),
        Reply::Events(vec![event("MODIFIED", "a", 11)]),
        Reply::Events(vec![event("ADDED", "c", 12)]),
        Reply::Events(vec![json!({"type": "ERROR", "object": status(410)})]),
        Reply::Pods(30, &["b", "c", "d"]),
        Reply::Lasting(vec![event("DELETED", "b", 31)]),
    ]);
    let told = told(client, has("b gone Live")).await;
    let lists = ["a Listed", "b Listed", "all listed", "a Live", "c Live"];
    let again = ["b Listed", "c Listed", "d Listed", "a gone Listed", "all listed", "b gone Live"];
    assert_eq!(told, [&lists[..], &again].concat(), "nothing is broken");
    assert_eq!(server.asked(), ["list", "watch 10", "watch 11", "watch 12", "list", "watch 30"]);
}

#[tokio::test]
async fn whatever_else_happens_to_a_watch_a_list_tells_what_was_missed() {
    let (server, client) = ApiServer::start([
        Reply::Refused(500),
        Reply::Pods(10, &["a"]),
        // A connection that breaks is no trouble as long as the next one goes on where it was.
        Reply::Broken(vec![event("ADDED", "b", 11)]),
        Reply::Events(vec![json!({"type": "NONSENSE"})]),
        Reply::Pods(20, &["b"]),
        // The history is gone before a watch of it begins.
        Reply::Refused(410),
        Reply::Pods(30, &["b", "c"]),
        Reply::Lasting(vec![event("ADDED", "d", 31)]),
    ]);
    let told = told(client, has("d Live")).await;
    let first = ["broken", "a Listed", "all listed", "b Live", "broken"];
    let second = ["b Listed", "a gone Listed", "all listed", "broken"];
    let third = ["b Listed", "c Listed", "all listed", "d Live"];
    assert_eq!(told, [&first[..], &second, &third].concat());
    let asked = ["list", "list", "watch 10", "watch 11", "list", "watch 20", "list", "watch 30"];
    assert_eq!(server.asked(), asked);
}

#[tokio::test]
async fn an_api_server_that_is_overloaded_is_reported_at_once() {
    for code in [429, 503, 504] {
        let (server, client) = ApiServer::start([Reply::Refused(code), Reply::Lasting(Vec::new())]);
        let told = timeout(Duration::from_secs(20), told(client, has("broken"))).await;
        assert_eq!(told.ok(), Some(vec!["broken".to_owned()]), "{code}");
        assert_eq!(server.asked(), ["list"], "{code}");
    }
}

#[tokio::test]
async fn a_permission_that_is_withdrawn_and_given_back_is_told_both_times() {
    let (server, client) = ApiServer::start([
        Reply::Pods(10, &["a"]),
        Reply::Events(Vec::new()),
        Reply::Refused(403),
        Reply::Refused(403),
        Reply::Pods(20, &["b"]),
        Reply::Lasting(vec![event("ADDED", "c", 21)]),
    ]);
    let told = told(client, has("c Live")).await;
    let withdrawn = ["a Listed", "all listed", "forbidden", "forbidden"];
    let back = ["b Listed", "a gone Listed", "all listed", "c Live"];
    assert_eq!(told, [&withdrawn[..], &back].concat());
    assert_eq!(server.asked(), ["list", "watch 10", "watch 10", "list", "list", "watch 20"]);
}

#[tokio::test]
async fn an_object_is_read_as_far_as_it_matters_and_its_version_is_kept() {
    // Fields that are not known, null where the API would leave a field out, and what is written about writers.
    let mut strange = pod("a", 10);
    strange["metadata"]["managedFields"] = json!([{"manager": "kubelet", "fieldsV1": {"f:status": {}}}]);
    strange["status"] = json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "no address"}], "conditions": null, "new": [1]});
    let (server, client) = ApiServer::start([
        Reply::Pods(9, &[]),
        Reply::Events(vec![json!({"type": "ADDED", "object": strange})]),
        Reply::Events(vec![bookmark(15)]),
        Reply::Lasting(vec![event("DELETED", "a", 16)]),
    ]);
    assert_eq!(told(client, has("a gone Live")).await, ["all listed", "a Live", "a gone Live"]);
    assert_eq!(server.asked(), ["list", "watch 9", "watch 10", "watch 15"]);
}
