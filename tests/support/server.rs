//! A listener that plays a script to every client, and counts open connections.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rustls::{ServerConnection, StreamOwned};

use super::{
    script::{End, PATIENCE, Script, Step},
    waiting::wait_until,
};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    script: Mutex<Arc<Script>>,
    /// The bytes of all clients, in the order of their arrival.
    received: Mutex<Vec<u8>>,
    stop: AtomicBool,
    opened: AtomicUsize,
    closed: AtomicUsize,
}

/// A connection, before and after the TLS handshake.
enum Link {
    Plain(TcpStream),
    Encrypted(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Server {
    /// Plays `script` to every client until it is dropped.
    pub(crate) fn playing(script: Script) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).unwrap(), script)
    }

    /// As [`playing`](Self::playing), to the clients of `listener`.
    pub(crate) fn on(listener: TcpListener, script: Script) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(script)),
            received: Mutex::default(),
            stop: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
        });
        let for_accepting = Arc::clone(&shared);
        let accepting = Some(std::thread::spawn(move || for_accepting.accept(&listener)));
        Self { address, shared, accepting }
    }

    /// Replaces the script for new clients.
    pub(crate) fn play(&self, script: Script) {
        *lock(&self.shared.script) = Arc::new(script);
    }

    /// Connections that clients have made.
    pub(crate) fn opened(&self) -> usize {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// Whether clients have sent this sequence of bytes.
    pub(crate) fn received(&self, bytes: &[u8]) -> bool {
        lock(&self.shared.received).windows(bytes.len()).any(|window| window == bytes)
    }

    /// Waits until all connections but `at_most` are over.
    pub(crate) fn wait_until_closed(&self, at_most: usize) {
        wait_until("the clients to hang up", Duration::from_secs(10), || {
            let closed = self.shared.closed.load(Ordering::SeqCst);
            self.opened() - closed <= at_most
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the thread; it fails only where the thread is gone already.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else { continue };
            self.opened.fetch_add(1, Ordering::SeqCst);
            let script = Arc::clone(&lock(&self.script));
            let shared = Arc::clone(self);
            std::thread::spawn(move || {
                // Some scripts make clients close the connection early.
                let _ = shared.converse(stream, &script);
                shared.closed.fetch_add(1, Ordering::SeqCst);
            });
        }
    }

    fn converse(&self, stream: TcpStream, script: &Script) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let socket = stream.try_clone()?;
        let mut link = Link::Plain(stream);
        let played = self.play_steps(&mut link, &socket, script);
        match script.end {
            End::Reset => {
                reset(link, socket);
                return played;
            }
            End::Close => socket.shutdown(Shutdown::Write)?,
            End::Silence => {}
        }
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut rest = Vec::new();
        let ended = link.read_to_end(&mut rest);
        self.record(&rest);
        played.and(ended.map(|_| ()))
    }

    fn play_steps(&self, link: &mut Link, socket: &TcpStream, script: &Script) -> io::Result<()> {
        for step in &script.steps {
            match step {
                Step::Send(bytes) => link.write_all(bytes)?,
                Step::Flood(bytes) => loop {
                    if self.stop.load(Ordering::SeqCst) {
                        return Ok(());
                    }
                    link.write_all(bytes)?;
                },
                Step::Receive => self.receive(link)?,
                Step::ReceiveWithin(patience) => {
                    socket.set_read_timeout(Some(*patience))?;
                    match self.receive(link) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        received => received?,
                    }
                    socket.set_read_timeout(Some(PATIENCE))?;
                }
                Step::Encrypt(config) => {
                    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                    *link = Link::Encrypted(Box::new(StreamOwned::new(connection, socket.try_clone()?)));
                }
            }
        }
        Ok(())
    }

    fn receive(&self, link: &mut Link) -> io::Result<()> {
        let mut header = [0; 4];
        link.read_exact(&mut header)?;
        let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16];
        link.read_exact(&mut payload)?;
        self.record(&payload);
        Ok(())
    }

    fn record(&self, bytes: &[u8]) {
        lock(&self.received).extend_from_slice(bytes);
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

/// Closes a connection by RST: what closing does where the linger time is zero.
fn reset(link: Link, socket: TcpStream) {
    drop(link);
    let socket = tokio::net::TcpSocket::from_std_stream(socket);
    socket.set_zero_linger().unwrap();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A connection's thread that panicked is no reason for the others to.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
