//! Replicated MySQL servers like the lab's StatefulSet: mysql-0 is the primary, the others replicate from it, and the
//! `server_id` is 100 + the ordinal.

use std::{fmt::Write as _, fs, net::Ipv4Addr, ops::Deref, path::PathBuf, time::Duration};

use nix::sys::signal::Signal;

use crate::{
    obtained,
    program::mortal,
    run_directory::{RunDirectory, copy_template},
    sql::{Sql, USER},
    support::{program::Program, waiting::wait_until},
};

/// The password of the probe's account on a new server.
pub(crate) const PASSWORD: &str = "correct horse";

const SETTINGS: &str = include_str!("../servers/mysql.cnf");
const REPLICATION: (&str, &str) = ("replication", "of what mysql-0 does");

/// A primary and its replicas.
pub(crate) struct Fleet {
    members: Vec<Mysql>,
    settings: Vec<String>,
    directory: RunDirectory,
}

impl Fleet {
    /// Starts a fleet with these settings, and waits until the replicas have the probe's account.
    pub(crate) fn start(size: usize, settings: &[&str]) -> Self {
        let mut fleet = Self {
            members: Vec::new(),
            settings: settings.iter().map(|&line| line.to_owned()).collect(),
            directory: RunDirectory::new(obtained::mysql()),
        };
        fleet.grow(size);
        fleet
    }

    /// Adds one replica that has caught up.
    pub(crate) fn add(&mut self) {
        self.grow(1);
    }

    fn grow(&mut self, by: usize) {
        let known = self.members.len();
        for ordinal in known..known + by {
            self.members.push(Mysql::new(&self.directory, ordinal, &self.settings));
        }
        for member in &mut self.members[known..] {
            member.wait_until_up();
        }
        if known == 0 {
            self.members[0].query(&format!(
                "CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
                CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';
                GRANT REPLICATION SLAVE ON *.* TO '{user}'@'%'",
                user = REPLICATION.0,
                password = REPLICATION.1,
            ));
        }
        for replica in self.members[known..].iter().filter(|member| member.ordinal > 0) {
            replica.follow(&self.members[0]);
        }
        self.wait_until_replicated();
    }

    /// Waits until all replicas have caught up with the primary.
    pub(crate) fn wait_until_replicated(&self) {
        let (primary, replicas) = self.members.split_first().expect("a fleet has a primary");
        let done = &primary.query("SELECT REPLACE(@@global.gtid_executed, '\\n', '')")[0][0];
        for replica in replicas {
            let missing = replica.number(&format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{done}', 20)"));
            assert_eq!(missing, 0, "{} does not follow: {}", replica.name, replica.log());
        }
    }

    pub(crate) fn members(&self) -> &[Mysql] {
        &self.members
    }

    pub(crate) fn addresses(&self) -> Vec<Ipv4Addr> {
        self.members.iter().map(|member| member.address).collect()
    }

    pub(crate) fn member(&mut self, ordinal: usize) -> &mut Mysql {
        &mut self.members[ordinal]
    }

    /// Makes this replica the primary, which the others follow, except those that are killed.
    pub(crate) fn promote(&self, ordinal: usize) {
        let new = &self.members[ordinal];
        new.query("STOP REPLICA; RESET REPLICA ALL; SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF");
        let others = self.members.iter().filter(|member| member.ordinal != ordinal && member.process.is_some());
        for other in others {
            other.query("STOP REPLICA");
            other.follow(new);
        }
    }

    /// Starts a killed server again, as a replica of another one.
    pub(crate) fn rejoin(&mut self, ordinal: usize, primary: usize) {
        self.members[ordinal].start_again();
        self.members[ordinal].query("SET GLOBAL super_read_only = ON");
        self.members[ordinal].follow(&self.members[primary]);
    }

    pub(crate) fn primary(&self) -> &Mysql {
        &self.members[0]
    }
}

/// One server. Its queries are those of [`Sql`].
pub(crate) struct Mysql {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    ordinal: usize,
    /// Its directory for the test and for itself.
    outside: PathBuf,
    inside: PathBuf,
    root: PathBuf,
    sql: Sql,
    /// `None` while it is killed.
    process: Option<Program>,
}

impl Mysql {
    fn new(directory: &RunDirectory, ordinal: usize, settings: &[String]) -> Self {
        let name = format!("mysql-{ordinal}");
        let outside = directory.outside().join(&name);
        let inside = directory.inside().join(&name);
        let root = directory.root();
        let client = ["chroot", &root.display().to_string(), "mysql"];
        let last = u8::try_from(10 + ordinal).expect("a fleet is small");
        let mut server = Self {
            address: Ipv4Addr::new(127, 0, 0, last),
            sql: Sql::new(&client, &inside.join("socket")),
            name,
            ordinal,
            outside,
            inside,
            root: root.to_owned(),
            process: None,
        };
        server.prepare(settings);
        server.spawn();
        server
    }

