//! An API server with the Service `mysql/mysql-read` and its pods, which can be made to refuse everything.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

const EXPIRED: &str = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;

/// For a watch from before the last change: this server keeps no history.
const GONE: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old","reason":"Expired","code":410}}"#;

/// How often a watch looks for a change.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mode {
    /// The pods `mysql-N` with these ordinals are the endpoints.
    Serves(Vec<u32>),
    /// Cuts the watches and answers everything with this head and body.
    Refuses(&'static str, &'static str),
    /// Cuts every connection without an answer.
    HangsUp,
    /// As `Serves`, in this way.
    Oddly(Way, Vec<u32>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// Each answer takes this time.
    Slow(Duration),
    /// The watches send nothing and never end, whatever comes after.
    Silent,
    /// With this number of other pods.
    Among(usize),
    /// Only with this token.
    Wants(&'static str),
}

pub(crate) struct ApiServer {
    /// With the number of its changes.
    mode: Arc<Mutex<(u32, Mode)>>,
    folder: TempDir,
}

impl ApiServer {
    /// It serves until the process ends.
    pub(crate) fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { mode: Arc::new(Mutex::new((1, mode))), folder: tempfile::tempdir().unwrap() };
        let user = "{}";
        fs::write(server.kubeconfig(), kubeconfig(&format!("http://{}", listener.local_addr().unwrap()), user))
            .unwrap();
        let mode = Arc::clone(&server.mode);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mode = Arc::clone(&mode);
                // A client may close its connection at any time.
                thread::spawn(move || serve(&client, &mode));
            }
        });
        server
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub(crate) fn set(&self, mode: Mode) {
        let mut now = self.mode.lock().unwrap();
        *now = (now.0 + 1, mode);
    }
}

pub(crate) fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: u, user: {user}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
         current-context: x\n"
    )
}

fn serve(mut client: &TcpStream, mode: &Mutex<(u32, Mode)>) -> io::Result<()> {
    let mut requests = BufReader::new(client).lines();
    while let Some(request) = requests.next().transpose()? {
        let mut token = String::new();
        for header in requests.by_ref() {
            let header = header?;
            if header.is_empty() {
                break;
            }
            if let Some(sent) = header.strip_prefix("authorization: Bearer ") {
                sent.clone_into(&mut token);
            }
        }
        let (version, now) = mode.lock().unwrap().clone();
        let way = if let Mode::Oddly(way, _) = &now { Some(*way) } else { None };
        match way {
            Some(Way::Slow(time)) => thread::sleep(time),
            Some(Way::Wants(wanted)) if wanted != token => {
                write!(client, "HTTP/1.1 401 Unauthorized\r\nContent-Length: {}\r\n\r\n{EXPIRED}", EXPIRED.len())?;
                continue;
            }
            _ => {}
        }
        let ordinals = match &now {
            Mode::Serves(ordinals) | Mode::Oddly(_, ordinals) => ordinals,
            Mode::Refuses(head, body) => {
                write!(client, "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
                continue;
            }
            Mode::HangsUp => return Ok(()),
        };
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if query.contains("watch=") {
            client.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            if !query.contains(&format!("resourceVersion={version}")) {
                write!(client, "{:x}\r\n{GONE}\n\r\n0\r\n\r\n", GONE.len() + 1)?;
                return Ok(());
            }
            while mode.lock().unwrap().0 == version || way == Some(Way::Silent) {
                thread::sleep(LOOK);
            }
            return Ok(());
        }
        let resource = path.rsplit('/').next().unwrap_or_default();
        let own = objects(resource, ordinals);
        let others = if let (Some(Way::Among(others)), "pods") = (way, resource) { others } else { 0 };
        let total = own.len() + others;
        // In pages, as the client asks for them.
        let number = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)?.parse::<usize>().ok());
        let (from, limit) = (number("continue=").unwrap_or_default(), number("limit=").unwrap_or(usize::MAX));
        let to = from.saturating_add(limit).min(total);
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if to < total {
            metadata["continue"] = to.to_string().into();
        }
        let (known, beyond) = (|at: usize| at.min(own.len()), |at: usize| at.saturating_sub(own.len()));
        let mut items = own[known(from)..known(to)].to_vec();
        items.extend((beyond(from)..beyond(to)).map(other_pod));
        let body = json!({"metadata": metadata, "items": items}).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
        write!(client, "{head}: {}\r\n\r\n{body}", body.len())?;
    }
    Ok(())
}

/// A pod of something else, of the size that pods have.
fn other_pod(number: usize) -> Value {
    let name = format!("batch-{number}");
    let metadata = json!({
        "name": name, "namespace": "mysql", "uid": name, "resourceVersion": "1", "annotations": {"note": "x".repeat(4000)},
    });
    json!({"metadata": metadata, "spec": {"containers": []}, "status": {"podIP": "10.0.0.9"}})
}

/// Of the pod with this ordinal: that of the real server with this ordinal, where there is one.
fn address(ordinal: u32) -> String {
    format!("127.0.0.{}", 10 + ordinal)
}

fn objects(resource: &str, ordinals: &[u32]) -> Vec<Value> {
    let metadata = |name: &str| json!({"name": name, "namespace": "mysql", "uid": name, "resourceVersion": "1"});
    let ports = json!([{"name": "mysql", "port": 3306, "protocol": "TCP"}]);
    match resource {
        "services" => vec![json!({
            "metadata": metadata("mysql-read"),
            "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.10", "ports": ports, "selector": {"app": "mysql"}},
        })],
        "pods" => {
            let pod = |ordinal: &u32| {
                json!({
                    "metadata": metadata(&format!("mysql-{ordinal}")), "spec": {"containers": []},
                    "status": {"podIP": address(*ordinal)},
                })
            };
            ordinals.iter().map(pod).collect()
        }
        "endpointslices" => {
            let endpoint = |ordinal: &u32| {
                let name = format!("mysql-{ordinal}");
                json!({
                    "addresses": [address(*ordinal)],
                    "conditions": {"ready": true, "serving": true, "terminating": false},
                    "targetRef": {"kind": "Pod", "namespace": "mysql", "name": name, "uid": name},
                })
            };
            let mut metadata = metadata("mysql-read-x");
            metadata["labels"] = json!({"kubernetes.io/service-name": "mysql-read"});
            let endpoints: Vec<_> = ordinals.iter().map(endpoint).collect();
            vec![json!({"metadata": metadata, "addressType": "IPv4", "ports": ports, "endpoints": endpoints})]
        }
        _ => Vec::new(),
    }
}
