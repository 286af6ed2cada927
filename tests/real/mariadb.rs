//! A MariaDB server with the test's own data directory.

use std::{fs, net::Ipv4Addr, ops::Deref, path::Path};

use tempfile::TempDir;

use crate::{
    mysql::PASSWORD,
    obtained,
    program::mortal,
    run_directory::copy_template,
    sql::{Sql, USER},
    support::program::Program,
};

/// Where a series of MariaDB is: [`obtained::mariadb`] or [`obtained::mariadb_11`].
pub(crate) type Series = fn() -> &'static Path;

pub(crate) const SERIES: [Series; 2] = [obtained::mariadb, obtained::mariadb_11];

/// One server. Its queries are those of [`Sql`].
pub(crate) struct Mariadb {
    pub(crate) address: Ipv4Addr,
    server_id: u8,
    sql: Sql,
    _process: Program,
    _directory: TempDir,
}

impl Mariadb {
    /// Starts a server at `127.0.0.SERVER_ID`. The probe's account has the same password as on MySQL.
    pub(crate) fn start(series: Series, server_id: u8, settings: &[&str]) -> Self {
        let obtained = series();
        let directory = TempDir::new().expect("a temporary directory can be made");
        let own = directory.path();
        copy_template(&obtained.join("data"), &own.join("data"));
        let address = Ipv4Addr::new(127, 0, 0, server_id);
        let file = own.join("my.cnf");
        let lines = [
            "[mariadbd]".to_owned(),
            "user=root".to_owned(),
            format!("datadir={}/data", own.display()),
            format!("plugin-dir={}/plugin", obtained.display()),
            format!("socket={}/socket", own.display()),
            format!("pid-file={}/pid", own.display()),
            format!("log-error={}/log", own.display()),
            format!("bind-address={address}"),
            format!("server-id={server_id}"),
            "skip-name-resolve=ON".to_owned(),
            "performance-schema=ON".to_owned(),
            "innodb-buffer-pool-size=16M".to_owned(),
            "innodb-log-file-size=8M".to_owned(),
            "innodb-flush-log-at-trx-commit=0".to_owned(),
            settings.join("\n"),
        ];
        fs::write(&file, lines.join("\n")).expect("a temporary file can be written");
        let argument = format!("--defaults-file={}", file.display());
        let mut process = Program::start(mortal(&obtained.join("mariadbd").to_string_lossy()).arg(argument));
        let sql = Sql::new(&["mariadb"], &own.join("socket"));
        sql.wait_until_up(&mut process, &own.join("log"));
        sql.query(&format!("CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'"));
        Self { address, server_id, sql, _process: process, _directory: directory }
    }

    /// Its replica name without Kubernetes.
    pub(crate) fn replica(&self) -> String {
        format!("server-{}", self.server_id)
    }
}

impl Deref for Mariadb {
    type Target = Sql;

    fn deref(&self) -> &Sql {
        &self.sql
    }
}
