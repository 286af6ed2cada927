//! The first read follows the rules of kube-proxy closely.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;

use crate::{WITHIN, lab::Lab, scaled_replica::ScaledReplica, support::waiting::wait_for};

/// The probes of a burst may miss one of four endpoints for 17 probes at the 99th percentile, at 20 ms each. A busy machine
/// adds up to a second. Without a burst it would be half a minute.
const WITHIN_BURST: f64 = 17.0 * 0.02 + 0.05 + 1.0;

#[test]
fn the_first_read_follows_the_rules_of_kube_proxy_closely() {
    let lab = Lab::own();
    let mut probe = lab.readscope("mysql/mysql-read", &["--interval", "10s"]);
    probe.scrape_until("a read", |now| now.reads() >= 1);
    probe.target_until("the endpoints", |target| (target["routing"]["endpoints"].as_array()?.len() == 3).then_some(()));
    let rules = Rules::watch(&lab);
    lab.scale(4);
    let member = ScaledReplica::only(&probe.finished_events(1)[0]);
    let address = probe.target_until("the new endpoint", |target| {
        let endpoints = target["routing"]["endpoints"].as_array()?;
        let endpoint = endpoints.iter().find(|endpoint| endpoint["replica"] == "mysql-3")?;
        Some(endpoint["addresses"][0].as_str()?.to_owned())
    });
    let applied = wait_for("the rules", WITHIN, || rules.applied_for(&address));
    let first_read = member.milestones()["first_read"];
    let after = first_read.duration_since(applied).as_secs_f64();
    eprintln!("the first read came {after:.3} s after the rules");
    // The kernel may report a transaction a little after it applies.
    assert!((-1.0..=WITHIN_BURST).contains(&after), "{after} s after the rules: {:#?}", member.value());
}

/// The rules of kube-proxy, as the kernel receives them.
struct Rules {
    lines: Arc<Mutex<Vec<String>>>,
    watching: Child,
}

impl Rules {
    fn watch(lab: &Lab) -> Self {
        let mut command = lab.cluster().script("rules");
        let mut watching = command.arg("watch").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (output, lines) = (watching.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let received = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                received.lock().unwrap().push(line);
            }
        });
        Self { lines, watching }
    }

    /// When the Service started to route to the address: the end of the first transaction with such a rule.
    fn applied_for(&self, address: &str) -> Option<Timestamp> {
        let lines = self.lines.lock().unwrap();
        let sends = format!(" dnat to {address}:3306");
        let mut from = lines.iter().skip_while(|line| !(line.contains("add rule") && line.contains(&sends)));
        let end = from.find(|line| line.contains("new generation"))?;
        let (seconds, _) = end.split_once(' ')?;
        Timestamp::UNIX_EPOCH.checked_add(std::time::Duration::try_from_secs_f64(seconds.parse().ok()?).ok()?).ok()
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        let _ = self.watching.kill();
        let _ = self.watching.wait();
    }
}
