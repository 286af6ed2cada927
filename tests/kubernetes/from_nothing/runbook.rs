//! The commands of docs/runbook.md, which name objects of the lab.

use std::fs;

use crate::cluster::{Cluster, repository};

/// Skipped: commands that do not end, that find nothing, or that need kube-proxy as a `DaemonSet`.
const NOT_HERE: [&str; 3] = ["port-forward", "--previous", "-n kube-system"];

/// Runs the commands that only read.
pub(crate) fn commands_work(cluster: &Cluster) {
    let page = fs::read_to_string(repository().join("docs/runbook.md")).unwrap();
    // Between backticks, or to the end of the line with its filter.
    let ends = ['`', '#', '|', '\n'];
    let commands = page.split("kubectl ").skip(1).map(|rest| rest.split(ends).next().unwrap().trim());
    let commands: Vec<&str> = commands.filter(|command| !NOT_HERE.iter().any(|not| command.contains(not))).collect();
    assert!(commands.len() >= 15, "{commands:#?}");
    for command in commands {
        cluster.shell(&format!("kubectl {command}"));
    }
}
