//! A proxy that records the packets between a client and a MySQL server.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::waiting::wait_for;

/// Accepts connections until it is dropped.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    conversations: Arc<Mutex<Vec<Conversation>>>,
    stopped: Arc<AtomicBool>,
}

/// The bytes of one connection in the order in which they passed.
#[derive(Default)]
struct Conversation {
    said: Vec<(Side, Vec<u8>)>,
    closed: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Recorder {
    pub(crate) fn before(server: Ipv4Addr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let conversations = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let recorder = Self { address, conversations: Arc::clone(&conversations), stopped: Arc::clone(&stopped) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let server = TcpStream::connect((server, 3306)).expect("the server listens");
                let number = {
                    let mut all = conversations.lock().expect("no thread panics with the lock");
                    all.push(Conversation::default());
                    all.len() - 1
                };
                for (from, to, side) in [(&client, &server, Side::Client), (&server, &client, Side::Server)] {
                    let (from, to) = (duplicate(from), duplicate(to));
                    let conversations = Arc::clone(&conversations);
                    thread::spawn(move || copy(from, to, side, number, &conversations));
                }
            }
        });
        recorder
    }

    /// The packets of each connection in order, once this number of connections has ended.
    pub(crate) fn conversations(&self, enough: usize) -> Vec<Vec<&'static str>> {
        wait_for("the recorded connections to end", Duration::from_secs(10), || {
            let all = self.conversations.lock().expect("no thread panics with the lock");
            let over = all.len() >= enough && all.iter().all(|conversation| conversation.closed == 2);
            over.then(|| all.iter().map(Conversation::packets).collect())
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn duplicate(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("file descriptors are left")
}

fn copy(mut from: TcpStream, mut to: TcpStream, side: Side, number: usize, conversations: &Mutex<Vec<Conversation>>) {
    let mut buffer = [0; 16384];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..length];
        // Recorded before it is forwarded, so that a response never precedes its request.
        conversations.lock().expect("no thread panics with the lock")[number].said.push((side, bytes.to_vec()));
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    conversations.lock().expect("no thread panics with the lock")[number].closed += 1;
}

impl Conversation {
    /// The kind of each packet; the rows and definitions of one result are one `result`.
    fn packets(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        let mut logged_in = false;
        let mut rest = [Vec::new(), Vec::new()];
        for (side, bytes) in &self.said {
            let unread = &mut rest[usize::from(*side == Side::Server)];
            unread.extend_from_slice(bytes);
            while let Some(packet) = next_packet(unread) {
                let name = if logged_in { command_phase(*side, &packet) } else { login_phase(*side, &packet) };
                logged_in |= name == "ok";
                if name != "result" || names.last() != Some(&name) {
                    names.push(name);
                }
            }
        }
        names
    }
}

/// Three bytes of length, one sequence number, the payload.
fn next_packet(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let &[low, middle, high, sequence] = bytes.first_chunk()?;
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    let packet = bytes.get(4..4 + length)?.to_vec();
    bytes.drain(..4 + length);
    Some([&[sequence], packet.as_slice()].concat())
}

fn login_phase(side: Side, packet: &[u8]) -> &'static str {
    match (side, packet) {
        (Side::Server, [0, 10, ..]) => "greeting",
        (Side::Client, [1, ..]) => "login",
        (Side::Server, [_, 1, 3]) => "fast login",
        (Side::Server, [_, 1, 4]) => "full login",
        (Side::Client, [_, 2]) => "key request",
        (Side::Server, [_, 1, ..]) => "key",
        (Side::Client, [..]) if packet.len() == 257 => "password",
        (Side::Server, [_, 0, ..]) => "ok",
        _ => "unexpected",
    }
}

fn command_phase(side: Side, packet: &[u8]) -> &'static str {
    match (side, packet) {
        (Side::Client, [0, 1]) => "quit",
        (Side::Client, [0, 3, ..]) => "query",
        (Side::Server, [..]) => "result",
        _ => "unexpected",
    }
}
