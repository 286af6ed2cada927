//! A connection from one program to the API server that a test can cut or freeze. Other clients are not affected.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::lab::Lab;

/// Passes connections on to the API server until it is dropped.
pub(crate) struct Link {
    address: std::net::SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cut: AtomicBool,
    frozen: AtomicBool,
    over: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

/// The tests' own API server.
const API_SERVER: &str = "10.250.0.1:6443";

impl Link {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&link.state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if state.over.load(Ordering::Relaxed) {
                    return;
                }
                let server = (!state.cut.load(Ordering::Relaxed)).then(|| TcpStream::connect(API_SERVER));
                if let Some(Ok(server)) = server {
                    pass(&client, &server, &state);
                    pass(&server, &client, &state);
                    state.connections.lock().unwrap().push(client);
                }
            }
        });
        link
    }

    /// The administrator's kubeconfig through this link, in the folder.
    pub(crate) fn kubeconfig(&self, lab: &Lab, folder: &Path) -> PathBuf {
        let direct = std::fs::read_to_string(lab.cluster().kubeconfig()).unwrap();
        let (name, _) = API_SERVER.split_once(':').unwrap();
        let through = format!("server: \"https://{}\", tls-server-name: \"{name}\"", self.address);
        let indirect = direct.replace(&format!("server: \"https://{API_SERVER}\""), &through);
        assert_ne!(direct, indirect);
        let path = folder.join("kubeconfig");
        std::fs::write(&path, indirect).unwrap();
        path
    }

    pub(crate) fn cut(&self) {
        self.state.cut.store(true, Ordering::Relaxed);
        for connection in self.state.connections.lock().unwrap().drain(..) {
            // It may be closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Connections stay open and are accepted, but nothing passes.
    pub(crate) fn freeze(&self) {
        self.state.frozen.store(true, Ordering::Relaxed);
    }

    pub(crate) fn restore(&self) {
        self.state.cut.store(false, Ordering::Relaxed);
        self.state.frozen.store(false, Ordering::Relaxed);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        self.cut();
        self.restore();
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn pass(from: &TcpStream, to: &TcpStream, state: &Arc<State>) {
    let (mut from, mut to, state) = (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(state));
    thread::spawn(move || {
        let mut data = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut data) {
            while state.frozen.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
            if to.write_all(&data[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
