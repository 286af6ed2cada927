//! The stream of events.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use readscope::view::web::Site;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::paths::{CONFIGURATION, assert_guarded, served};
use crate::support::{
    http::{Answer, connect, get},
    site::{Served, answered, nothing, snapshot},
    waiting::wait_for,
};

/// An open stream of events.
pub(crate) struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    pub(crate) fn open(address: SocketAddr, query: &str) -> Self {
        let mut stream = connect(address);
        let request = format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: here\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let answer = Answer::head(head.as_bytes());
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")), "{answer:?}");
        assert_guarded(&answer);
        Self { lines }
    }

    /// The next event without beats; `None` at the end of the stream.
    fn next(&mut self) -> Option<(String, Value)> {
        self.next_data().map(|(name, data)| (name, serde_json::from_str(&data).unwrap()))
    }

    /// The data of the next event, which must have this name.
    pub(crate) fn next_text(&mut self, wanted: &str) -> String {
        let (name, data) = self.next_data().unwrap();
        assert_eq!(name, wanted, "{data}");
        data
    }

    fn next_data(&mut self) -> Option<(String, String)> {
        let mut name = String::new();
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).unwrap();
            if let Some(event) = line.strip_prefix("event: ") {
                event.trim().clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                if name != "beat" {
                    return Some((name, data.trim_end().to_owned()));
                }
            } else if line == "0\r\n" {
                return None;
            }
        }
    }

    fn next_named(&mut self, wanted: &str) -> Value {
        loop {
            let (name, data) = self.next().unwrap_or_else(|| panic!("the stream ends before {wanted}"));
            if name == wanted {
                return data;
            }
        }
    }
}

#[test]
fn a_stream_starts_with_the_documents_of_the_api() {
    let site = served();
    let api = get(site.address, "/api/v1/targets").json();
    let scale_events = get(site.address, "/api/v1/scale-events").json();
    for query in ["", "?target=mysql/mysql-read", "?a=b&target=mysql%2Fmysql-read"] {
        let mut events = Events::open(site.address, query);
        let (name, first) = events.next().unwrap();
        assert_eq!((name.as_str(), &first["targets"]), ("snapshot", &api["targets"]), "{query}");
        assert_eq!(first["taken"], "1970-01-01T00:00:03.000Z");
        assert_eq!(events.next().unwrap(), ("scale_events".to_owned(), scale_events.clone()));
    }
}

#[test]
fn each_read_is_sent_once_with_its_snapshot() {
    let site = Served::showing(nothing(), CONFIGURATION);
    let mut events = Events::open(site.address, "");
    assert_eq!(events.next_named("snapshot")["targets"][0]["last_reads"], Value::Array(Vec::new()));
    for answers in [1, 2, 4] {
        site.show(answered(&[("mysql/mysql-read", answers)], answers.try_into().unwrap()));
        let new = events.next_named("answers");
        assert_eq!(new["target"], "mysql/mysql-read");
        assert_eq!(new["answers"].as_array().unwrap().len(), if answers == 4 { 2 } else { 1 });
        let newest = format!("1970-01-01T00:00:{:02}.000Z", answers - 1);
        assert_eq!(new["answers"][0]["time"].as_str(), Some(newest.as_str()));
        let snapshot = events.next_named("snapshot");
        assert_eq!(snapshot["targets"][0]["probes"], answers);
        assert!(snapshot["targets"][0].get("last_reads").is_none(), "the reader has them already");
    }
}

