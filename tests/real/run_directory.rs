//! Data directories are inside the root directory of the servers, because the servers see nothing else.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::program::run;

/// A directory of one test below `/srv` of the root, removed with everything in it when it is dropped.
pub(crate) struct RunDirectory {
    root: PathBuf,
    directory: TempDir,
    /// Locked until the test ends, in whatever way.
    _lock: File,
}

impl RunDirectory {
    pub(crate) fn new(root: &Path) -> Self {
        let all = File::open(root.join("srv")).expect("the root has /srv");
        // A directory is not stale between its creation and its lock.
        all.lock().expect("directories can be locked");
        remove_stale(root);
        let directory =
            tempfile::Builder::new().prefix(PREFIX).tempdir_in(root.join("srv")).expect("the cache can be written");
        let lock = File::open(directory.path()).expect("the directory has just been made");
        lock.lock().expect("directories can be locked");
        Self { root: root.to_owned(), directory, _lock: lock }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Its path for the test.
    pub(crate) fn outside(&self) -> &Path {
        self.directory.path()
    }

    /// Its path for programs in the root.
    pub(crate) fn inside(&self) -> PathBuf {
        let path = self.outside().strip_prefix(&self.root).expect("it was made below the root");
        Path::new("/").join(path)
    }
}

const PREFIX: &str = "run-";

/// Removes the directories of tests that were killed.
fn remove_stale(root: &Path) {
    let entries = fs::read_dir(root.join("srv")).expect("the root has /srv");
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        // Errors are ignored: a test that ends now removes its directory itself.
        if File::open(entry.path()).is_ok_and(|directory| directory.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Copies an initialised data directory; holes stay holes.
pub(crate) fn copy_template(from: &Path, to: &Path) {
    run(Command::new("cp").args(["--archive", "--sparse=always"]).arg(from).arg(to));
}