    fn prepare(&self, settings: &[String]) {
        fs::create_dir(&self.outside).expect("the ordinal is new");
        // The template has no auto.cnf, so each copy creates its own server_uuid.
        copy_template(&self.root.join("srv/template"), &self.outside.join("data"));
        let own = self.inside.display();
        let mut file = format!(
            "{SETTINGS}
            datadir={own}/data
            socket={own}/socket
            pid-file={own}/pid
            log-error={own}/log
            bind-address={}
            server-id={}
            report-host={}\n",
            self.address,
            100 + self.ordinal,
            self.name,
        );
        if self.ordinal > 0 {
            file.push_str("super-read-only=ON\n");
        }
        for line in settings {
            writeln!(file, "{line}").expect("a String takes what is written");
        }
        fs::write(self.outside.join("my.cnf"), file).expect("the cache can be written");
    }

    fn spawn(&mut self) {
        let mut command = mortal("unshare");
        command
            .args(["--uts", "--", "bash", "-c", r#"hostname "$0" && exec chroot "$@""#, &self.name])
            .arg(&self.root)
            .arg("mysqld")
            .arg(format!("--defaults-file={}/my.cnf", self.inside.display()));
        self.process = Some(Program::start(&mut command));
    }

    fn wait_until_up(&mut self) {
        let process = self.process.as_mut().expect("it has been started");
        self.sql.wait_until_up(process, &self.outside.join("log"));
    }

    fn follow(&self, primary: &Mysql) {
        self.query(&format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{}', SOURCE_USER = '{}', SOURCE_PASSWORD = '{}',
                SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1;
            START REPLICA",
            primary.address, REPLICATION.0, REPLICATION.1
        ));
    }

    /// Executes statements on this server only, although it is a replica.
    pub(crate) fn change_alone(&self, statements: &str) {
        self.query(&format!(
            "SET sql_log_bin = OFF; SET GLOBAL super_read_only = OFF; {statements}; SET GLOBAL super_read_only = ON"
        ));
    }

    /// Stops the process: the kernel accepts connections, but the server sends no greeting.
    pub(crate) fn freeze(&self) {
        self.running().signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.running().signal(Signal::SIGCONT);
    }

    fn running(&self) -> &Program {
        self.process.as_ref().expect("the test has not killed it")
    }

    /// Kills the process, like a crash.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Gives it this `server_uuid`. Its counts start at 0 again.
    pub(crate) fn set_uuid(&mut self, uuid: &str) {
        self.kill();
        let file = format!("[auto]\nserver-uuid={uuid}\n");
        fs::write(self.outside.join("data/auto.cnf"), file).expect("the cache can be written");
        self.start_again();
    }

    /// Shuts it down, and starts it with these lines in its `my.cnf`.
    pub(crate) fn restart_with(&mut self, lines: &[&str]) {
        self.query("SET GLOBAL innodb_fast_shutdown = 0; SHUTDOWN");
        let mut process = self.process.take().expect("it has been started");
        wait_until("the server to end", Duration::from_secs(120), || !process.is_running());
        let file = self.outside.join("my.cnf");
        let settings = fs::read_to_string(&file).expect("it has been written");
        fs::write(&file, format!("{settings}{}\n", lines.join("\n"))).expect("the cache can be written");
        self.start_again();
    }

    /// Its counts start at 0 again.
    pub(crate) fn start_again(&mut self) {
        self.spawn();
        self.wait_until_up();
    }

    /// Its replica name without Kubernetes.
    pub(crate) fn replica(&self) -> String {
        format!("server-{}", 100 + self.ordinal)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.outside.join("log")).unwrap_or_default()
    }
}

impl Deref for Mysql {
    type Target = Sql;

    fn deref(&self) -> &Sql {
        &self.sql
    }
}
