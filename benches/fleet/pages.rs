//! What the pages cost that people leave open.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::{
    observer::Observer,
    table::{Row, size},
};

/// So many are open at once.
const PAGES: usize = 100;

/// Has one target probed once a second for a time without pages, and as long with them.
pub(crate) fn pages(lasting: Duration) -> io::Result<[Row; 2]> {
    let observer = Observer::start(1, Duration::from_secs(1))?;
    let (alone, before) = (observer.probe(lasting).processor, observer.resident());
    for _ in 0..PAGES {
        open(observer.address())?;
    }
    let taken = observer.probe(lasting).processor - alone;
    let each = observer.resident().saturating_sub(before) / PAGES;
    let percent = |part: f64| (part, format!("{:.1} % of a core", 100.0 * part));
    Ok([
        Row::single(&format!("{PAGES} open pages"), percent(taken), percent(0.05)).wanted("<= 1"),
        Row::single("memory of an open page", size(each), size(50_000)).wanted("<= 1"),
    ])
}

/// Opens a page as a browser does, and reads everything until the server is gone.
fn open(address: SocketAddr) -> io::Result<()> {
    fetch(address, "/")?;
    let mut events = TcpStream::connect(address)?;
    let head = "GET /api/v1/events HTTP/1.1\r\nHost: here\r\nAccept: text/event-stream\r\n\r\n";
    events.write_all(head.as_bytes())?;
    thread::spawn(move || {
        let mut received = [0; 16 * 1024];
        while events.read(&mut received).is_ok_and(|bytes| bytes > 0) {}
    });
    Ok(())
}

fn fetch(address: SocketAddr, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let head = "Host: here\r\nConnection: close\r\nAccept-Encoding: gzip\r\n";
    stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}\r\n").as_bytes())?;
    io::copy(&mut stream, &mut io::sink())?;
    Ok(())
}
