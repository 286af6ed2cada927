//! The page in a real browser, open during the whole test.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, repository},
    support::obtained,
};

/// It is never reloaded; its console must stay empty.
pub(crate) struct Page {
    browser: Child,
    /// Closing it closes the page.
    queries: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Page {
    /// Opens the page through the Service of readscope, from the node.
    pub(crate) fn open(cluster: &Cluster) -> Self {
        let address = cluster.kubectl("-n readscope get service/readscope -o jsonpath={.spec.clusterIP}");
        let mut command = cluster.inside("node");
        command
            .arg(repository().join("tests/browser/lab.js"))
            .arg(format!("http://{address}:10306/"))
            .env("READSCOPE_BROWSER", obtained::browser())
            .env("READSCOPE_PROGRAM", env!("CARGO_BIN_EXE_readscope"));
        let mut browser = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (queries, answers) = (browser.stdin.take(), BufReader::new(browser.stdout.take().unwrap()));
        let mut page = Self { browser, queries, answers };
        assert_eq!(page.answer()["open"], true);
        page
    }

    /// Waits until this number of selected elements has a text that matches a pattern.
    pub(crate) fn shows(&mut self, times: usize, selector: &str, pattern: &str) {
        let query = json!({"selector": selector, "pattern": pattern, "times": times});
        writeln!(self.queries.as_mut().unwrap(), "{query}").unwrap();
        let answer = self.answer();
        assert_eq!(answer["shown"], true, "{answer:#}");
    }

    /// Closes it; panics if its console has any message.
    pub(crate) fn close(mut self) {
        self.queries = None;
        let status = self.browser.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    /// The browser's script has the time limit.
    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: the browser says {line:?}"))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Both fail only after its end. The browser ends with the cluster at the latest.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
