//! A minimal HTTP client: one request, the whole response.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// No answer takes longer, even where other programs keep the machine busy.
const WITHIN: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

/// A connection that a request can be written to piece by piece.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(WITHIN)).unwrap();
    stream.set_write_timeout(Some(WITHIN)).unwrap();
    stream
}

/// Sends one request without a body; the connection ends with the answer.
pub(crate) fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    try_request(address, method, path, headers).unwrap()
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, "")
}

/// As [`get`], of a server that may be gone.
pub(crate) fn try_get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    try_request(address, "GET", path, "")
}

fn try_request(address: SocketAddr, method: &str, path: &str, headers: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes())?;
    Answer::read(stream)
}

impl Answer {
    /// Reads an answer to the end of its connection.
    pub(crate) fn read(mut stream: impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut answer = Self::head(&bytes[..end]);
        answer.body = bytes.split_off(end + 4);
        if answer.header("Transfer-Encoding") == Some("chunked") {
            answer.body = joined(&answer.body).ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        Ok(answer)
    }

    /// The answer that begins so, without its body.
    pub(crate) fn head(bytes: &[u8]) -> Self {
        let head = String::from_utf8(bytes.to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: Vec::new() }
    }

    /// The value of a header, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// What was sent in chunks, each after its length; nothing if the last one, which is empty, is missing.
fn joined(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = chunks.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(whole);
        }
        let chunk = chunks.get(line + 2..line + 2 + length)?;
        whole.extend_from_slice(chunk);
        chunks = chunks.get(line + 2 + length + 2..)?;
    }
}
