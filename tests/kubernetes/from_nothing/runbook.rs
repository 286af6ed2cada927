//! The commands of docs/runbook.md, which name what is in the lab.

use std::fs;

use crate::cluster::{Cluster, repository};

/// What does not end, looks for what is not there, or is for clusters whose kube-proxy is a `DaemonSet`.
const NOT_HERE: [&str; 3] = ["port-forward", "--previous", "-n kube-system"];

/// Runs those with which something is looked at.
pub(crate) fn commands_work(cluster: &Cluster) {
    let page = fs::read_to_string(repository().join("docs/runbook.md")).unwrap();
    // Between backticks, or to the end of a line and what filters it.
    let ends = ['`', '#', '|', '\n'];
    let commands = page.split("kubectl ").skip(1).map(|rest| rest.split(ends).next().unwrap().trim());
    let commands: Vec<&str> = commands.filter(|command| !NOT_HERE.iter().any(|not| command.contains(not))).collect();
    assert!(commands.len() >= 15, "{commands:#?}");
    for command in commands {
        cluster.shell(&format!("kubectl {command}"));
    }
}
