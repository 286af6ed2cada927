//! A real Alertmanager, and the webhook that it calls.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{commands::mortal, obtained, program::Program, waiting::wait_for};

/// Runs in the network namespace of the test's thread.
pub(crate) struct Alertmanager {
    pub(crate) address: SocketAddr,
    webhook: Webhook,
    program: Program,
    _directory: TempDir,
}

/// One alert as the webhook received it.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    pub(crate) receiver: String,
    pub(crate) status: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Notification {
    pub(crate) fn alert(&self) -> &str {
        &self.labels["alertname"]
    }
}

impl Alertmanager {
    /// It notifies of each alert separately, at once and only once.
    pub(crate) fn start() -> Self {
        Self::routing("", &[])
    }

    /// With these routes, as a YAML list without its brackets, to these receivers; all else goes to `default`.
    pub(crate) fn routing(routes: &str, receivers: &[&str]) -> Self {
        let webhook = Webhook::start();
        let directory = TempDir::new().expect("a temporary directory can be made");
        let file = directory.path().join("alertmanager.yml");
        let url = webhook.address;
        let receiver = |name: &&str| {
            format!("- {{name: {name}, webhook_configs: [{{url: 'http://{url}/', send_resolved: true}}]}}\n")
        };
        let receivers: String = ["default"].iter().chain(receivers).map(receiver).collect();
        let configuration = format!(
            "route: {{receiver: default, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 24h,
  routes: [{routes}]}}
receivers:\n{receivers}"
        );
        fs::write(&file, configuration).expect("a temporary file can be written");
        let address = SocketAddr::from(([127, 0, 0, 1], 9093));
        let unpacked = obtained::prometheus();
        let mut command = mortal("unshare");
        // It reads its templates from where Debian's package puts them, which is not installed here.
        command
            .args(["--mount", "--", "bash", "-c", r#"mount --rbind "$0" /usr/share && exec "$@""#])
            .arg(unpacked.join("usr/share"))
            .arg(unpacked.join("usr/bin/prometheus-alertmanager"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=");
        let mut program = Program::start(&mut command);
        wait_for("Alertmanager to listen", Duration::from_secs(60), || {
            assert!(program.is_running(), "Alertmanager ends: {:?}", program.log());
            TcpStream::connect(address).ok()
        });
        Self { address, webhook, program, _directory: directory }
    }

    /// All notifications so far.
    pub(crate) fn notifications(&mut self) -> Vec<Notification> {
        assert!(self.program.is_running(), "Alertmanager ends: {:?}", self.program.log());
        self.webhook.state.received.lock().unwrap().clone()
    }

    /// The description in the first notification of an alert.
    pub(crate) fn description(&mut self, alert: &str) -> String {
        let alert = format!("Readscope{alert}");
        let first = self.notifications().into_iter().find(|notification| notification.alert() == alert);
        first.expect("the alert has fired").annotations["description"].clone()
    }
}

/// A server that receives the notifications.
struct Webhook {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    received: Mutex<Vec<Notification>>,
    over: AtomicBool,
}

impl Webhook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let webhook = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&webhook.state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if state.over.load(Ordering::Relaxed) {
                    return;
                }
                // Alertmanager repeats a failed request.
                if let Some(alerts) = post(client) {
                    state.received.lock().unwrap().extend(alerts);
                }
            }
        });
        webhook
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

/// The alerts of one request, which is answered.
fn post(client: TcpStream) -> Option<Vec<Notification>> {
    client.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
    let mut reader = BufReader::new(client);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let alerts = body["alerts"].as_array()?.iter().map(|alert| notification(alert, &body["receiver"])).collect();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    reader.get_mut().write_all(answer.as_bytes()).ok()?;
    Some(alerts)
}

fn notification(alert: &Value, receiver: &Value) -> Notification {
    let texts = |value: &Value| {
        let entries = value.as_object().expect("labels and annotations are objects").iter();
        entries.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    };
    Notification {
        receiver: receiver.as_str().expect("a notification has a receiver").to_owned(),
        status: alert["status"].as_str().expect("an alert has a status").to_owned(),
        labels: texts(&alert["labels"]),
        annotations: texts(&alert["annotations"]),
    }
}
