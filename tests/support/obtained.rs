//! The servers from the scripts in `tests/servers`. The scripts build what the cache lacks, or say what to do.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The root directory that MySQL runs in.
pub(crate) fn mysql() -> &'static Path {
    static PATH: Obtained = OnceLock::new();
    obtained(&PATH, "mysql")
}

/// A directory with `data`, an initialised data directory, `plugin` and `mariadbd`, of MariaDB 10.11.
pub(crate) fn mariadb() -> &'static Path {
    static PATH: Obtained = OnceLock::new();
    obtained(&PATH, "mariadb")
}

/// The same of MariaDB 11.8.
pub(crate) fn mariadb_11() -> &'static Path {
    static PATH: Obtained = OnceLock::new();
    obtained(&PATH, "mariadb-11")
}

/// A directory with `usr/bin/prometheus` and `usr/bin/promtool`.
pub(crate) fn prometheus() -> &'static Path {
    static PATH: Obtained = OnceLock::new();
    obtained(&PATH, "prometheus")
}

/// A browser for `tests/browser`.
pub(crate) fn browser() -> &'static Path {
    static PATH: Obtained = OnceLock::new();
    obtained(&PATH, "browser")
}

/// A directory with `helm`.
pub(crate) fn helm() -> &'static Path {
    static PATH: Obtained = OnceLock::new();
    obtained(&PATH, "helm")
}

/// Obtains everything that a test with real servers uses, because the network of a test has no downloads.
pub(crate) fn everything() {
    static TOOLS: Obtained = OnceLock::new();
    obtained(&TOOLS, "tools");
    mysql();
    mariadb();
    mariadb_11();
    prometheus();
}

type Obtained = OnceLock<Result<PathBuf, String>>;

fn obtained(path: &'static Obtained, script: &str) -> &'static Path {
    let result = path.get_or_init(|| {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(script);
        let output = Command::new(program).output().map_err(|error| error.to_string())?;
        if output.status.success() {
            Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    });
    result.as_deref().unwrap_or_else(|error| panic!("tests/servers/{script} fails: {error}"))
}