#[test]
fn the_overview_has_the_changed_targets() {
    let names = |event: &Value| -> Vec<String> {
        event["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|target| target["target"].as_str().unwrap().to_owned())
            .collect()
    };
    let site = Served::showing(answered(&[("a/b", 1), ("c/d", 1)], 1), CONFIGURATION);
    let mut events = Events::open(site.address, "");
    let whole = events.next_named("overview");
    assert_eq!((names(&whole), &whole["whole"]), (vec!["a/b".to_owned(), "c/d".to_owned()], &Value::Bool(true)));
    assert_eq!(whole["targets"][1]["probes"], 1);

    let mut second = Events::open(site.address, "?target=c/d");
    assert_eq!(names(&second.next_named("snapshot")), ["c/d"]);

    site.show(answered(&[("a/b", 1), ("c/d", 1), ("e/f", 1)], 2));
    let more = events.next_named("overview");
    assert_eq!((names(&more).len(), &more["whole"]), (3, &Value::Bool(true)));

    // The target of the second stream is removed, and one target is left.
    site.show(answered(&[("a/b", 1)], 3));
    for stream in [&mut events, &mut second] {
        assert!(stream.next_named("end")["reason"].as_str().unwrap().contains("targets changed"));
        assert_eq!(stream.next(), None);
    }
}

#[test]
fn an_unknown_target_is_404() {
    let site = served();
    for query in ["?target=", "?target=nothing", "?target=%ff", "?target=mysql/mysql-read%00"] {
        let answer = get(site.address, &format!("/api/v1/events{query}"));
        assert_eq!(answer.status, 404, "{query}");
        assert_guarded(&answer);
    }
}

#[test]
fn streams_end_at_shutdown_and_do_not_delay_it() {
    let site = served();
    let mut streams: Vec<_> = (0..10).map(|_| Events::open(site.address, "")).collect();
    for stream in &mut streams {
        stream.next_named("scale_events");
    }
    let began = Instant::now();
    site.stop();
    for stream in &mut streams {
        assert!(stream.next_named("end")["reason"].as_str().unwrap().contains("shutting down"));
        assert_eq!(stream.next(), None);
    }
    drop(site);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn streams_above_the_limit_are_refused_until_others_close() {
    let site = served();
    let streams: Vec<_> = (0..256).map(|_| Events::open(site.address, "")).collect();
    let refused = get(site.address, "/api/v1/events");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")), "{refused:?}");
    assert_eq!(get(site.address, "/metrics").status, 200);
    drop(streams);
    // The server notices with the next thing that it sends.
    wait_for("a place", Duration::from_secs(60), || {
        let mut stream = connect(site.address);
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        (&status == b"HTTP/1.1 200").then_some(())
    });
}

/// What a stream sends until its end, to a reader that rests for `rest` before it reads, while every 100 ms something
/// happens to a target whose name is `bytes` long.
async fn read_after(rest: Duration, bytes: usize) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let name = "x".repeat(bytes);
    let (snapshots, shown) = tokio::sync::watch::channel(answered(&[(&name, 0)], 0));
    let site = Arc::new(Site::new(shown, tokio::sync::watch::channel(String::new()).1, stop.clone()));
    let serving = tokio::spawn(site.serve(listener));
    let happening = tokio::spawn(async move {
        for at in 1.. {
            tokio::time::sleep(Duration::from_millis(100)).await;
            snapshots.send_replace(answered(&[(&name, 1)], at));
        }
    });
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.unwrap();
    tokio::time::sleep(rest).await;
    let mut text = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(1000), stream.read_to_end(&mut text)).await;
    happening.abort();
    stop.cancel();
    let _ = serving.await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_disconnected_with_the_reason() {
    let text = read_after(Duration::from_secs(60), 1 << 20).await;
    let end = text.rfind("event: end").unwrap_or_else(|| panic!("{} bytes and no end", text.len()));
    assert!(text[end..].contains("the reader was too slow"), "{}", &text[end..]);
    // A minute's frames were not kept for it: what it got is what the sockets hold.
    assert!(text.matches("event: snapshot").count() < 100, "{}", text.matches("event: snapshot").count());
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_before_its_connection_and_asks_to_reconnect() {
    let text = read_after(Duration::ZERO, 10).await;
    let end = text.rfind("event: end").unwrap_or_else(|| panic!("{} bytes and no end", text.len()));
    assert!(text[end..].contains("\"again\":true"), "{}", &text[end..]);
    let frames = text.matches("event: snapshot").count();
    assert!((1000..3000).contains(&frames), "{frames} frames in 200 s");
}

#[test]
fn a_head_request_opens_no_stream() {
    let site = Served::showing(snapshot(), CONFIGURATION);
    let mut stream = connect(site.address);
    stream.write_all(b"HEAD /api/v1/events HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let answer = Answer::read(stream).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}
