//! The first read is told when kube-proxy's rules let it happen.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Mutex},
};

use jiff::Timestamp;

use crate::{
    lab::{Lab, WITHIN},
    support::waiting::wait_for,
    telling::Member,
};

/// The probes of a burst may miss one of four endpoints for 17 probes at the 99th percentile, at 20 ms each. A busy machine
/// adds up to a second. Without a burst it would be half a minute.
const WITHIN_BURST: f64 = 17.0 * 0.02 + 0.05 + 1.0;

#[test]
fn the_first_read_is_told_soon_after_the_rules_contain_the_endpoint() {
    let lab = Lab::own();
    let mut probe = lab.readscope("mysql/mysql-read", &["--interval", "10s"]);
    probe.scrape_until("a read", |now| now.reads() >= 1);
    probe.target_until("the endpoints", |target| (target["routing"]["endpoints"].as_array()?.len() == 3).then_some(()));
    let rules = Rules::watch(&lab);
    lab.scale(4);
    let member = Member::only(&probe.finished_events(1)[0]);
    let address = probe.target_until("the new endpoint", |target| {
        let endpoints = target["routing"]["endpoints"].as_array()?;
        let endpoint = endpoints.iter().find(|endpoint| endpoint["replica"] == "mysql-3")?;
        Some(endpoint["addresses"][0].as_str()?.to_owned())
    });
    let in_force = wait_for("the rules", WITHIN, || rules.in_force_for(&address));
    let first_read = member.milestones()["first_read"];
    let after = first_read.duration_since(in_force).as_secs_f64();
    eprintln!("the first read came {after:.3} s after the rules");
    // The kernel may tell of a transaction a little after it is in force.
    assert!((-1.0..=WITHIN_BURST).contains(&after), "{after} s after the rules: {:#?}", member.value());
}

/// What kube-proxy told the kernel, as it told it.
struct Rules {
    lines: Arc<Mutex<Vec<String>>>,
    watching: Child,
}

impl Rules {
    fn watch(lab: &Lab) -> Self {
        let mut command = lab.cluster().script("rules", &["watch"]);
        let mut watching = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (output, lines) = (watching.stdout.take().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let told = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                told.lock().unwrap().push(line);
            }
        });
        Self { lines, watching }
    }

    /// Since when connections to the read Service may be sent to the address: the end of the first transaction with a
    /// rule that does.
    fn in_force_for(&self, address: &str) -> Option<Timestamp> {
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
        // Both fail only where it has ended.
        let _ = self.watching.kill();
        let _ = self.watching.wait();
    }
}
