//! Many clients, slow clients, malformed requests.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use readscope::view::web::Access;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::paths::{PATHS, served};
use crate::support::{
    exporter::{Exporter, PATIENT, SOON},
    http::{Answer, connect, get},
    script::Script,
    server::Server,
    site::{ServedHere, snapshot},
};

#[test]
fn fifty_concurrent_scrapes_fail_no_probe() {
    let server = Server::playing(Script::good());
    let mut exporter = Exporter::with(server.address, &PATIENT);
    exporter.wait_for_reads(5);
    let address = exporter.address;
    let clients: Vec<_> =
        (0..50).map(|_| thread::spawn(move || (0..4).map(|_| get(address, "/metrics")).collect())).collect();
    for client in clients {
        let answers: Vec<Answer> = client.join().unwrap();
        for answer in answers {
            assert_eq!(answer.status, 200);
            assert!(answer.text().contains("readscope_build_info{"));
        }
    }
    let metrics = exporter.wait_for_reads(5);
    assert_eq!(metrics.all_failures(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_a_byte_per_second_is_disconnected() {
    let site = ServedHere::showing(snapshot(), Access::open()).await;
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let began = tokio::time::Instant::now();
    let mut request = b"GET /metrics HTTP/1.1\r\nHost: here\r\nX: ".iter().chain(std::iter::repeat(&b'x'));
    let mut byte = [0];
    loop {
        stream.write_all(&[*request.next().unwrap()]).await.unwrap();
        tokio::select! {
            read = stream.read(&mut byte) => {
                assert!(matches!(read, Ok(0) | Err(_)), "it answers {byte:?}");
                break;
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "a client that sends a byte per second keeps its connection"
        );
    }
    let held = began.elapsed();
    assert!(held >= Duration::from_secs(5) && held <= Duration::from_secs(15), "{held:?}");
}

/// Waits for `future` on a runtime whose time is paused. Another timer of the runtime would be reached at once while the
/// kernel still delivers bytes.
async fn in_real_time<T>(what: &str, bound: Duration, future: impl Future<Output = T>) -> T {
    let (late, too_late) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        thread::sleep(bound);
        let _ = late.send(());
    });
    tokio::select! {
        value = future => value,
        _ = too_late => panic!("waited {bound:?} in vain for {what}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_disconnected() {
    let site = ServedHere::showing(snapshot(), Access::open()).await;
    for request in ["", "GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer);
        let _ = in_real_time(&format!("the end of the connection after {request:?}"), SOON, end).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_hung_up_on() {
    const REQUESTS: usize = 2000;
    let site = ServedHere::showing(snapshot(), Access::open()).await;
    let mut stream = tokio::net::TcpStream::connect(site.address).await.unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n".repeat(REQUESTS);
    // The answers fill every buffer on the way, and then the server can write no more.
    let sending = tokio::time::timeout(Duration::from_secs(600), stream.write_all(requests.as_bytes()));
    let _ = sending.await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut answers = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(600), stream.read_to_end(&mut answers)).await;
    let answered = String::from_utf8_lossy(&answers).matches("HTTP/1.1 200 OK").count();
    assert!(answered < REQUESTS, "after ten minutes it is still served");
}

/// Sends as much of `head` as the server takes, and returns the status that it answers.
fn status_of(address: SocketAddr, head: &[u8]) -> Option<u16> {
    let mut stream = connect(address);
    // The server may close the connection before the end.
    let _ = stream.write_all(head);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_head_of_1_mb_is_refused_with_431() {
    let site = served();
    let one = format!("GET /metrics HTTP/1.1\r\nHost: here\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    assert_eq!(status_of(site.address, one.as_bytes()), Some(431));
    let many = format!("GET /metrics HTTP/1.1\r\nHost: here\r\n{}\r\n", "X: y\r\n".repeat(1 << 17));
    assert_eq!(status_of(site.address, many.as_bytes()), Some(431));
    let path = format!("GET /{} HTTP/1.1\r\nHost: here\r\n\r\n", "x".repeat(1 << 20));
    assert!(matches!(status_of(site.address, path.as_bytes()), Some(414 | 431)));
    assert_eq!(get(site.address, "/-/healthy").status, 200);
}

#[test]
fn other_protocols_are_refused() {
    let site = served();
    for nonsense in [
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = connect(site.address);
        stream.write_all(nonsense).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(get(site.address, "/-/healthy").status, 200);
}

#[test]
fn slow_clients_do_not_delay_others() {
    let site = served();
    let slow: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect(site.address);
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
            stream
        })
        .collect();
    // A wait for one of them would exceed the time limit of a response.
    for (path, _) in PATHS {
        assert_eq!(get(site.address, path).status, 200, "{path}");
    }
    drop(slow);
}
