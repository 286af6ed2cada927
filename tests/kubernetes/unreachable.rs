//! A pod whose MySQL cannot be reached.

use crate::lab::Lab;

/// A pod whose MySQL refuses connections until this is dropped.
pub(crate) struct Unreachable<'a> {
    lab: &'a Lab,
    address: String,
}

impl<'a> Unreachable<'a> {
    pub(crate) fn new(lab: &'a Lab, pod: &str) -> Self {
        let pod = lab.object(&format!("pod/{pod}"));
        let new = Self { lab, address: pod["status"]["podIP"].as_str().unwrap().to_owned() };
        let changed = new.change("--insert");
        assert!(changed, "iptables takes the rule");
        new
    }

    fn change(&self, what: &str) -> bool {
        let port = ["--destination", &self.address, "--protocol", "tcp", "--dport", "3306"];
        // Connections of the node, and those of pods.
        ["OUTPUT", "FORWARD"].into_iter().all(|chain| {
            let rule = [&["iptables", "--wait", "30", what, chain][..], &port, &["--jump", "REJECT"]].concat();
            let rule = [&rule[..], &["--reject-with", "tcp-reset"]].concat();
            self.lab.cluster().script("inside").args(rule).status().is_ok_and(|status| status.success())
        })
    }
}

impl Drop for Unreachable<'_> {
    fn drop(&mut self) {
        // A failure shows in the next wait; a panic here would hide why the test failed.
        self.change("--delete");
    }
}
