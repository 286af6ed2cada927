//! Limits of concurrent requests, and request smuggling.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use readscope::{model::Snapshot, view::web::Access};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};

use super::paths::served;
use crate::support::{
    http::{Answer, connect, get},
    site::{ServedHere, answered, snapshot},
    waiting::wait_until,
};

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(60);

async fn served_here(snapshot: Snapshot) -> ServedHere {
    ServedHere::showing(snapshot, Access::open()).await
}

const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";

/// A client that has requested the metrics.
async fn scrape(address: SocketAddr) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(SCRAPE).await.unwrap();
    stream
}

async fn answer(mut stream: tokio::net::TcpStream) -> Answer {
    let mut bytes = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    Answer::read(&bytes[..]).unwrap()
}

#[test]
fn scrapes_above_the_limit_are_refused() {
    const PLACES: usize = 64;
    // One thread renders, and it is busy with something else.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let site = served_here(snapshot()).await;
        let (release, mut released) = mpsc::channel::<()>(1);
        tokio::task::spawn_blocking(move || released.blocking_recv());
        let (done, mut over) = mpsc::channel(2 * PLACES);
        for _ in 0..PLACES + 10 {
            let (done, stream) = (done.clone(), scrape(site.address).await);
            tokio::spawn(async move { done.send(answer(stream).await).await });
        }
        for _ in 0..10 {
            let refused = tokio::time::timeout(SOON, over.recv()).await.unwrap().unwrap();
            assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
        }
        drop(release);
        for _ in 0..PLACES {
            let scraped = tokio::time::timeout(SOON, over.recv()).await.unwrap().unwrap();
            assert_eq!(scraped.status, 200, "{scraped:?}");
        }
        assert_eq!(answer(scrape(site.address).await).await.status, 200);
    });
}

#[tokio::test]
async fn responses_for_slow_clients_are_limited_until_the_clients_are_gone() {
    // A scrape of tens of megabytes, more than sockets buffer.
    let site = served_here(answered(&[(&"x".repeat(200_000), 5)], 0)).await;
    let slow = scrape(site.address).await;
    slow.readable().await.unwrap();
    let refused = answer(scrape(site.address).await).await;
    assert_eq!(refused.status, 503, "{} bytes", refused.body.len());
    drop(slow);
    let mut scraped = None;
    for _ in 0..1000 {
        let again = answer(scrape(site.address).await).await;
        if again.status == 200 {
            scraped = Some(again);
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let scraped = scraped.expect("the places of the slow client are free again");
    assert!(scraped.body.len() > 16 << 20, "{} bytes", scraped.body.len());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_too_slowly_is_disconnected() {
    let site = served_here(answered(&[(&"x".repeat(200_000), 5)], 0)).await;
    let mut slow = scrape(site.address).await;
    slow.readable().await.unwrap();
    // Paused time does not advance while a response is rendered.
    for _ in 0..60 {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let mut bytes = Vec::new();
    // The end of the connection may be an error.
    let _ = tokio::time::timeout(SOON, slow.read_to_end(&mut bytes)).await;
    assert!(bytes.len() < 16 << 20, "after a minute it has all {} bytes", bytes.len());
}

/// The response to these bytes until the server closes the connection.
fn response(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(address);
    // The server may close the connection before the end.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_smuggled_request_is_never_answered() {
    let site = served();
    let hidden = "GET /config HTTP/1.1\r\nHost: here\r\n\r\n";
    let length = hidden.len();
    let post = "POST /-/healthy HTTP/1.1\r\nHost: here\r\n";
    for (head, body) in [
        (format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), hidden.to_owned()),
        (format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), hidden.to_owned()),
        (format!("Content-Length: 0, {length}\r\n"), hidden.to_owned()),
        (format!("Content-Length: {length}\r\n"), hidden.to_owned()),
        ("Content-Length: +5\r\n".to_owned(), hidden.to_owned()),
        ("Content-Length: -1\r\n".to_owned(), hidden.to_owned()),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), format!("0\r\n\r\n{hidden}")),
        (
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), format!("0\r\n\r\n{hidden}")),
        ("Transfer-Encoding : chunked\r\n".to_owned(), format!("0\r\n\r\n{hidden}")),
    ] {
        let response = response(site.address, format!("{post}{head}\r\n{body}").as_bytes());
        assert!(!response.contains("HTTP/1.1 200 OK"), "{head:?}: {response}");
        assert!(!response.contains("targets:"), "{head:?}: {response}");
    }
    assert_eq!(get(site.address, "/-/healthy").status, 200);
}

#[test]
fn two_content_lengths_are_refused() {
    let site = served();
    let response = response(
        site.address,
        b"GET /-/healthy HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    );
    assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
}

#[test]
fn a_request_body_is_refused_or_never_read() {
    let site = served();
    let announced = "GET /-/healthy HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000\r\n\r\n";
    let refused = response(site.address, announced.as_bytes());
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");

    let mut endless = connect(site.address);
    endless.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    wait_until("the end of an endless body", SOON, || endless.write_all(chunk.as_bytes()).is_err());
    let small = response(
        site.address,
        b"GET /-/healthy HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert!(small.starts_with("HTTP/1.1 200 OK"), "{small}");
}

#[test]
fn connections_above_the_limit_wait_for_a_free_place() {
    const PLACES: usize = 512;
    let site = served();
    let held: Vec<TcpStream> = (0..PLACES)
        .map(|_| {
            let mut stream = connect(site.address);
            stream.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
            let mut status = [0; 15];
            stream.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 200 OK");
            stream
        })
        .collect();
    let mut waiting = connect(site.address);
    waiting.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(waiting.read(&mut [0]).is_err(), "{PLACES} others are served at the same time");
    drop(held);
    waiting.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(Answer::read(waiting).unwrap().status, 200);
}
