//! The source of the password, and a wrapper that never prints it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer};

use super::{file_stamp::FileStamp, text::write_path};

/// Text that never appears in a log, page or debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum PasswordSource {
    /// The account has no password.
    #[default]
    Empty,
    /// From the environment, fixed for the life of the process.
    #[serde(rename = "password")]
    Given(Secret),
    /// Read again when it changes.
    #[serde(rename = "password_file")]
    File(#[serde(serialize_with = "write_path")] PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error(
        "cannot read the password file {path:?}: {reason}; check that it exists and that this user may read it; in \
         Kubernetes, check that the Secret exists and has this key"
    )]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error(
        "the password file {path:?} is empty; write the password into it, or remove this setting if the account has no password"
    )]
    Empty { path: PathBuf },
    #[error("the password file {path:?} is not one line of UTF-8 text; write only the password into it")]
    NotOneLine { path: PathBuf },
}

/// The limit prevents reading a wrong path, such as a disk image, into memory.
const PASSWORD_BYTES_MAX: u64 = 4096;

impl Secret {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// For code that sends the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<secret>")
    }
}

impl PasswordSource {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// `None` if the account has no password.
    ///
    /// # Errors
    /// When the password file is unreadable, empty or not one line of text.
    pub fn read(&self) -> Result<Option<Secret>, PasswordError> {
        match self {
            Self::Empty => Ok(None),
            Self::Given(secret) => Ok(Some(secret.clone())),
            Self::File(path) => read_file(path).map(Some),
        }
    }

    /// Its file as it is now.
    #[must_use]
    pub fn stamps(&self) -> Vec<FileStamp> {
        match self {
            Self::Empty | Self::Given(_) => Vec::new(),
            Self::File(path) => vec![FileStamp::of(path)],
        }
    }
}

fn read_file(path: &Path) -> Result<Secret, PasswordError> {
    use std::io::Read;

    let unreadable = |reason| PasswordError::Unreadable { path: path.to_owned(), reason };
    let not_one_line = || PasswordError::NotOneLine { path: path.to_owned() };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(PASSWORD_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(not_one_line());
    }
    let text = String::from_utf8(bytes).map_err(|_| not_one_line())?;
    // Editors and `echo` end a file with a line break, which is not part of the password.
    let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() {
        Err(PasswordError::Empty { path: path.to_owned() })
    } else if line.contains(['\n', '\r', '\0']) {
        Err(not_one_line())
    } else {
        Ok(Secret::new(line.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Secret>, PasswordError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, bytes).unwrap();
        PasswordSource::File(path).read()
    }

    #[test]
    fn a_line_break_at_the_end_is_not_part_of_the_password() {
        for bytes in ["se cret", "se cret\n", "se cret\r\n"] {
            assert_eq!(read(bytes.as_bytes()).unwrap().unwrap().expose(), "se cret");
        }
    }

    #[test]
    fn a_file_without_a_password_is_refused() {
        assert!(matches!(read(b""), Err(PasswordError::Empty { .. })));
        assert!(matches!(read(b"\n"), Err(PasswordError::Empty { .. })));
        assert!(matches!(read(b"a\nb\n"), Err(PasswordError::NotOneLine { .. })));
        assert!(matches!(read(b"\xff\xfe"), Err(PasswordError::NotOneLine { .. })));
        assert!(matches!(read(&[b'x'; 5000]), Err(PasswordError::NotOneLine { .. })));
        let missing = PasswordSource::File("does/not/exist".into());
        assert!(matches!(missing.read(), Err(PasswordError::Unreadable { .. })));
    }

    #[test]
    fn a_secret_is_not_printed() {
        let source = PasswordSource::Given(Secret::new("hunter2".to_owned()));
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
