//! HTTP/2 for TLS clients, and its misuse.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Empty};
use hyper::{Method, Request, Response, StatusCode, Version, body::Bytes, body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use readscope::view::web::Access;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use crate::support::{
    fixtures::{tls, tls_server},
    site::{ServedHere, snapshot},
};

/// Long enough for a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// A connection whose frames the test writes itself.
struct Raw(TlsStream<TcpStream>);

/// A frame: its type, its flags, its stream and what is in it.
type Frame = (u8, u8, u32, Vec<u8>);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// A site over TLS in the runtime of the test, with a certificate and no users.
async fn served() -> ServedHere {
    let mut config = Arc::unwrap_or_clone(tls_server("server"));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let access = Access::new(Some(TlsAcceptor::from(Arc::new(config))), [].into(), &[], None);
    ServedHere::showing(snapshot(), access).await
}

/// A connection of a client that speaks these protocols.
pub(crate) async fn connect(address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
    try_connect(address, protocols).await.unwrap()
}

/// The same, if it comes about.
pub(crate) async fn try_connect(address: SocketAddr, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(tls("authority.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(address.ip().to_string()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn request(method: Method, path: &str) -> Request<Empty<Bytes>> {
    let address = format!("https://127.0.0.1{path}");
    Request::builder().method(method).uri(address).version(Version::HTTP_2).body(Empty::new()).unwrap()
}

/// The responses to one request after the other, with the client of hyper.
async fn answers(address: SocketAddr, requests: Vec<Request<Empty<Bytes>>>) -> Vec<Response<Incoming>> {
    let stream = connect(address, &["h2"]).await;
    let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        answers.push(timeout(SOON, sender.send_request(request)).await.unwrap().unwrap());
    }
    answers
}

async fn whole(answer: Response<Incoming>) -> String {
    let body = timeout(SOON, answer.into_body().collect()).await.unwrap().unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn responses_equal_those_of_http_1() {
    let site = served().await;
    let agreed = async |protocols: &[&str]| {
        let stream = connect(site.address, protocols).await;
        stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
    };
    assert_eq!(agreed(&["http/1.1", "h2"]).await.as_deref(), Some("h2"));
    assert_eq!(agreed(&["http/1.1"]).await.as_deref(), Some("http/1.1"));
    assert_eq!(agreed(&[]).await, None);

    let wanted = [
        request(Method::GET, "/metrics"),
        request(Method::HEAD, "/metrics"),
        request(Method::GET, "/api/v1/targets"),
        request(Method::GET, "/nothing"),
        request(Method::PUT, "/metrics"),
        request(Method::GET, "/api/v1/events"),
    ];
    let answers = answers(site.address, wanted.to_vec()).await;
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 404, 405, 200]);
    let length = |answer: &Response<Incoming>| {
        answer.headers().get("content-length").map(|length| length.to_str().unwrap().parse::<usize>().unwrap())
    };
    let [metrics, head, targets, _, refused, mut events]: [_; 6] = answers.try_into().unwrap();
    assert_eq!(metrics.headers()["x-content-type-options"], "nosniff");
    let (announced, metrics) = (length(&metrics), whole(metrics).await);
    assert_eq!(announced, Some(metrics.len()));
    assert!(metrics.contains("readscope_build_info{"), "{metrics}");
    assert!(length(&head).is_some_and(|length| length > 1000), "{head:?}");
    assert_eq!(whole(head).await, "");
    assert!(whole(targets).await.starts_with("{\"targets\":["));
    assert_eq!(refused.headers()["allow"], "GET, HEAD");
    let mut received = String::new();
    while !received.contains("event: scale_events") {
        let frame = timeout(SOON, events.body_mut().frame()).await.unwrap().unwrap().unwrap();
        received += str::from_utf8(&frame.into_data().unwrap()).unwrap();
    }
    assert!(received.contains("event: snapshot\ndata: {"), "{received}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let site = served().await;
    let mut large = request(Method::GET, "/metrics");
    large.headers_mut().insert("x", "y".repeat(40_000).parse().unwrap());
    // A client of hyper respects the announced limit by itself.
    let stream = connect(site.address, &["h2"]).await;
    let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    match timeout(SOON, sender.send_request(large)).await.unwrap() {
        Ok(answer) => assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Err(error) => assert!(error.is_user() || format!("{error:?}").contains("too big"), "{error:?}"),
    }
    assert_eq!(answers(site.address, vec![request(Method::GET, "/-/healthy")]).await[0].status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_is_disconnected() {
    let site = served().await;
    let mut raw = Raw::open(site.address).await;
    let began = Instant::now();
    raw.rest().await;
    let held = began.elapsed();
    assert!(held >= Duration::from_secs(5) && held <= Duration::from_secs(20), "{held:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_response_is_disconnected() {
    let site = served().await;
    let mut raw = Raw::open(site.address).await;
    let began = Instant::now();
    // Without a window nothing may be sent.
    raw.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
    raw.request(1, "/metrics").await;
    let frames = raw.rest().await;
    let held = began.elapsed();
    assert!(held >= Duration::from_secs(25) && held <= Duration::from_secs(60), "{held:?}");
    assert!(frames.iter().any(|frame| frame.0 == HEADERS), "{frames:?}");
    assert!(!frames.iter().any(|frame| frame.0 == DATA && !frame.3.is_empty()), "{frames:?}");
}

#[tokio::test]
async fn many_cancelled_requests_end_the_connection() {
    const MANY: u32 = 10_000;
    let site = served().await;
    let mut raw = Raw::open(site.address).await;
    for number in 0..MANY {
        let stream = 2 * number + 1;
        let sent = raw.try_request(stream, "/metrics").await;
        if !sent || !raw.try_send(RST_STREAM, 0, stream, &[0, 0, 0, 8]).await {
            break;
        }
    }
    let frames = timeout(SOON, raw.rest()).await.unwrap();
    let farewell = frames.iter().find(|frame| frame.0 == GOAWAY).map(|frame| code(&frame.3[4..8]));
    // It may be lost with the connection that it announces the end of.
    assert!(farewell.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{farewell:?}");
    let answered = frames.iter().filter(|frame| frame.0 == HEADERS).count();
    assert!(answered < 1000, "{answered} requests were answered");
    assert_eq!(answers(site.address, vec![request(Method::GET, "/-/healthy")]).await[0].status(), 200);
}

#[tokio::test]
async fn requests_above_the_limit_are_refused() {
    const EVENTS: &str = "/api/v1/events";
    let site = served().await;
    let mut raw = Raw::open(site.address).await;
    for number in 0..130 {
        raw.request(2 * number + 1, EVENTS).await;
    }
    let (mut opened, mut refused) = (0, 0);
    while opened + refused < 130 {
        let next = timeout(SOON, raw.frame()).await;
        let next = next.unwrap_or_else(|_| panic!("{opened} opened, {refused} refused, and no further frame"));
        let (kind, _, _, payload) = next.expect("the connection lasts");
        match kind {
            HEADERS => opened += 1,
            RST_STREAM => {
                assert_eq!(code(&payload), REFUSED_STREAM);
                refused += 1;
            }
            _ => {}
        }
    }
    assert_eq!((opened, refused), (100, 30));
    // What they hold ends with their connection.
    drop(raw);
    assert_eq!(answers(site.address, vec![request(Method::GET, EVENTS)]).await[0].status(), 200);
}

#[tokio::test]
async fn an_endless_head_ends_the_connection() {
    const MANY: usize = 10_000;
    let site = served().await;
    let mut raw = Raw::open(site.address).await;
    // A field of the static table, again and again.
    let fields = [0x82; 1024];
    raw.send(HEADERS, END_STREAM, 1, &fields).await;
    let mut sent = 0;
    while sent < MANY && raw.try_send(CONTINUATION, 0, 1, &fields).await {
        sent += 1;
    }
    let frames = timeout(SOON, raw.rest()).await.unwrap();
    assert!(!frames.iter().any(|frame| frame.0 == HEADERS && frame.3.first() == Some(&0x88)), "{frames:?}");
    assert_eq!(answers(site.address, vec![request(Method::GET, "/-/healthy")]).await[0].status(), 200);
}

#[tokio::test]
async fn an_unread_request_body_is_limited() {
    let site = served().await;
    let mut raw = Raw::open(site.address).await;
    raw.send(HEADERS, END_HEADERS, 1, &head("/-/healthy")).await;
    // More than the window that the server gives.
    let mut taken = 0;
    while taken < 200_000 && raw.try_send(DATA, 0, 1, &[0; 10_000]).await {
        taken += 10_000;
    }
    let frames = timeout(SOON, raw.until(|frame| matches!(frame.0, RST_STREAM | GOAWAY))).await.unwrap();
    assert!(frames.iter().any(|frame| matches!(frame.0, RST_STREAM | GOAWAY)), "{frames:?}");
    assert_eq!(answers(site.address, vec![request(Method::GET, "/-/healthy")]).await[0].status(), 200);
}

fn code(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

/// The head of a GET request: of the static table `:method: GET` and `:scheme: https`, and two with their values here.
fn head(path: &str) -> Vec<u8> {
    let mut head = vec![0x82, 0x87];
    for (index, value) in [(4, path), (1, "here")] {
        head.push(index);
        head.push(u8::try_from(value.len()).unwrap());
        head.extend_from_slice(value.as_bytes());
    }
    head
}

impl Raw {
    async fn open(address: SocketAddr) -> Self {
        let mut raw = Self(connect(address, &["h2"]).await);
        raw.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        raw.send(SETTINGS, 0, 0, &[]).await;
        raw.send(SETTINGS, ACK, 0, &[]).await;
        raw
    }

    async fn request(&mut self, stream: u32, path: &str) {
        assert!(self.try_request(stream, path).await);
    }

    async fn try_request(&mut self, stream: u32, path: &str) -> bool {
        self.try_send(HEADERS, END_STREAM | END_HEADERS, stream, &head(path)).await
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        assert!(self.try_send(kind, flags, stream, payload).await);
    }

    /// Whether the server still takes it.
    async fn try_send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        // What is written may wait in the encryption for its flush.
        let sending = async { self.0.write_all(&frame).await.and(self.0.flush().await) };
        matches!(timeout(SOON, sending).await, Ok(Ok(())))
    }

    /// The next frame; `None` at the end of the connection.
    async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((head[3], head[4], code(&head[5..]), payload))
    }

    /// All frames to the end.
    async fn rest(&mut self) -> Vec<Frame> {
        self.until(|_| false).await
    }

    /// All frames up to the first that matches, or to the end.
    async fn until(&mut self, meant: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
            if frames.last().is_some_and(&meant) {
                break;
            }
        }
        frames
    }
}
