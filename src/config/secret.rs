//! The source of the password, and a wrapper that never prints it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer};

use super::{
    file_stamp::FileStamp,
    text::{read_at_most, without_mark, write_path},
};

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

/// `place` is such as `the password file "/etc/readscope/password"`.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error(
        "cannot read {place}: {reason}; check that it exists and that this user may read it; in Kubernetes, check that \
         the Secret exists and has this key"
    )]
    Unreadable { place: String, reason: std::io::Error },
    #[error("{place} is empty; write the password into it, or remove this setting if the account has no password")]
    Empty { place: String },
    #[error("{place} is not one line of UTF-8 text; write only the password into it")]
    NotOneLine { place: String },
}

const PASSWORD_BYTES_MAX: u64 = 4096;

impl Secret {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Every password and token passes here. Editors and `echo` end a text with a line break, and some editors begin it
    /// with a byte order mark; neither is part of the secret. Blanks are.
    fn from_bytes(bytes: &[u8], place: String) -> Result<Self, PasswordError> {
        let Ok(text) = str::from_utf8(without_mark(bytes)) else { return Err(PasswordError::NotOneLine { place }) };
        let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        if line.is_empty() {
            Err(PasswordError::Empty { place })
        } else if line.contains(['\n', '\r', '\0']) {
            Err(PasswordError::NotOneLine { place })
        } else {
            Ok(Self::new(line.to_owned()))
        }
    }

    /// Reads a file with only the secret. `what` names the file in an error, before its path.
    pub fn in_file(path: &Path, what: &str) -> Result<Self, PasswordError> {
        let place = format!("{what} {:?}", path.to_string_lossy());
        match read_at_most(path, PASSWORD_BYTES_MAX) {
            Ok(Some(bytes)) => Self::from_bytes(&bytes, place),
            Ok(None) => Err(PasswordError::NotOneLine { place }),
            Err(reason) => Err(PasswordError::Unreadable { place, reason }),
        }
    }

    /// For code that sends the text.
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

    /// `place` names the text in an error.
    pub fn given(text: &[u8], place: impl Into<String>) -> Result<Self, PasswordError> {
        Secret::from_bytes(text, place.into()).map(Self::Given)
    }

    /// `None` if the account has no password.
    pub fn read(&self) -> Result<Option<Secret>, PasswordError> {
        match self {
            Self::Empty => Ok(None),
            Self::Given(secret) => Ok(Some(secret.clone())),
            Self::File(path) => Secret::in_file(path, "the password file").map(Some),
        }
    }

    /// Its file as it is now.
    pub fn stamps(&self) -> Vec<FileStamp> {
        match self {
            Self::Empty | Self::Given(_) => Vec::new(),
            Self::File(path) => vec![FileStamp::of(path)],
        }
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

    /// The secret, or the error without its place: the same for a file and for a given text.
    fn all_ways(bytes: &[u8]) -> Result<String, String> {
        let error = |error: PasswordError| match &error {
            PasswordError::Unreadable { place, .. }
            | PasswordError::Empty { place }
            | PasswordError::NotOneLine { place } => error.to_string().replace(place, "it"),
        };
        let in_file = read(bytes).map_err(error);
        let given = PasswordSource::given(bytes, "the variable").and_then(|source| source.read()).map_err(error);
        assert_eq!(in_file, given, "{bytes:?}");
        in_file.map(|secret| secret.unwrap().expose().to_owned())
    }

    #[test]
    fn a_line_break_at_the_end_and_a_byte_order_mark_are_not_part_of_the_password() {
        for bytes in ["se cret", "se cret\n", "se cret\r\n", "\u{feff}se cret", "\u{feff}se cret\r\n"] {
            assert_eq!(all_ways(bytes.as_bytes()).as_deref(), Ok("se cret"));
        }
    }

    #[test]
    fn every_other_byte_is_part_of_the_password() {
        for text in [" ", "secret ", "\tsecret\t", "pässwörd", "#;?&@\"\\%$'`", "a\u{feff}", "a\u{a0}", "a\u{1b}b"] {
            assert_eq!(all_ways(text.as_bytes()).as_deref(), Ok(text));
            assert_eq!(all_ways(format!("{text}\n").as_bytes()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_text_that_is_not_one_line_is_refused() {
        let empty = "it is empty; write the password into it, or remove this setting if the account has no password";
        for bytes in ["", "\n", "\r\n", "\u{feff}", "\u{feff}\n"] {
            assert_eq!(all_ways(bytes.as_bytes()).unwrap_err(), empty);
        }
        let not_one_line = "it is not one line of UTF-8 text; write only the password into it";
        let utf_16 = b"\xff\xfes\0";
        for bytes in
            [&b"a\nb\n"[..], b"a\n\n", b"a\r", b"a\rb", b"\na", b"a\0", b"\0", b"a\0\n", b"\xff", b"a\xc3", utf_16]
        {
            assert_eq!(all_ways(bytes).unwrap_err(), not_one_line, "{bytes:?}");
        }
        assert!(read(&[b'x'; 5000]).unwrap_err().to_string().contains("is not one line"));
        let missing = PasswordSource::File("does/not/exist".into()).read().unwrap_err().to_string();
        assert!(missing.starts_with("cannot read the password file \"does/not/exist\": No such file"), "{missing}");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let source = PasswordSource::Given(Secret::new("hunter2".to_owned()));
        assert!(!format!("{source:?}").contains("hunter2"));
    }
}
