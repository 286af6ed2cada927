//! Detection of changed files.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A file's path, and its identity and times. A mounted `ConfigMap` or Secret is a symlink that Kubernetes swaps; the
/// stamp is that of the file behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStamp {
    path: PathBuf,
    /// `None` if the file does not exist.
    seen: Option<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    bytes: u64,
    /// mtime in seconds and nanoseconds.
    modified: (i64, i64),
    /// ctime in seconds and nanoseconds.
    changed: (i64, i64),
}

impl FileStamp {
    /// Take it before the file is read: then a later look finds a change during the read.
    pub fn of(path: &Path) -> Self {
        let seen = std::fs::metadata(path).ok().map(|file| Seen {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        });
        Self { path: path.to_owned(), seen }
    }

    pub(super) fn renewed(&self) -> Self {
        Self::of(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_swapped_symlink_is_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let [path, data, next] = ["readscope.yaml", "..data", "..next"].map(|name| folder.path().join(name));
        for version in ["1", "2"] {
            fs::create_dir(folder.path().join(version)).unwrap();
            fs::write(folder.path().join(version).join("readscope.yaml"), "targets: []").unwrap();
        }
        symlink("1", &data).unwrap();
        symlink("..data/readscope.yaml", &path).unwrap();
        let before = FileStamp::of(&path);
        assert_eq!(before.renewed(), before);
        symlink("2", &next).unwrap();
        fs::rename(&next, &data).unwrap();
        assert_ne!(before.renewed(), before);
        fs::remove_file(&data).unwrap();
        assert_eq!(before.renewed().seen, None);
    }
}
