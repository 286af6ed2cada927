//! What a server says of itself, asked as root over its socket with its own client program, so that these connections
//! can be told from the probe's.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    program::{Interactive, mortal, run},
    support::{program::Program, waiting::wait_until},
};

/// The account that readscope uses.
pub(crate) const USER: &str = "readscope";

/// Servers start and answer within seconds, but the machine may be busy.
const WITHIN: Duration = Duration::from_secs(300);

/// The client of one server.
pub(crate) struct Sql {
    /// The client program with the arguments that make it connect.
    client: Vec<String>,
}

impl Sql {
    pub(crate) fn new(client: &[&str], socket: &Path) -> Self {
        let mut client: Vec<String> = client.iter().map(|&word| word.to_owned()).collect();
        client.extend(["--no-defaults", "--user=root", "--skip-column-names", "--batch"].map(String::from));
        client.push(format!("--socket={}", socket.display()));
        Self { client }
    }

    /// The rows of the last result, each split into its columns.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        // A frozen server would never answer.
        let output = run(Command::new("timeout").arg("30").args(&self.client).args(["--execute", sql]));
        let row = |line: &str| line.split('\t').map(str::to_owned).collect();
        output.lines().map(row).collect()
    }

    pub(crate) fn number(&self, sql: &str) -> u64 {
        let rows = self.query(sql);
        rows.first()
            .and_then(|row| row.last()?.parse().ok())
            .unwrap_or_else(|| panic!("{sql} gives no number but {rows:?}"))
    }

    pub(crate) fn status(&self, name: &str) -> u64 {
        self.number(&format!("SHOW GLOBAL STATUS LIKE '{name}'"))
    }

    /// How often the probe's account has logged in since the server started. Logins with a wrong password count too.
    pub(crate) fn logins(&self) -> u64 {
        self.connections("TOTAL_CONNECTIONS")
    }

    /// Returns when the server has seen the end of every connection of the probe.
    pub(crate) fn wait_until_unused(&self) {
        wait_until("the end of the probe's connections", WITHIN, || self.connections("CURRENT_CONNECTIONS") == 0);
    }

    fn connections(&self, kind: &str) -> u64 {
        self.number(&format!("SELECT COALESCE(SUM({kind}), 0) FROM performance_schema.accounts WHERE USER = '{USER}'"))
    }

    /// Returns when the server answers. Its log tells why when it does not.
    pub(crate) fn wait_until_up(&self, process: &mut Program, log: &Path) {
        wait_until("a server to start", WITHIN, || {
            if !process.is_running() {
                let log = fs::read_to_string(log).unwrap_or_default();
                panic!("a server ends instead of starting: {log}");
            }
            let mut hello = Command::new(&self.client[0]);
            hello.args(&self.client[1..]).args(["--execute", "DO 0"]);
            let answer = hello.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
            answer.is_ok_and(|status| status.success())
        });
    }

    /// A connection that stays open until it is dropped. It executes the statements that it is told, which helps when the
    /// server takes no other connection.
    pub(crate) fn hold_connection(&self, name: &str) -> Interactive {
        let mut client = Interactive::start(mortal(&self.client[0]).args(&self.client[1..]));
        client.send(&format!("DO GET_LOCK('{name}', 0);"));
        let held = format!("SELECT IS_USED_LOCK('{name}') IS NOT NULL");
        wait_until("a connection to be held", WITHIN, || self.number(&held) == 1);
        client
    }
}
