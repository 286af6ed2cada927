//! A name server with one name, whose addresses a test changes.

use std::{
    io::Write as _,
    net::{Ipv4Addr, UdpSocket},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::NamedTempFile;

/// The only name that exists.
pub(crate) const NAME: &str = "mysql-read.test";

const ADDRESS: &str = "127.0.0.53";
const A: u16 = 1;
const AAAA: u16 = 28;

/// Answers until it is dropped.
pub(crate) struct NameServer {
    known: Arc<Mutex<Known>>,
    stopped: Arc<AtomicBool>,
    resolver: NamedTempFile,
}

/// What it does with a query.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Answers {
    Addresses,
    /// SERVFAIL.
    Failure,
    Nothing,
}

struct Known {
    addresses: Vec<Ipv4Addr>,
    answers: Answers,
    /// Number of queries for addresses.
    queries: usize,
}

impl NameServer {
    pub(crate) fn new(addresses: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind((ADDRESS, 53)).expect("the test has its own namespace");
        // Limits how long a dropped server still runs.
        socket.set_read_timeout(Some(Duration::from_millis(200))).expect("the timeout is not zero");
        let known =
            Arc::new(Mutex::new(Known { addresses: addresses.to_vec(), answers: Answers::Addresses, queries: 0 }));
        let stopped = Arc::new(AtomicBool::new(false));
        let mut resolver = NamedTempFile::new().expect("a temporary file can be made");
        writeln!(resolver, "nameserver {ADDRESS}").expect("a temporary file can be written");
        let server = Self { known: Arc::clone(&known), stopped: Arc::clone(&stopped), resolver };
        thread::spawn(move || {
            let mut query = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, client)) = socket.recv_from(&mut query) else { continue };
                let mut known = known.lock().expect("no thread panics with the lock");
                if let Some(answer) = answer(&query[..length], &mut known) {
                    let _ = socket.send_to(&answer, client);
                }
            }
        });
        server
    }

    pub(crate) fn set(&self, addresses: &[Ipv4Addr]) {
        addresses.clone_into(&mut self.known.lock().expect("no thread panics with the lock").addresses);
    }

    pub(crate) fn now(&self, answers: Answers) {
        self.known.lock().expect("no thread panics with the lock").answers = answers;
    }

    pub(crate) fn queries(&self) -> usize {
        self.known.lock().expect("no thread panics with the lock").queries
    }

    /// A `resolv.conf` that names this server.
    pub(crate) fn resolver(&self) -> &Path {
        self.resolver.path()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// The response to a query (RFC 1035); `None` if it is not a query.
fn answer(query: &[u8], known: &mut Known) -> Option<Vec<u8>> {
    let mut end = 12;
    let mut labels = Vec::new();
    while let length @ 1.. = usize::from(*query.get(end)?) {
        labels.push(String::from_utf8_lossy(query.get(end + 1..=end + length)?).to_lowercase());
        end += 1 + length;
    }
    let kind = u16::from_be_bytes([*query.get(end + 1)?, *query.get(end + 2)?]);
    let question = query.get(12..end + 5)?;

    let exists = labels.join(".") == NAME;
    let addresses = if exists && kind == A { known.addresses.as_slice() } else { &[] };
    known.queries += usize::from(exists && kind == A);
    debug_assert!(kind == A || kind == AAAA, "a client of MySQL wants addresses");
    let (code, addresses): (u8, _) = match known.answers {
        Answers::Addresses => (if exists { 0 } else { 3 }, addresses),
        Answers::Failure => (2, &[][..]),
        Answers::Nothing => return None,
    };
    let count = u8::try_from(addresses.len()).ok()?;

    let mut answer = query[..2].to_vec();
    // A response with authority, recursion wanted and available; one question, the answers.
    answer.extend([0x85, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question);
    for address in addresses {
        // The question's name, type A, class IN, half a minute to keep, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
