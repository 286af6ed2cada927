//! An API server that tells of as many pods and PVCs as wanted, as much of one as readscope asks for: lists in pages,
//! and watches.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::objects::{self, Amount};

pub(crate) struct ApiServer {
    pub(crate) address: SocketAddr,
    busy: Arc<AtomicBool>,
}

/// Between events, while it is busy.
const PACE: Duration = Duration::from_millis(10);

impl ApiServer {
    /// It listens until the process ends.
    pub(crate) fn start(amount: Amount) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self { address: listener.local_addr()?, busy: Arc::default() };
        let busy = Arc::clone(&server.busy);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let busy = Arc::clone(&busy);
                // A client may close its connection at any time.
                thread::spawn(move || serve(&client, amount, &busy));
            }
        });
        Ok(server)
    }

    /// Whether pods change a hundred times a second from now on.
    pub(crate) fn be_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }
}

fn serve(client: &TcpStream, amount: Amount, busy: &AtomicBool) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut requests = BufReader::new(client).lines();
    while let Some(request) = requests.next().transpose()? {
        // The headers say nothing that matters.
        for header in requests.by_ref() {
            if header?.is_empty() {
                break;
            }
        }
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let resource = path.rsplit('/').next().unwrap_or_default();
        let parameter = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        if parameter("watch").is_some() {
            return tell(client, resource, amount, busy);
        }
        let from = parameter("continue").and_then(|from| from.parse().ok()).unwrap_or_default();
        let limit = parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
        let body = list(resource, amount, from, limit).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        write!(&mut &*client, "{head}: {}\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}

fn list(resource: &str, amount: Amount, from: usize, limit: usize) -> Value {
    let count = objects::count(resource, amount);
    let until = from.saturating_add(limit).min(count);
    let rest = (until < count).then(|| until.to_string());
    let items: Vec<Value> = (from..until).filter_map(|index| objects::object(resource, index, true)).collect();
    json!({"metadata": {"resourceVersion": "1", "continue": rest}, "items": items})
}

/// A watch: pods change while it is busy, and nothing else ever does.
fn tell(mut client: &TcpStream, resource: &str, amount: Amount, busy: &AtomicBool) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let mut due = Instant::now();
    for index in 0_usize.. {
        while !(busy.load(Ordering::Relaxed) && resource == "pods") {
            thread::sleep(Duration::from_millis(50));
            due = Instant::now();
        }
        due += PACE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // Each pod turns from ready to not ready, and back in the next round.
        let count = objects::count(resource, amount);
        let object = objects::object(resource, index % count, index / count % 2 == 1).unwrap_or_default();
        // The type first, as the API server has it: a parser need not keep what it does not know the type of yet.
        let line = format!(r#"{{"type":"MODIFIED","object":{object}}}"#);
        write!(client, "{:x}\r\n{line}\n\r\n", line.len() + 1)?;
    }
    Ok(())
}
